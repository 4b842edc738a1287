"""Puts plug-ins into Krita and GIMP, and the daemon under a service manager."""
