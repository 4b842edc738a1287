"""The installer is killed at any step, or its uv is, or two run at once: what was works, or the next start finishes."""

import json
import os
import signal
import subprocess

import psutil
import pytest

from support.small_painter import ready, simple, state
from vaporbrush_host.installer import plan
from vaporbrush_protocol.installation import installed

STEPS = tuple(plan.STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_start_finishes(painter, index, step):
    index.pace_s = 0.001
    child = painter.child(simple(index))
    for line in child.stdout:
        if json.loads(line)["step"] == step:
            break
    child.kill()
    child.wait()
    child.stdout.close()
    assert state(painter) in (("unfinished", "absent", "ready") if step in ("space", "tidy") else ("unfinished",))
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


@pytest.mark.parametrize("step", ["python", "environment", "check"])
def test_a_killed_uv_or_doctor_is_reported_and_the_next_click_finishes(painter, index, step):
    child = painter.child(simple(index))
    lines, killed = [], 0
    for line in child.stdout:
        lines.append(json.loads(line))
        if lines[-1]["step"] == step and not killed:
            process = psutil.Process(child.pid)
            for _ in range(2000):
                for one in process.children(recursive=True):
                    os.kill(one.pid, signal.SIGKILL)
                    killed += 1
                if killed or child.poll() is not None:
                    break
    child.wait()
    child.stdout.close()
    if step != "python":  # which asks several times
        assert killed
        assert lines[-1]["stage"] == "failed"
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


def test_two_programs_at_once_make_one_environment(painter, index):
    index.pace_s = 0.01
    first, second = painter.child(simple(index)), painter.child(simple(index))
    outputs = [child.communicate(timeout=120)[0] for child in (first, second)]
    ends = [json.loads(output.splitlines()[-1]) for output in outputs]
    assert [end["stage"] for end in ends] == ["done", "done"]
    assert sum("Another program is installing" in output for output in outputs) == 1
    ready(painter)
    size = (painter.wheels / "brushes-2.0-py3-none-any.whl").stat().st_size
    assert index.sent("brushes") == size


@pytest.mark.parametrize("step", ["packages", "environment", "check", "switch", "tidy"])
def test_a_change_of_backend_cut_anywhere_leaves_a_painter_that_works(painter, index, step):
    painter.install(simple(index))
    index.pace_s = 0.001
    child = painter.child(simple(index), backend="cuda")
    for line in child.stdout:
        if json.loads(line)["step"] == step:
            break
    child.kill()
    child.wait()
    child.stdout.close()
    found = installed(painter.home)
    assert found.whole
    subprocess.run([found.python, "-m", "vaporbrush_daemon", "doctor"], capture_output=True, check=True)
    assert painter.install(simple(index), backend="cuda")[0].stage == "done"
    ready(painter, "cuda")
