"""`vaporbrush serve --fake`: a server for testing clients, which needs no torch and no model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from support.daemon import until
from vaporbrush_daemon import packaged
from vaporbrush_daemon.conformance.suite import Suite
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.workers import fake
from vaporbrush_protocol import Connection, Image, Recipe, Style, connect
from vaporbrush_protocol.recipe import Channels, Depth

PROGRAM = (sys.executable, "-m", "vaporbrush_daemon")
WAIT_S = 60


def vaporbrush(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=WAIT_S)


@pytest.fixture
def server(home: Path) -> Iterator[Path]:
    done = vaporbrush("serve", "--fake")
    assert done.returncode == 0, done.stderr
    yield home
    assert vaporbrush("stop", "--now").returncode == 0


def test_it_keeps_to_the_protocol(server: Path) -> None:
    def restart() -> Connection:
        assert vaporbrush("stop").returncode == 0
        assert vaporbrush("serve", "--fake").returncode == 0
        return Connection.read(server)

    suite = Suite(Connection.read(server), packaged.specification(), restart=restart, seed=3)
    outcomes = list(suite.run())
    assert [one for one in outcomes if one.problem or one.left_out] == []
    assert len(outcomes) > 100


def test_it_paints_a_gradient_without_torch(server: Path, tmp_path: Path) -> None:
    content, out = tmp_path / "content.png", tmp_path / "out.png"
    pictures.write(content, pictures.Picture(np.zeros((48, 64, 3), np.uint8)))
    done = vaporbrush("stylize", content, "@ink", "-o", out, "--seed", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = pictures.read(out).pixels.astype(int)
    assert found.shape == (48, 64, 3)
    assert np.abs(np.diff(found, axis=1)).max() < 16  # smooth, and not one colour
    assert found.std() > 20
    second = tmp_path / "second.png"
    again = vaporbrush("stylize", content, "@ink", "-o", second, "--recipe", out, "--json")
    assert json.loads(again.stdout)["recipe"] == json.loads(done.stdout)["recipe"]
    np.testing.assert_array_equal(pictures.read(second).pixels, found)
    (worker,) = [one for one in json.loads(vaporbrush("status", "--json").stdout)["workers"] if one["pid"]]
    assert "torch" not in Path(f"/proc/{worker['pid']}/maps").read_text()


def test_progress_previews_and_keeping_what_there_is_are_as_a_client_knows_them(server: Path) -> None:
    pixels = bytes(64 * 48 * 3)
    recipe = Recipe(Image.of(pixels, 64, 48, "RGB"), (Style(name="ink"),), steps=5000)
    with connect() as client:
        client.upload(pixels)
        job = client.submit(recipe)
        job = until(lambda: (now := client.watch(job.job, 0, 1.0, 32)).preview and now, "a preview")
        assert (job.preview.width, job.preview.height) == (32, 24)
        assert job.progress.phase == "painting"
        assert 0 < job.progress.step < 5000
        assert job.progress.loss is not None
        client.finish(job.job)
        done = until(lambda: (now := client.watch(job.job, 0, 1.0)).final and now, "it delivers")
        assert done.state == "done"
        assert done.result["stopped"] == "finish"
        other = client.submit(recipe)
        until(lambda: client.watch(other.job, 0, 1.0).state == "running", "it paints")
        assert client.cancel(other.job).state == "cancelled"


@pytest.mark.parametrize("channels", get_args(Channels))
@pytest.mark.parametrize("depth", get_args(Depth))
def test_a_gradient_has_every_form_of_a_picture(channels: Channels, depth: Depth) -> None:
    like = Image("", 17, 9, channels, depth)
    data = fake.encoded(fake.gradient(17, 9, seed=2), like)
    assert len(data) == like.size_bytes


@pytest.mark.parametrize(("size", "painted"), [(32, (32, 16)), (500, (64, 32)), ("full", (64, 32)), ("auto", (64, 32))])
def test_it_paints_at_the_size_that_is_asked_for(size: int | str, painted: tuple[int, int]) -> None:
    recipe = Recipe(Image("", 64, 32), (Style(name="ink"),), size=size)
    assert fake.painted_size(recipe) == painted
