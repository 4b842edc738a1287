"""`vaporbrush demo`: the bundled pair, painted by a private daemon that leaves nothing behind but the picture."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import rich_click as click

from vaporbrush_daemon import packaged, weights
from vaporbrush_daemon.daemon_client import SERVE, STOP_S, has_ended, wait_for
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.errors import VaporbrushError

from . import terminal

STYLE = "impasto"


@click.command()
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default="vaporbrush-demo.png",
    show_default=True,
    help="Where the painting goes.",
)
@click.option("--size", metavar="N", type=int, default=384, show_default=True, help="Longest side in pixels.")
def demo(*, out: Path, size: int) -> None:
    """Paint the bundled demo picture, by a daemon of its own that ends afterwards."""
    from .painting import carry_out, summarise
    from .request import PaintRequest, check_target, prepare

    known = weights.configured()
    model = next((one for one in known if one.present), None)
    if model is None:
        problem = _("The demo needs a model.")
        raise VaporbrushError("weights_missing", f"{problem} {known[0].advice}")
    content = next(packaged.art().glob("demo/content.*"))
    began = time.perf_counter()
    request = PaintRequest(content=content, styles=(f"@{STYLE}",), out=out, settings={"size": size})
    out.parent.mkdir(parents=True, exist_ok=True)
    check_target(request)
    prepared = prepare(request, _no_job)
    if model.origin != "bundled":  # the private home has neither models nor configuration
        os.environ[weights.VARIABLE] = str(model.path)
    # A short path, since a unix socket's may have 104 bytes.
    with tempfile.TemporaryDirectory(prefix="vaporbrush-", ignore_cleanup_errors=True) as folder:
        os.environ["VAPORBRUSH_HOME"] = folder
        terminal.say(_("Starting a private daemon …"))
        client = connect(start=(*SERVE, "--idle-exit"), home=Path(folder), name="vaporbrush demo")
        pid = int(client.daemon["pid"])
        try:
            summary = carry_out(request, prepared, client)
        finally:
            client.shutdown(now=True)
            if not wait_for(lambda: has_ended(Path(folder)), STOP_S):
                os.kill(pid, signal.SIGTERM)
    summary["seconds"]["all"] = time.perf_counter() - began
    summarise(summary)
    for phase, seconds in summary["seconds"].items():
        terminal.tell(f"  {phase:<10} {seconds:8.2f} s")
    terminal.tell(_("The picture: {path}").format(path=out.absolute()))


def _no_job(name: str) -> NoReturn:
    raise AssertionError(f"the demo continues no job ({name})")
