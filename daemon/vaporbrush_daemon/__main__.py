"""`python -m vaporbrush_daemon`: the command line."""

from .cli import main

main()
