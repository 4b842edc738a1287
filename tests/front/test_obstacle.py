"""What `status` says where nothing can be painted: a Python without torch is no green light."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.daemon import Daemon, environment
from vaporbrush_daemon.front.obstacle import obstacle

OURS = (sys.executable, "-P", "-m", "vaporbrush_daemon.workers.painter")


def test_a_python_without_torch_cannot_paint_and_the_command_that_cures_it_is_told() -> None:
    found = obstacle(OURS, lambda package: package != "torch")
    assert found is not None
    assert found["message"] == "PyTorch is missing, without which nothing can be painted."
    assert found["command"] == f"{sys.executable} -m pip install torch torchvision"
    assert obstacle(OURS, lambda _package: True) is None


@pytest.mark.parametrize("worker", [(), ("/bin/mine",), ("/other/python", *OURS[1:]), (sys.executable, "mine.py")])
def test_nothing_is_said_of_a_program_of_somebody_else(worker: tuple[str, ...]) -> None:
    assert obstacle(worker, lambda _package: False) is None


def test_a_daemon_that_can_paint_says_nothing(home: Path) -> None:
    daemon = Daemon(home).start()
    try:
        with daemon.client() as client:
            assert client.status()["obstacle"] is None
    finally:
        daemon.stop()


def test_status_has_it_where_the_worker_s_python_lacks_torch(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None")
    paths = os.pathsep.join([str(tmp_path), environment(home)["PYTHONPATH"]])
    daemon = Daemon(home, worker_command=list(OURS)).start(env={"PYTHONPATH": paths})
    try:
        with daemon.client() as client:
            assert "PyTorch is missing" in client.status()["obstacle"]["message"]
    finally:
        daemon.stop()
