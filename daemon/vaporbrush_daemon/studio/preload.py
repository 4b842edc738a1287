"""Makes a node of a Dask worker that somebody else starts: `dask worker … --preload vaporbrush_daemon.studio.preload`.

For Dask's own launchers, such as dask-jobqueue. The worker's name is the node's. Dask calls the two functions.

Such workers often share one home: many tasks of a cluster, or one for each GPU of a machine. So their pictures are not
there, but where Dask has told each of them to keep its files (`--local-directory`), in a folder that is one worker's
alone and that Dask removes with it, or after it where it was killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from vaporbrush_daemon import config as configuration
from vaporbrush_daemon import instance
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.version import __version__

from . import lines, node
from .desk import ROOMS, NodeFacts
from .members import NAME
from .store import Store

PICTURES = "vaporbrush"  # in the worker's own folder


async def dask_setup(worker: Any) -> None:
    """Begin, before the worker joins. One that would speak plainly, or has no painter, ends with a sentence; Dask would
    let it go on after an error.
    """
    if not str(worker.address).startswith("tls://"):
        sys.exit(f"This Dask worker would speak plainly, at {worker.address}: give it --protocol tls and certificates.")
    worker.http_server.stop()  # Dask's pages in plain HTTP: it was told of them before us
    try:
        config = configuration.load()
        instance.prepare(config.home)
        found = await asyncio.to_thread(node.devices, config)
        told = str(worker.name)
        facts = NodeFacts(node.own_name(told if NAME.fullmatch(told) else ""), __version__, found)
        store = Store(Path(worker.local_directory) / PICTURES, config.spool_bytes)
    except (VaporbrushError, configuration.ConfigError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Pictures cannot be kept in {worker.local_directory} (--local-directory): {error.strerror or error}.")

    def refuse(sentence: str) -> None:
        lines.log(sentence)
        leaving.append(asyncio.get_running_loop().create_task(worker.close(reason="vaporbrush-refused")))

    leaving: list[asyncio.Task[Any]] = []  # asyncio itself holds a task only weakly
    node.furnished(config, facts, store, lambda _: None, refuse)
    for kept in (worker.state.total_resources, worker.state.available_resources):
        kept[lines.NODE_RESOURCE] = 1.0


async def dask_teardown(worker: Any) -> None:  # noqa: ARG001 -- Dask gives it
    """End the painters with the worker."""
    for room in ROOMS:
        room.close()
