"""Programs that decode what others made: they end with us, and take no more time and memory than they were given."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from support.daemon import serving, until
from vaporbrush_daemon import styles, weights
from vaporbrush_daemon.children import Children
from vaporbrush_daemon.workers import downloader
from vaporbrush_protocol.errors import VaporbrushError


def decoder(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Put a module of this text on the path of the next child, as `misbehaving`."""
    (folder / "misbehaving.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))


STOPPED = "import os, signal; print(os.getpid(), flush=True); os.kill(os.getpid(), signal.SIGSTOP)"


def test_one_that_says_nothing_is_ended_and_what_it_said_before_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder(tmp_path, monkeypatch, STOPPED)
    outcome = Children().run("misbehaving", [], silence_s=0.5)
    assert "said nothing for 0.5 s" in outcome.trouble
    assert not psutil.pid_exists(int(outcome.lines[0]))


def test_one_that_dies_is_reported_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder(tmp_path, monkeypatch, "import sys; print('one'); sys.exit('no more')")
    outcome = Children().run("misbehaving", [], silence_s=30)
    assert outcome.lines == ["one"]
    assert outcome.trouble == "it ended with status 1: no more"


def test_one_that_is_stopped_does_not_outlive_the_end_of_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder(tmp_path, monkeypatch, STOPPED)
    children = Children()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(children.run("misbehaving", [], silence_s=600)))
    thread.start()
    until(_one_is_stopped, "it is stopped")
    children.close()
    thread.join(30)
    assert not thread.is_alive()
    assert found
    assert children.run("misbehaving", [], silence_s=1).trouble == "the daemon is ending"


def _one_is_stopped() -> bool:
    """Whether any child of this process is; other tests may have left some that run."""
    return any(child.status() == psutil.STATUS_STOPPED for child in psutil.Process().children())


@pytest.mark.parametrize("stopped", [False, True])
def test_one_that_decodes_does_not_outlive_a_killed_parent(tmp_path: Path, stopped: bool) -> None:
    """A decoder once went on for 3.3 s with 1.6 GiB."""
    program = (
        "import sys, threading\n"
        "from vaporbrush_daemon.children import Children\n"
        "Children().run('busy', [], silence_s=600)\n"
    )
    (tmp_path / "busy.py").write_text(
        "import os, signal\nfrom vaporbrush_daemon import children\nchildren.end_with_parent()\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        + ("os.kill(os.getpid(), signal.SIGSTOP)\n" if stopped else "while True: pass\n")
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    )
    pid = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the child runs")
    child = psutil.Process(int(pid))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    killed = time.monotonic()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "it ends")
    assert time.monotonic() - killed < 10  # expected: a hundredth of a second


def test_memory_beyond_the_limit_is_refused_to_it_and_not_taken_from_the_machine() -> None:
    program = (
        "from vaporbrush_daemon import children\n"
        "children.limit_memory(200_000_000)\n"
        "kept = bytes(100_000_000)\n"
        "try: bytes(300_000_000)\n"
        "except MemoryError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_a_small_style_file_that_needs_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)).save(tmp_path / "large.png")
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "small.png")
    (tmp_path / "sitecustomize.py").write_text(
        "import vaporbrush_daemon.machine as machine\nmachine.free_memory = lambda: 100_000_000\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    paths = [tmp_path / "large.png", tmp_path / "small.png"]
    large, small = styles.decode(Children(), paths, tmp_path, styles.MAX_STYLE_SIDE)
    assert isinstance(large, styles.Refused)
    assert "4000×3000 pixels needs about 0.1 GB of memory, and 0.1 GB are free" in large.reason
    assert isinstance(small, styles.Decoded)


def test_a_decoder_that_failed_is_no_verdict_on_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    paths = [tmp_path / "bad.png", tmp_path / "good.png"]
    bad, good = styles.decode(Children(), paths, tmp_path, 128)
    assert isinstance(bad, styles.Refused)
    assert bad.for_good
    assert isinstance(good, styles.Decoded)
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(9)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    for found in styles.decode(Children(), paths, tmp_path, 128):
        assert isinstance(found, styles.Refused)
        assert not found.for_good
        assert "status 9" in found.reason


def test_a_small_weights_file_that_unpacks_without_end_is_refused(home: Path, tmp_path: Path) -> None:
    """3 MB once took 3.7 GB."""
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        with archive.open("archive/data/0", "w", force_zip64=True) as part:
            for _ in range(30):
                part.write(bytes(100_000_000))
    assert bomb.stat().st_size < 10_000_000
    with pytest.raises(VaporbrushError, match=r"unpacked it would have 3\.0 GB, and VGG19 has 0\.6"):
        weights.import_file(bomb)


def stopped_and_orphaned(program: str, ready: Callable[[], object], pid: Callable[[], int]) -> None:
    """Start a parent with this program, stop its child, kill the parent, and see the child end."""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        until(ready, "the child is at work")
        child = psutil.Process(pid())
        child.suspend()
        until(lambda: child.status() == psutil.STATUS_STOPPED, "it is stopped")
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "it ends")


def test_a_stopped_download_does_not_outlive_a_killed_daemon(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes the connection, and says nothing
        source = f"Source('vgg19', 'http://127.0.0.1:{server.getsockname()[1]}/x.pth', 1000, {'0' * 64!r})"
        told = home.parent / "pid"
        child = (
            "import os\n"
            "from vaporbrush_daemon.workers import downloader\n"
            "from vaporbrush_daemon.weights import Source\n"
            f"open({str(told)!r}, 'w').write(str(os.getpid()))\ndownloader.download('job', {source})\n"
        )
        program = (
            "import subprocess, sys\nfrom subprocess import PIPE\n"
            f"subprocess.Popen([sys.executable, '-c', {child!r}], stdin=PIPE, stdout=PIPE).wait()\n"
        )
        part = home / "models" / "x.pth.part"
        stopped_and_orphaned(program, part.exists, lambda: int(told.read_text()))


def test_a_stopped_download_ends_with_the_daemon_that_is_told_to_end(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "fetch.py"
    script.write_text(
        STOPPED.replace(
            "print(os.getpid(), flush=True)", f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
        )
    )
    with serving(home, fetch_command=[sys.executable, str(script)], weights="") as daemon, daemon.client() as client:
        client.fetch_model("vgg19")
        pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "it runs"))
        child = psutil.Process(pid)
        until(lambda: child.status() == psutil.STATUS_STOPPED, "it is stopped")
        assert daemon.stop() == 0
    assert not child.is_running()


def test_a_download_has_a_limit_of_memory_that_its_converter_does_not_inherit(home: Path) -> None:
    program = (
        "from vaporbrush_daemon.workers import downloader\n"
        "from vaporbrush_daemon import children, weights\n"
        "def fetch(report, source, *, convert):\n"
        "    try: bytes(2 * downloader.MAX_BYTES)\n"
        "    except MemoryError: print('refused', file=sys.stderr)\n"
        "    convert(None, None)\n"
        "    raise SystemExit\n"
        "import sys\n"
        "weights.fetch = fetch\n"
        "weights.import_file = lambda *_: print(len(bytes(2 * downloader.MAX_BYTES)), file=sys.stderr)\n"
        "downloader.download('job')\n"
    )
    # the end of its stdin would end it
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode().split()
    assert said == ["refused", str(2 * downloader.MAX_BYTES)]
