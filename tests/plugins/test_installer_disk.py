"""The disk is full at any step, or may not be written: it is told in a sentence, and the next click finishes."""

import json
import os
import sys

import pytest

from support.package_index import serving
from support.small_painter import SmallPainter, check_middle, simple
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


def parts(lines):
    """The lines before, in the middle and at the end of the first attempt; with room again; at the very end."""
    before, *middle = lines
    (room,) = (at for at, line in enumerate(middle) if line["stage"] == "room again")
    return before, middle[: room - 1], middle[room - 1], middle[room], lines[-1]


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full_at_any_step_is_told_and_the_next_click_finishes(painter, index, step):
    child = painter.child(simple(index), prefix=on_a_disk(painter.home, f"size={DISK}"), fill_at=step)
    before, middle, first, room, again = parts(lines_of(child))
    assert before["doctor"].startswith("note: plug-in from the zip, 1.0.0; it has installed no painter")
    for line in middle:
        check_middle(line["doctor"], line["step"], "1.0.0, cpu" if line["step"] == "tidy" else "")
    if step == "tidy":  # the painter is in place, and tidying needs no room
        assert first["stage"] == "done"
        assert first["doctor"].endswith("(1.0.0, cpu)")
    else:
        assert (first["stage"], first["code"]) == ("failed", "disk_full"), first
        check_middle(first["doctor"], first["step"])
    assert room["works"] == ("cpu" if step == "tidy" else "")
    assert room["doctor"] == first["doctor"]
    assert again["stage"] == "done", again
    assert again["doctor"].startswith("fine: plug-in from the zip, 1.0.0, painter installed at ")


@pytest.mark.parametrize("step", ["environment", "switch"])
def test_a_disk_that_is_full_during_a_change_leaves_the_old_painter(painter, index, step):
    prefix = on_a_disk(painter.home, f"size={DISK}")
    child = painter.child(simple(index), backend="cpu,cuda", prefix=prefix, fill_at=step)
    before, middle, first, room, again = parts(lines_of(child))
    assert before["doctor"].endswith("(1.0.0, cpu)")
    for line in (*middle, first, room):
        check_middle(line["doctor"], line["step"], "1.0.0, cpu")
    assert first["code"] == "disk_full", first
    assert room["works"] == "cpu"
    assert again["stage"] == "done"
    assert again["doctor"].endswith("(1.0.0, cuda)")


@pytest.mark.parametrize("part", [0.5, 1.5])
def test_a_disk_too_small_for_what_comes_is_told(tmp_path, uv, part):
    painter = SmallPainter(tmp_path, uv, payload=os.urandom(8_000_000))
    size = int(2 * uv.stat().st_size + part * 8_000_000)
    with serving(painter.wheels) as index:
        last = lines_of(painter.child(simple(index), prefix=on_a_disk(painter.home, f"size={size}")))[-1]
    assert (last["stage"], last["code"]) == ("failed", "disk_full"), last
    assert "is full" in last["line"]
    check_middle(last["doctor"], last["step"])


def test_a_folder_on_a_disk_that_may_only_be_read_is_told(painter, index, tmp_path):
    locked = tmp_path / "locked"
    last = lines_of(painter.child(simple(index), prefix=on_a_disk(locked, "ro"), root=locked / "painter"))[-1]
    assert (last["stage"], last["code"]) == ("failed", "disk_full"), last
    assert "Choose another folder" in last["line"]
    check_middle(last["doctor"], "space")
    assert installed(painter.home) is None
