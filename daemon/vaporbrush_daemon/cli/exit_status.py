"""The commands, by what they are about. What they share stands here: exit statuses and the `--json` option."""

from __future__ import annotations

from typing import Annotated

import typer

DONE, FAILED, USAGE, NO_DAEMON, CANCELLED = 0, 1, 2, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
