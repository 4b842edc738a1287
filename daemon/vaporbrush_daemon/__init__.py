"""The daemon, its command line and its installers."""
