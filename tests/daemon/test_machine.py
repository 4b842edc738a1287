"""Memory and processes are read through psutil, which knows every system, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

import vaporbrush_daemon
from vaporbrush_daemon import machine


def test_a_plan_has_a_bound_on_every_system() -> None:
    """It once came from /proc, so that on macOS and Windows a picture could ask for more memory than there was."""
    assert 0 < machine.free_memory() <= psutil.virtual_memory().total
    package = Path(vaporbrush_daemon.__file__).parent
    readers = [path.name for path in package.rglob("*.py") if '"/proc' in path.read_text(encoding="utf-8")]
    assert readers == ["machine.py"]


def test_the_limit_of_a_service_or_a_container_bounds_a_plan(tmp_path: Path) -> None:
    """A painter that plans for more is ended by the kernel, however much the machine has."""
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    service = root / "user.slice" / "vaporbrush.service"
    service.mkdir(parents=True)
    own.write_text("1:cpu:/old\n0::/user.slice/vaporbrush.service\n")
    assert machine.group_rests(own, root) == (2**63,)
    for folder, most in ((service, "max"), (service.parent, "5000")):
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text("3000\n")
        (folder / "memory.stat").write_text("anon 2000\ninactive_file 1000\n")
    assert min(machine.group_rests(own, root)) == 3000
    (service / "memory.max").write_text("2500\n")
    assert min(machine.group_rests(own, root)) == 500
    (service / "memory.current").write_text("9000\n")
    assert min(machine.group_rests(own, root)) == 0


def test_a_process_that_has_ended_holds_no_memory() -> None:
    assert machine.resident_bytes(os.getpid()) > 10 * 2**20
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert machine.resident_bytes(ended.pid) == 0


def test_a_program_runs_for_its_own_home_only(tmp_path: Path) -> None:
    program = tmp_path / "vb-sleeper"
    program.symlink_to(Path("/bin/sleep").resolve())
    assert not machine.runs("vb-sleeper")
    ours = subprocess.Popen([program, "60"])
    other = subprocess.Popen([program, "60"], env={"HOME": str(tmp_path)})
    try:
        deadline = time.monotonic() + 30
        while not machine.runs("vb-sleeper"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ours.kill()
        ours.wait()
        assert not machine.runs("vb-sleeper")
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_all_threads_give_way_and_none_is_raised() -> None:
    """A process of its own, since priorities cannot be taken back."""
    program = (
        "import os, threading, time\n"
        "from vaporbrush_daemon import machine\n"
        "threads = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "os.setpriority(os.PRIO_PROCESS, threads[0].native_id, 15)\n"
        "machine.lower_priority()\n"
        "print(*(os.getpriority(os.PRIO_PROCESS, t.native_id) for t in threads), os.getpriority(os.PRIO_PROCESS, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["15", "10", "10", "10"]
