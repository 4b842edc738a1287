"""What tells the plug-in which Qt this Krita was built with."""

import os


def qt_major_version():
    """5 or 6, as the test wants."""
    return int(os.environ["FAKE_KRITA_QT"])
