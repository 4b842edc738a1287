"""Painting on another machine: `pipe` and `keys` on the one that paints, `ssh` and `book` on the one that asks."""
