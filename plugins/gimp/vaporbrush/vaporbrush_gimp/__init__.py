"""Vaporbrush inside GIMP 3."""
