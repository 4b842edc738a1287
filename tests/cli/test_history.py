"""`vaporbrush history`: what was painted before is listed, had back, pinned and forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.daemon import ended, recipe, serving
from support.program import vaporbrush
from support.router import Router
from vaporbrush_daemon.images import files as pictures
from vaporbrush_protocol import RequestError, connect


def told(*arguments: str | Path) -> str:
    done = vaporbrush(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def served(home: Path) -> Iterator[None]:
    with serving(home):
        yield


@pytest.mark.usefixtures("served")
def test_a_painting_is_listed_and_comes_back_as_it_was_with_its_settings(
    content: Path, style: Path, tmp_path: Path
) -> None:
    out, back, more = (tmp_path / name for name in ("out.png", "back.png", "more.png"))
    assert "Nothing was painted yet." in vaporbrush("history").stderr
    told("stylize", content, style, "-o", out, "--strength", "321", "--seed", "0")
    listed = vaporbrush("history")
    assert "content.png" in listed.stdout
    assert "style.png" in listed.stdout
    assert "64×48" in listed.stdout
    assert "the last 50 are kept" in " ".join(listed.stderr.split())
    (entry,) = json.loads(told("history", "--json"))["entries"]
    style.unlink()
    told("history", "--recall", entry["job"][:8], "-o", back)
    assert np.array_equal(pictures.read(back).pixels, pictures.read(out).pixels)
    pictures.write(style, pictures.read(content))
    again = json.loads(told("stylize", content, style, "-o", more, "--recipe", back, "--json"))
    assert again["recipe"]["strength"] == 321


@pytest.mark.usefixtures("served")
def test_entries_are_pinned_and_forgotten_by_the_first_letters_of_their_id(
    content: Path, style: Path, tmp_path: Path
) -> None:
    told("stylize", content, style, "-o", tmp_path / "one.png")
    told("stylize", content, "@mosaic", "-o", tmp_path / "two.png")
    newest, first = json.loads(told("history", "--json"))["entries"]
    assert (newest["styles"], first["styles"]) == (["mosaic"], ["style.png"])
    told("history", "--pin", first["job"][:8])
    assert f"{first['job'][:8]}  *" in told("history")
    told("history", "--unpin", first["job"])
    assert "*" not in told("history")
    told("history", "--forget", newest["job"])
    assert [entry["job"] for entry in json.loads(told("history", "--json"))["entries"]] == [first["job"]]
    for arguments, says in (
        (("--pin", newest["job"]), "is in no entry of the history"),
        (("--recall", first["job"]), "--recall ID and -o FILE belong together"),
        (("--recall", first["job"], "-o", tmp_path / "a.gif"), "no suffix of a format"),
        (("--pin", first["job"], "--forget", first["job"]), "one at a time"),
    ):
        done = vaporbrush("history", *arguments)
        assert done.returncode == 2, done.stderr
        assert says in " ".join(done.stderr.split())


@pytest.mark.usefixtures("served")
def test_a_batch_does_not_push_single_paintings_out_of_the_history(content: Path, style: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content.rename(folder / content.name)
    told("stylize", folder, style, "-o", tmp_path / "out")
    with connect() as client:
        assert client.history().entries == ()


@pytest.mark.parametrize("form", [("BGRA", "u8", "srgb"), ("GRAY", "u16", "srgb"), ("RGBA", "f16", "linear"),
                                  ("GRAYA", "u8", "linear"), ("RGB", "f32", "srgb")])  # fmt: skip
def test_a_painting_of_another_program_comes_back_as_it_looked(form: tuple[str, str, str]) -> None:
    from vaporbrush_daemon.images.pixels import encode
    from vaporbrush_protocol import Image

    look = np.random.default_rng(3).random((6, 5, 1), np.float32) * np.ones((1, 1, 4), np.float32)
    look[..., 3] = 1.0
    image = Image("", 5, 6, *form)
    found = pictures.recalled(encode(look, image), image)
    shown = found.pixels / (1.0 if found.pixels.dtype.kind == "f" else np.iinfo(found.pixels.dtype).max)
    assert np.abs(shown[..., :3] - look[..., :3]).max() < (0.02 if form[1:] == ("u8", "linear") else 0.003)
    assert found.transfer == "srgb"


def test_a_daemon_that_is_older_is_said_to_keep_no_history(home: Path) -> None:
    home.mkdir(mode=0o700)
    with Router(home) as router:
        router.answers["history"] = lambda _: RequestError("unknown_request", "`request` is 'history'.")
        router.connection.write(home)
        done = vaporbrush("history")
    assert done.returncode == 2
    assert "is older than this command and keeps no history" in " ".join(done.stderr.split())


def test_what_was_painted_by_another_program_is_listed_too(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        ended(client, client.submit(recipe(client), label="Wolken \x1b[31m", style_names=["Öl"]))
        listed = told("history")
    assert "Wolken \\x1b[31m" in listed
    assert "Öl" in listed
