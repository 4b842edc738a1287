"""A program that behaves like a daemon that is being started: `scripted_daemon.py MODE`, its home in VAPORBRUSH_HOME.

serve: writes the connection file and serves until `shutdown`; slow: the same after a second; unwritten: it serves for
half a second before it writes the file; fail: says why and ends; silent: ends without a word; hang: never answers.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(mode: str) -> int:
    """Run until asked to end."""
    home = Path(os.environ["VAPORBRUSH_HOME"])
    (home / "environment.json").write_text(json.dumps({**os.environ, "sid": os.getsid(0), "cwd": str(Path.cwd())}))
    if mode == "fail":
        print("starting", file=sys.stderr)
        print("event=refused reason=\"config.toml: `port` is 'x'\"\n", file=sys.stderr)
        return 78
    if mode == "silent":
        return 1
    if mode == "hang":
        time.sleep(30)
        return 0
    if mode == "slow":
        time.sleep(1)
    sys.path[:0] = [str(ROOT / "protocol"), str(ROOT / "tests")]
    from support.router import Router

    over = threading.Event()
    with Router(home) as router:
        router.answers["shutdown"] = lambda _: over.set() or {}
        if mode == "unwritten":
            time.sleep(0.5)
        replace(router.connection, start=(sys.executable, __file__, "serve")).write(home)
        print("serving", flush=True)
        over.wait(60)
        time.sleep(0.1)  # let the reply out
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
