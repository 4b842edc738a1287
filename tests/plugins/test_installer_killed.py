"""The installer is killed at any step, or its uv is, or two run at once: what was works, or the next start finishes."""

import json
import os
import signal
import subprocess

import psutil
import pytest

from support.small_painter import check_middle, ready, simple, state
from vaporbrush_host.installer import plan
from vaporbrush_protocol.installation import installed
from vaporbrush_protocol.launcher import clean_environment

STEPS = tuple(plan.STEPS)


def check_doctor(line):
    """Doctor has said what goes on, in every line of an install into an empty home."""
    if line["step"]:
        check_middle(line["doctor"], line["step"])
    else:
        assert line["doctor"].startswith("note: plug-in from the zip, 1.0.0; it has installed no painter")


def killed_at(child, step):
    """Kill it there. Returns what doctor said before it began, and when it came to that step."""
    lines = map(json.loads, child.stdout)
    before = next(lines)["doctor"]
    middle = next(line["doctor"] for line in lines if line["step"] == step)
    child.kill()
    child.wait()
    child.stdout.close()
    return before, middle


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_start_finishes(painter, index, step):
    index.pace_s = 0.001
    before, middle = killed_at(painter.child(simple(index)), step)
    assert before.startswith("note: plug-in from the zip, 1.0.0; it has installed no painter")
    check_middle(middle, step, "1.0.0, cpu" if step == "tidy" else "")
    assert state(painter) in (("unfinished", "absent", "ready") if step in ("space", "tidy") else ("unfinished",))
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


@pytest.mark.parametrize("step", ["python", "environment", "check"])
def test_a_killed_uv_or_doctor_is_reported_and_the_next_click_finishes(painter, index, step):
    child = painter.child(simple(index))
    lines, killed = [], 0
    for line in child.stdout:
        lines.append(json.loads(line))
        check_doctor(lines[-1])
        if lines[-1]["step"] == step and not killed:
            process = psutil.Process(child.pid)
            while not killed and child.poll() is None:
                for one in process.children(recursive=True):
                    os.kill(one.pid, signal.SIGKILL)
                    killed += 1
    child.wait()
    child.stdout.close()
    assert killed
    assert (lines[-1]["stage"], lines[-1]["step"]) == ("failed", step)
    assert state(painter) == "unfinished"
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
    before, middle = killed_at(painter.child(simple(index), backend="cuda"), step)
    assert before.endswith("(1.0.0, cpu)")
    check_middle(middle, step, f"1.0.0, {'cuda' if step == 'tidy' else 'cpu'}")
    assert state(painter) in (("unfinished", "ready") if step == "tidy" else ("unfinished",))
    found = installed(painter.home)
    assert found.whole
    command = [found.python, "-m", "vaporbrush_daemon", "doctor"]
    subprocess.run(command, capture_output=True, check=True, env=clean_environment(os.environ))
    assert painter.install(simple(index), backend="cuda")[0].stage == "done"
    ready(painter, "cuda")
