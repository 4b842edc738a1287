"""`python -m vaporbrush_daemon`: the command line."""

from vaporbrush_daemon.cli.main import main

main()
