"""The command line with the real painter and the model that comes with Vaporbrush."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vaporbrush_daemon.images import files as pictures

WAIT_S = 280


@pytest.fixture
def painter(home: Path) -> Iterator[Path]:
    yield home
    vaporbrush("stop", "--now")


def vaporbrush(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vaporbrush_daemon", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=WAIT_S)


def test_outside_of_the_mask_no_bit_changes_and_a_recipe_repeats_every_bit(painter: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    content, mask = tmp_path / "content.png", tmp_path / "mask.png"
    pixels = random.integers(0, 65536, (80, 96, 4), np.uint16)
    pixels[:, :, 3] = 65535
    pixels[:10, :, 3] = random.integers(0, 65536, (10, 96), np.uint16)
    where = np.zeros((80, 96, 3), np.uint8)
    where[20:60, 30:80] = 255
    pictures.write(content, pictures.Picture(pixels))
    pictures.write(mask, pictures.Picture(where))

    one, two = tmp_path / "one.png", tmp_path / "two.png"
    masked = ("stylize", content, "@vaporwave", "--mask", mask, "--json")
    done = vaporbrush(*masked, "-o", one, "--size", "64", "--steps", "8")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == "vgg19-lite"
    assert told["delivered"] == [96, 80]
    assert told["losses"]["total"] > 0
    assert {"loading", "style", "painting"} <= set(told["seconds"])
    found = pictures.read(one).pixels
    assert found.dtype == np.uint16
    outside = where[..., 0] == 0
    np.testing.assert_array_equal(found[outside], pixels[outside])
    assert np.abs(found[~outside].astype(int) - pixels[~outside]).mean() > 1000

    done = vaporbrush(*masked, "-o", two, "--recipe", one)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(pictures.read(two).pixels, found)
    cached = json.loads(done.stdout)["cached"]
    assert cached["worker_warm"]
    assert cached["blobs"]
    assert cached["style_targets"]


def test_styles_in_regions_leave_the_rest_as_it_is_to_the_bit(painter: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 65536, (80, 96, 3), np.uint16)
    content = tmp_path / "content.png"
    pictures.write(content, pictures.Picture(pixels))
    left, right = np.zeros((80, 96, 3), np.uint8), np.zeros((80, 96, 3), np.uint8)
    left[20:60, 10:40] = 255
    right[20:60, 30:80] = 128  # softly, and over a part of the other
    for name, where in (("left.png", left), ("right.png", right)):
        pictures.write(tmp_path / name, pictures.Picture(where))
    asked = ("stylize", content, "@vaporwave", "@woodcut", "--size", "64", "--steps", "8")
    both = ("--region", f"1:{tmp_path / 'left.png'}", "--region", f"2:{tmp_path / 'right.png'}")
    done = vaporbrush(*asked, *both, "-o", tmp_path / "both.png")
    assert done.returncode == 0, done.stderr
    found = pictures.read(tmp_path / "both.png").pixels
    rest = (left == 0) & (right == 0)
    np.testing.assert_array_equal(found[rest], pixels[rest])
    assert np.abs(found[~rest].astype(int) - pixels[~rest]).mean() > 1000

    done = vaporbrush(*asked, *both[:2], "-o", tmp_path / "one.png")  # the other one paints the rest
    assert done.returncode == 0, done.stderr
    found = pictures.read(tmp_path / "one.png").pixels
    assert found.shape[:2] == (53, 64)
