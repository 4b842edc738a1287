"""Nodes that Dask's own launchers start: many of them with one home, as dask-jobqueue's tasks have."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.dask_worker import DaskWorker
from vaporbrush_daemon.studio.desk import ROOMS
from vaporbrush_daemon.studio.preload import dask_setup

FAKE = str(Path(__file__).parent.parent / "support" / "fake_worker.py")


@pytest.fixture
def shared(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that several nodes have."""
    Daemon(home).configure(worker_command=[sys.executable, FAKE, "--gpus", "24"], devices=[])
    monkeypatch.setenv("VAPORBRUSH_HOME", str(home))
    yield home
    ROOMS.clear()


def test_a_node_that_starts_leaves_the_pictures_of_another_with_the_same_home_alone(
    shared: Path, tmp_path: Path
) -> None:
    asyncio.run(dask_setup(DaskWorker("gpu-0", tmp_path)))
    first, data = ROOMS[0].store, b"a picture"
    blob = hashlib.sha256(data).hexdigest()
    first.write(blob, 0, data)
    (first.work("job") / ("e" * 64)).write_bytes(b"half a painting")
    asyncio.run(dask_setup(DaskWorker("gpu-1", tmp_path)))
    second = ROOMS[0].store
    assert ROOMS[0].facts.name == "gpu-1"
    first.finish(blob, len(data))
    assert first.adopt("job") == ["e" * 64], "what it paints is still there"
    second.sweep([], 0)
    assert first.missing([blob]) == []
    assert second.missing([blob]) == [blob]
    assert not (shared / "node").exists()


def test_a_folder_in_which_no_pictures_can_be_kept_is_named(shared: Path, tmp_path: Path) -> None:
    worker = DaskWorker("gpu-0", tmp_path)
    (Path(worker.local_directory) / "vaporbrush").write_text("in the way")
    with pytest.raises(SystemExit, match=rf"cannot be kept in {worker.local_directory} \(--local-directory\)"):
        asyncio.run(dask_setup(worker))
    assert shared.exists()
