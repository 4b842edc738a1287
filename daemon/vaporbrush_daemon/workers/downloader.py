"""The process that downloads a model: `python -m vaporbrush_daemon.workers.downloader JOB MODEL`.

It tells the front how far it is, and ends when the front does. What has come is kept for the next attempt.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path

from vaporbrush_daemon import weights
from vaporbrush_daemon.children import lift_limit, limit_memory
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.progress import Progress

from .messages import Failed, Fetched, Progressed
from .pipe import ALIVE_S, WorkerPipe

MAX_BYTES = 512 * 1024**2  # of memory: what comes goes to disk block by block, and threads and TLS need some


def download(job: str, source: weights.Source = weights.VGG19) -> int:
    """Fetch the model for a job. Returns the exit status."""
    pipe, began = WorkerPipe.of_this_process(), time.monotonic()

    def beat() -> None:
        while True:  # a server that stalls is our own affair; the front only wants to know that we live
            pipe.alive()
            time.sleep(ALIVE_S)

    threading.Thread(target=beat, name="beat", daemon=True).start()

    def report(done: int, size: int) -> None:
        elapsed_s = time.monotonic() - began
        pipe.tell(Progressed(job, Progress("downloading", step=done, steps=size, elapsed_s=elapsed_s)))

    def convert(part: Path, target: Path) -> None:
        lift_limit()
        weights.import_file(part, target)

    limit_memory(MAX_BYTES)
    try:
        path = weights.fetch(report, source, convert=convert)
    except VaporbrushError as error:
        pipe.tell(Failed(job, RemoteError(error.code, error.message)))
        return 1
    pipe.tell(Fetched(job, source.model, path.stat().st_size))
    return 0


def main() -> int:
    """The process that the daemon starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job")
    parser.add_argument("model", choices=[weights.VGG19.model])
    return download(parser.parse_args().job)


if __name__ == "__main__":
    sys.exit(main())
