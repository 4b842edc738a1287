"""`vaporbrush demo`: the bundled pair, painted by a private daemon that leaves nothing behind but the picture."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import typer

from vaporbrush_daemon import packaged, weights
from vaporbrush_daemon.daemon_client import SERVE, STOP_S, has_ended, wait_for
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.errors import VaporbrushError

from . import terminal
from .request import Order, check_target, load
from .stylize import carry_out, summarise

STYLE = "impasto"


def run(out: Path, size: int) -> None:
    """Paint the demo into `out`. Raises `weights_missing` where there is no model, with what to do."""
    known = weights.configured()
    model = next((one for one in known if one.present), None)
    if model is None:
        raise VaporbrushError("weights_missing", f"The demo needs a model. {known[0].advice}")
    content = next(packaged.art().glob("demo/content.*"))
    began = time.perf_counter()
    order = Order(content=content, styles=(f"@{STYLE}",), out=out, settings={"size": size})
    out.parent.mkdir(parents=True, exist_ok=True)
    check_target(order)
    loaded = load(order, _no_job)
    if model.origin != "bundled":  # the private home has neither models nor configuration
        os.environ[weights.VARIABLE] = str(model.path)
    # A short path, since a unix socket's may have 104 bytes.
    with tempfile.TemporaryDirectory(prefix="vaporbrush-", ignore_cleanup_errors=True) as folder:
        os.environ["VAPORBRUSH_HOME"] = folder
        terminal.say("Starting a private daemon …")
        client = connect(start=(*SERVE, "--idle-exit"), home=Path(folder), name="vaporbrush demo")
        pid = int(client.daemon["pid"])
        try:
            told = carry_out(order, loaded, client)
        finally:
            client.shutdown(now=True)
            if not wait_for(lambda: has_ended(Path(folder)), STOP_S):
                os.kill(pid, signal.SIGTERM)
    told["seconds"]["all"] = time.perf_counter() - began
    summarise(told)
    for phase, seconds in told["seconds"].items():
        typer.echo(f"  {phase:<10} {seconds:8.2f} s")
    typer.echo(f"The picture: {out.absolute()}")


def _no_job(name: str) -> NoReturn:
    raise AssertionError(f"the demo continues no job ({name})")
