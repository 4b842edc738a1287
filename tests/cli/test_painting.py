"""Painting from the command line: a real program, a real daemon, the fake worker."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from support.program import vaporbrush
from vaporbrush_daemon.images import files as pictures
from vaporbrush_protocol import connect


def pixels(path: Path) -> np.ndarray:
    return pictures.read(path).pixels


def test_one_command_starts_the_daemon_and_paints(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    done = vaporbrush("stylize", content, style, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "Starting the daemon" in done.stderr
    assert str(out) in done.stdout
    np.testing.assert_array_equal(pixels(out), 255 - pixels(content))  # the fake worker paints the negative
    with connect() as client:
        assert client.jobs()[0].state == "done"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content.png", "out.png", "style.png"]


def test_the_second_run_finds_the_daemon_and_the_pictures_there(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    told = []
    for name in ("a.png", "b.png"):
        done = vaporbrush("stylize", content, style, "-o", tmp_path / name, "--json")
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    assert told[0]["daemon"]["started"]
    assert told[0]["uploaded"]["blobs"] == 2
    assert not told[1]["daemon"]["started"]
    assert told[1]["uploaded"] == {"blobs": 0, "bytes": 0}
    assert told[1]["reused"] == {"blobs": 2, "bytes": 64 * 48 * 3 + 40 * 40 * 3}
    assert told[1]["cached"]["blobs"]
    assert told[0]["daemon"]["boot"] == told[1]["daemon"]["boot"]
    assert told[1]["recipe"]["outside"] == "content"
    assert {"decode", "connect", "upload", "encode", "all"} <= set(told[1]["seconds"])


def test_every_option_reaches_the_recipe(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    pictures.write(mask, pictures.Picture(np.full((48, 64, 3), 255, np.uint8)))
    options = (
        "--size 32 --quality draft --strength 50 --style-scale 0.5 --style-weights 1,3 --color luma --blend 0.5"
        " --tileable --init noise --steps 7 --optimizer adam --layer-weights 1,2,3,4,5 --pool avg --tv 0.1"
        " --model vgg19 --device cpu"
    )
    done = vaporbrush(
        *("stylize", content, style, "@vaporwave", "-o", tmp_path / "o.png", "--json", *shlex.split(options)),
        *("--mask", mask, "--style-mask", mask, "--style-mask", mask),
    )
    assert done.returncode == 0, done.stderr
    recipe = json.loads(done.stdout)["recipe"]
    wanted = {
        "size": 32, "quality": "draft", "strength": 50, "style_scale": 0.5, "color": "luma", "blend": 0.5,
        "tileable": True, "start": "noise", "steps": 7, "optimizer": "adam", "layer_weights": [1, 2, 3, 4, 5],
        "pool": "avg", "tv": 0.1, "model": "vgg19", "device": "cpu",
    }  # fmt: skip
    assert {name: recipe[name] for name in wanted} == wanted
    assert [one["weight"] for one in recipe["styles"]] == [1, 3]
    assert recipe["mask"]["channels"] == "GRAY"
    assert all(one["mask"]["blob"] == recipe["mask"]["blob"] for one in recipe["styles"])


def test_a_region_is_for_the_style_with_its_number(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    mask = tmp_path / "sky.png"
    pictures.write(mask, pictures.Picture(np.full((48, 64, 3), 255, np.uint8)))
    asked = ("stylize", content, style, "@vaporwave", "-o", tmp_path / "o.png", "--json")
    done = vaporbrush(*asked, "--region", f"2:{mask}")
    assert done.returncode == 0, done.stderr
    assert [one.get("mask") is not None for one in json.loads(done.stdout)["recipe"]["styles"]] == [False, True]
    wrong = {
        (f"3:{mask}",): "--region names style 3, but there are 2 styles.",
        (f"0:{mask}",): f"--region is '0:{mask}', but must be a style's number, a colon and a picture",
        ("sky.png",): "--region is 'sky.png', but must be a style's number, a colon and a picture",
        ("1:gone.png",): "gone.png",
        (f"1:{mask}", f"1:{mask}"): "--region names style 1 twice",
        (f"1:{content}", "--style-mask", mask): "--style-mask and --region say the same in two ways",
    }
    for words, sentence in wrong.items():
        given = [
            word for one in words for word in (("--region", one) if ":" in str(one) or one == "sky.png" else (one,))
        ]
        done = vaporbrush(*asked, *given)
        assert done.returncode == 2
        assert sentence in " ".join(done.stderr.split())


def test_a_named_size_is_the_size_of_the_file_and_auto_is_the_contents(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    for name, size, wanted in (("a.png", "32", (24, 32)), ("b.png", "auto", (48, 64)), ("c.png", "500", (48, 64))):
        assert vaporbrush("stylize", content, style, "-o", tmp_path / name, "--size", size).returncode == 0
        assert pixels(tmp_path / name).shape[:2] == wanted
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "d.png", "--recipe", tmp_path / "a.png")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(pixels(tmp_path / "d.png"), pixels(tmp_path / "a.png"))


def test_a_painting_repeats_from_the_recipe_that_it_carries(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert vaporbrush("stylize", content, style, "-o", first, "--strength", "77", "--steps", "5").returncode == 0
    done = vaporbrush("stylize", content, style, "-o", second, "--recipe", first, "--steps", "6", "--json")
    assert done.returncode == 0, done.stderr
    recipe = json.loads(done.stdout)["recipe"]
    assert (recipe["strength"], recipe["steps"]) == (77, 6)  # what the command says wins
    saved = tmp_path / "recipe.json"
    saved.write_text(done.stdout)
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "c.png", "--recipe", saved, "--json")
    assert json.loads(done.stdout)["recipe"] == recipe


def test_painting_goes_on_from_a_file_and_from_a_job(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "a.png", "--strength", "9", "--json")
    first = json.loads(done.stdout)
    for start in (tmp_path / "a.png", first["job"][:8]):
        done = vaporbrush("stylize", content, style, "-o", tmp_path / "b.png", "--continue", start, "--json")
        assert done.returncode == 0, done.stderr
        recipe = json.loads(done.stdout)["recipe"]
        assert recipe["strength"] == 9
        assert recipe["start_image"]["width"] == 64
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "b.png", "--continue", "nothing")
    assert done.returncode == 2
    assert "`nothing`" in done.stderr


def test_a_bundled_style_brings_the_strength_that_suits_it(fake: Path, content: Path, tmp_path: Path) -> None:
    listed = {one["name"]: one for one in json.loads(vaporbrush("styles", "--json").stdout)["styles"]}
    assert "vaporwave" in listed
    own = fake / "styles"
    own.mkdir(exist_ok=True)
    pictures.write(own / "my-own.png", pictures.Picture(np.full((32, 32, 3), 90, np.uint8)))
    assert "@my-own" in vaporbrush("styles").stdout
    for name, given, wanted in (("vaporwave", (), listed["vaporwave"]["strength"]), ("my-own", ("--strength", "3"), 3)):
        done = vaporbrush("stylize", content, f"@{name}", "-o", tmp_path / "o.png", "--json", *given)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["recipe"]["strength"] == wanted
    done = vaporbrush("stylize", content, "@nothing", "-o", tmp_path / "o.png")
    assert done.returncode == 2
    assert "vaporwave" in done.stderr


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_16_bit_picture_comes_back_with_16_bits(fake: Path, style: Path, tmp_path: Path, suffix: str) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    content = tmp_path / f"ramp{suffix}"
    pictures.write(content, pictures.Picture(np.stack([levels] * 3, axis=-1)))
    done = vaporbrush("stylize", content, style, "-o", tmp_path / f"out{suffix}")
    assert done.returncode == 0, done.stderr
    out = pixels(tmp_path / f"out{suffix}")
    assert out.dtype == np.uint16
    assert len(np.unique(out)) == 65536
