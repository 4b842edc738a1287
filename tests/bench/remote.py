"""What ssh costs on the way to a daemon: `python -m tests.bench.remote [--side 2048] [--rounds 3]`.

A private sshd on the loopback interface; the same daemon is asked over its unix socket and through `ssh … pipe`, as
`tests.bench.link` does, and `ssh … cat` says what ssh itself carries here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench.link import measure, report  # noqa: E402
from support.daemon import Daemon  # noqa: E402
from support.program import vaporbrush  # noqa: E402
from support.ssh_server import workstation  # noqa: E402
from vaporbrush_daemon.remotes import book, ssh  # noqa: E402
from vaporbrush_protocol import Client, Connection  # noqa: E402

CAT_BYTES = 128 * 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2048, help="pixels of the square RGBA picture")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, workstation(Path(folder)) as there:
        home = Path(folder) / "laptop"
        os.environ["VAPORBRUSH_HOME"] = str(home)
        Daemon(there.home)
        began = time.perf_counter()
        done = vaporbrush("remote", "add", "workstation", "--ssh-config", there.config, wait_s=300.0)
        print(f"remote add: {time.perf_counter() - began:.1f} s{'' if done.returncode == 0 else done.stderr}")
        began = time.perf_counter()
        command = ["ssh", "-F", str(there.config), "workstation", "cat > /dev/null"]
        subprocess.run(command, input=bytes(CAT_BYTES), check=True)
        print(f"ssh cat: {CAT_BYTES / 1e6 / (time.perf_counter() - began):.0f} MB/s")
        with Client(Connection.read(there.home)) as client:
            report("unix socket", options.side, measure(client, options.side, options.rounds))
        remote = book.find(home, "workstation")
        with Client(Connection((), ""), open_link=ssh.opener(remote, home / book.KEY)) as client:
            began = time.perf_counter()
            client.ping()
            print(f"connecting, with the first ping: {time.perf_counter() - began:.2f} s")
            report("ssh", options.side, measure(client, options.side, options.rounds))
        vaporbrush("stop", "--now", env=there.surroundings())


if __name__ == "__main__":
    main()
