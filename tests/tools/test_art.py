"""The pictures that we ship: all there, small enough, full of texture, and drawn again by their scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tomllib
from PIL import Image

from vaporbrush_protocol.controls import tuned

ROOT = Path(__file__).resolve().parents[2]
ART = ROOT / "daemon" / "vaporbrush_daemon" / "art"
MANIFEST = tomllib.loads((ART / "styles" / "styles.toml").read_text(encoding="utf-8"))
STYLES = {style["name"]: style for style in MANIFEST["style"]}
PICTURES = [ART / "demo" / "content.jpg", *(ART / "styles" / f"{name}.jpg" for name in STYLES)]

MAX_PICTURE_BYTES = 400_000
MAX_ART_BYTES = 4_000_000  # all of it travels in the wheel


def pixels(path: Path) -> npt.NDArray[np.float32]:
    """A picture as (H, W, 3), 0..1."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


def test_the_list_of_styles_and_the_folder_agree() -> None:
    assert {path.stem for path in (ART / "styles").glob("*.jpg")} == set(STYLES)
    assert next(iter(STYLES)) == "vaporwave"
    assert len(STYLES) >= 12, "as many as the README says"


@pytest.mark.parametrize("name", STYLES)
def test_a_style_says_what_it_is_and_how_strongly_to_use_it(name: str) -> None:
    style = STYLES[name]
    values = {name: value for name, value in style.items() if name not in ("name", "title", "description")}
    assert tuned(style) == values, "a style brings along what the table of controls lets it, within its ranges"
    assert {"strength", "style_scale"} <= set(values)
    assert style["title"][0].isupper()
    assert style["description"].endswith(".")
    assert len(style["description"]) <= 120


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_large_enough_to_paint_with_and_small_enough_to_ship(path: Path) -> None:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        assert 768 <= max(image.size) <= 1024
        assert not image.getexif(), "drawn, not photographed"
    assert path.stat().st_size <= MAX_PICTURE_BYTES


def test_all_the_art_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in ART.rglob("*") if path.is_file()) <= MAX_ART_BYTES


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_has_texture_nearly_everywhere(path: Path) -> None:
    """Flat areas give a style nothing to transfer, and a content nothing to hold on to."""
    luma = pixels(path).mean(axis=2)
    height, width = (side // 48 * 48 for side in luma.shape)
    blocks = luma[:height, :width].reshape(height // 48, 48, width // 48, 48).std(axis=(1, 3))
    assert np.mean(blocks > 0.008) > 0.95


def test_the_styles_are_drawn_again_by_their_script(tmp_path: Path) -> None:
    name = "stained-glass"  # the quickest
    script = ROOT / MANIFEST["drawn_by"]
    subprocess.run([sys.executable, script, name, "--out", tmp_path], check=True, timeout=250)
    drawn, shipped = pixels(tmp_path / "styles" / f"{name}.jpg"), pixels(ART / "styles" / f"{name}.jpg")
    # other versions of numpy and Pillow round differently, no more
    assert float(np.abs(drawn - shipped).mean()) < 0.01


def test_a_misspelt_style_is_answered_with_the_names(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / MANIFEST["drawn_by"], "watercolor", "--out", tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert run.returncode == 2
    assert "There is no style 'watercolor'" in run.stderr
    for name in STYLES:
        assert name in run.stderr
    assert not list(tmp_path.iterdir())
