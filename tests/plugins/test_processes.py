"""What a plug-in that was killed has left is known by its process."""

from __future__ import annotations

import os
import subprocess
import sys

from vaporbrush_host import processes


def test_a_process_runs_until_it_has_ended() -> None:
    assert processes.runs(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert processes.runs(other.pid)
        other.kill()
    assert not processes.runs(other.pid)


def test_a_process_of_another_user_runs() -> None:
    assert processes.runs(1)
