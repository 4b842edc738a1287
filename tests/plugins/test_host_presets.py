"""What both editors keep of a style and of their values in a preset, and what comes back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from vaporbrush_daemon.images import files
from vaporbrush_host import controls, png, presets
from vaporbrush_host.request import Pixels, StyleRef
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.presets import NewStyle, PresetStore


@pytest.mark.parametrize("channels", ["RGBA", "BGRA"])
@pytest.mark.parametrize("depth", ["u8", "u16"])
def test_a_layer_s_png_has_every_bit_of_the_layer(tmp_path: Path, channels: str, depth: str) -> None:
    kind = np.uint8 if depth == "u8" else np.uint16
    given = np.random.default_rng(3).integers(0, np.iinfo(kind).max + 1, (7, 5, 4), kind)
    pixels = given[..., [2, 1, 0, 3]] if channels == "BGRA" else given
    file = tmp_path / "x.png"
    file.write_bytes(png.encode(Pixels(np.ascontiguousarray(pixels).tobytes(), 5, 7, channels, depth)))
    found = files.read(file)
    assert found.pixels.dtype == kind
    np.testing.assert_array_equal(found.pixels, given)
    with Image.open(file) as opened:
        assert opened.info["srgb"] == 0


def test_a_file_that_every_program_reads_is_kept_as_it_is_and_another_by_its_pixels(tmp_path: Path) -> None:
    known, other = tmp_path / "a.tif", tmp_path / "b.xcf"
    tifffile.imwrite(known, np.zeros((2, 2, 3), np.uint8))
    other.write_bytes(b"gimp xcf v011")
    pixels = Pixels(bytes([1, 2, 3, 255] * 4), 2, 2)
    assert presets.file_style(str(known), 2.0, "a", lambda: pixels) == NewStyle(file=known, title="a", weight=2.0)
    made = presets.file_style(str(other), 1.0, "b", lambda: pixels)
    assert made.data is not None
    assert np.asarray(Image.open(io.BytesIO(made.data)))[0, 0].tolist() == [1, 2, 3, 255]
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        presets.file_style(str(tmp_path / "gone.png"), 1.0, "c", lambda: pixels)


def test_values_come_back_and_what_belongs_to_the_moment_stays(tmp_path: Path) -> None:
    store = PresetStore(tmp_path)
    shown = {**controls.defaults(), "strength": 300.0, "device": "cuda:1", "use_selection": False, "seed": 7}
    picture = png.encode(Pixels(bytes(16), 2, 2))
    styles = [NewStyle(name="mosaic", weight=2.0), NewStyle(data=picture, title="Ocean")]
    preset = store.save("Sea", styles, presets.settings_of(shown))
    present = {**controls.defaults(), "device": "cpu", "use_selection": True, "strength": 1.0}
    found = presets.values_of(preset, {"strength": 80.0}, present)
    assert (found["strength"], found["seed"], found["device"], found["use_selection"]) == (300.0, 7, "cpu", True)
    refs = presets.refs_of(preset)
    assert refs == (
        StyleRef("bundled", "mosaic", weight=2.0),
        StyleRef("file", str(store.folder / "Sea" / "Ocean.png")),
    )


def test_what_a_preset_leaves_open_is_what_suits_its_style(tmp_path: Path) -> None:
    preset = PresetStore(tmp_path).save("plain", [NewStyle(name="mosaic")], {"seed": 7})
    found = presets.values_of(preset, {"strength": 80.0}, controls.defaults())
    assert (found["strength"], found["seed"]) == (80.0, 7)
