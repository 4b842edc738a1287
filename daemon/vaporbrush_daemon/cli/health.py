"""`doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from . import terminal
from .exit_status import DONE, FAILED, Json

MARKS = {"fine": "[green]✓[/]", "note": "[yellow]·[/]", "failed": "[bold red]✗[/]"}


def doctor(as_json: Json = False) -> None:
    """Say what works here, what does not, and what to do about it."""
    from rich.markup import escape

    from .doctor import examine

    found = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            line = f"{MARKS[finding.state]} {finding.name}: {escape(finding.text)}"
            terminal.out.print(line, soft_wrap=True)
            if finding.cure:
                terminal.out.print(f"    → {escape(finding.cure)}", soft_wrap=True)
    failed = sum(finding.state == "failed" for finding in found)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(finding) for finding in found]}))
    elif failed:
        typer.echo(f"{failed} of {len(found)} checks failed.")
    raise typer.Exit(FAILED if failed else DONE)
