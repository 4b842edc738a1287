"""`conformance`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import rich_click as click
from click.exceptions import Exit
from rich.text import Text

from vaporbrush_daemon import packaged
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.link import Link
from vaporbrush_protocol.shown import plain

from . import terminal
from .exit_status import DONE, FAILED
from .options import json_option


@click.command()
@click.option("--endpoint", metavar="ipc://…|tcp://…", help="Where the server listens, instead of this user's daemon.")
@click.option("--token-file", metavar="FILE", type=click.Path(path_type=Path), help="A file with its token.")
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="For other made-up pictures.")
@json_option
def conformance(*, endpoint: str | None, token_file: Path | None, seed: int, as_json: bool) -> None:
    """Check whether a server keeps to the protocol: this one, or one that you wrote."""
    from vaporbrush_daemon.conformance.suite import Suite

    connection = Connection.read() if endpoint is None or token_file is None else Connection((), "")
    if endpoint is not None or token_file is not None:
        token = connection.token if token_file is None else _read(token_file)
        connection = Connection((endpoint,) if endpoint else connection.endpoints, token)
    Link.open(connection).close()  # nothing to check where nobody answers
    outcomes = []
    for outcome in Suite(connection, packaged.specification(), seed=seed).run():
        outcomes.append(outcome)
        if not as_json:
            mark = ("✗ ", "bold red") if outcome.problem else ("· ", "yellow") if outcome.left_out else ("✓ ", "green")
            why = outcome.problem or outcome.left_out
            terminal.out.print(Text.assemble(mark, plain(f"{outcome.name}{f': {why}' if why else ''}")), soft_wrap=True)
    failed = sum(bool(outcome.problem) for outcome in outcomes)
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [asdict(outcome) for outcome in outcomes]}))
    else:
        terminal.tell(f"{len(outcomes) - failed} of {len(outcomes)} checks passed.")
    raise Exit(FAILED if failed else DONE)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError("bad_field", f"{path} cannot be read: {error}.") from None
