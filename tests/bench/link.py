"""How fast bytes travel between a client and the daemon: `python -m tests.bench.link [--side 4096] [--rounds 5]`.

Prints the round trip of `ping`, and the rate of `put` and of `get` of one RGBA picture, and of both, over the unix
socket: against the real daemon, and against a bare libzmq ROUTER in this process that keeps bytes in memory. Hashes are
included: a client hashes what it sends, the daemon what it gets, and the client again what it fetches. The best of the
rounds counts, and the median of the pings.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.daemon import serving  # noqa: E402
from support.router import Router  # noqa: E402
from vaporbrush_protocol import Client, Image  # noqa: E402

PINGS = 500


def measure(client: Client, side: int, rounds: int) -> tuple[float, float, float]:
    """Seconds of a ping, of a put and of a get."""
    ping = median(client.ping() for _ in range(PINGS))
    put = get = float("inf")
    for _ in range(rounds):
        pixels = os.urandom(side * side * 4)  # another picture each time: what is there is not sent again
        began = time.perf_counter()
        blob = client.upload(pixels)
        put = min(put, time.perf_counter() - began)
        began = time.perf_counter()
        came = client.download(Image(blob, side, side))
        get = min(get, time.perf_counter() - began)
        if came != pixels:
            raise SystemExit("The picture came back different.")
    return ping, put, get


def report(name: str, side: int, seconds: tuple[float, float, float]) -> None:
    """One line."""
    ping, put, get = seconds
    mega = side * side * 4 / 1e6
    both = 2 * mega / (put + get)
    print(
        f"{name:22} ping {ping * 1e6:5.0f} µs   put {mega / put:5.0f} MB/s   get {mega / get:5.0f} MB/s   {both:5.0f}"
    )


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096, help="pixels of the square RGBA picture")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = bytes(64 * 2**20)
    began = time.perf_counter()
    hashlib.sha256(data)
    print(f"sha256 alone: {len(data) / 1e6 / (time.perf_counter() - began):.0f} MB/s")
    with tempfile.TemporaryDirectory(prefix="vp-") as folder:
        with Router(Path(folder)) as router, Client(router.connection) as client:
            report("libzmq ROUTER, memory", options.side, measure(client, options.side, options.rounds))
        with serving(Path(folder) / "home") as daemon, daemon.client() as client:
            report("daemon, spool on disk", options.side, measure(client, options.side, options.rounds))


if __name__ == "__main__":
    main()
