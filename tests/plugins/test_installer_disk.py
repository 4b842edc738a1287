"""The disk is full at any step, or may not be written: it is told in a sentence, and the next click finishes."""

import json
import os
import sys

import pytest

from support.package_index import serving
from support.small_painter import SmallPainter, simple
from vaporbrush_host.installer import plan
from vaporbrush_protocol.installation import installed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="disks of one's own need Linux's namespaces")
DISK = 400 * 10**6  # uv is 60 MB, and is there as a wheel and unpacked
STEPS = tuple(plan.STEPS)


def lines_of(child):
    """What the child told, to its end."""
    lines = [json.loads(line) for line in child.communicate(timeout=280)[0].splitlines()]
    if not lines:
        pytest.skip("this user may not mount a disk of its own")
    return lines


def on_a_disk(folder, options):
    """The prefix of a command that sees a disk of its own at this folder."""
    folder.mkdir(parents=True)
    return ("unshare", "-m", "sh", "-c", f'mount -t tmpfs -o {options} none \'{folder}\' && exec "$0" "$@"')


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full_at_any_step_is_told_and_the_next_click_finishes(painter, index, step):
    child = painter.child(simple(index), prefix=on_a_disk(painter.home, f"size={DISK}"), fill_at=step)
    lines = lines_of(child)
    (middle,) = (at for at, line in enumerate(lines) if "room again" in line)
    first, again = lines[middle - 1], lines[-1]
    if step == "tidy":  # the painter is in place, and tidying needs no room
        assert first["stage"] == "done"
    else:
        assert (first["stage"], first["code"]) == ("failed", "disk_full"), first
    assert lines[middle]["works"] == ("cpu" if step == "tidy" else "")
    assert again["stage"] == "done", again


@pytest.mark.parametrize("step", ["environment", "switch"])
def test_a_disk_that_is_full_during_a_change_leaves_the_old_painter(painter, index, step):
    prefix = on_a_disk(painter.home, f"size={DISK}")
    lines = lines_of(painter.child(simple(index), backend="cpu,cuda", prefix=prefix, fill_at=step))
    (middle,) = (at for at, line in enumerate(lines) if "room again" in line)
    assert lines[middle - 1]["code"] == "disk_full", lines[middle - 1]
    assert lines[middle]["works"] == "cpu"
    assert lines[-1]["stage"] == "done"


@pytest.mark.parametrize("part", [0.5, 1.5])
def test_a_disk_too_small_for_what_comes_is_told(tmp_path, uv, part):
    painter = SmallPainter(tmp_path, uv, payload=os.urandom(8_000_000))
    size = int(2 * uv.stat().st_size + part * 8_000_000)
    with serving(painter.wheels) as index:
        last = lines_of(painter.child(simple(index), prefix=on_a_disk(painter.home, f"size={size}")))[-1]
    assert (last["stage"], last["code"]) == ("failed", "disk_full"), last
    assert "is full" in last["line"]


def test_a_folder_on_a_disk_that_may_only_be_read_is_told(painter, index, tmp_path):
    locked = tmp_path / "locked"
    last = lines_of(painter.child(simple(index), prefix=on_a_disk(locked, "ro"), root=locked / "painter"))[-1]
    assert (last["stage"], last["code"]) == ("failed", "disk_full"), last
    assert "Choose another folder" in last["line"]
    assert installed(painter.home) is None
