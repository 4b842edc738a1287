"""What the plug-ins for Krita and GIMP share: no Qt, no GTK, no host program; Python 3.10 to 3.14.

Threads: everything that talks to the daemon runs in threads of this package and reports by putting events into
one queue. The host's own thread empties that queue by a timer and is the only one that touches the host's API.
"""
