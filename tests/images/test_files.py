"""Picture files: depth, alpha, orientation and colour survive."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms

from support.picture_files import DISPLAY_P3, LINEAR, noise
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images import png_chunks
from vaporbrush_daemon.images.profiles import SRGB, same_space, scaled, transform, unit
from vaporbrush_protocol.errors import RequestError


def ramp(channels: int = 3) -> np.ndarray:
    """All 65536 levels of 16 bits, (256, 256, channels)."""
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    return np.stack([levels, levels[::-1], levels.T, levels[:, ::-1]][:channels], axis=-1)


def exif_of(path: Path) -> Image.Exif:
    """As an independent reader sees it."""
    with Image.open(path) as image:
        return image.getexif()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_16_bit_ramp_keeps_all_its_levels(tmp_path: Path, suffix: str, channels: int) -> None:
    path = tmp_path / f"ramp{suffix}"
    pictures.write(path, pictures.Picture(ramp(channels)))
    found = pictures.read(path)
    assert found.pixels.dtype == np.uint16
    assert len(np.unique(found.pixels[..., 0])) == 65536
    np.testing.assert_array_equal(found.pixels, ramp(channels))
    again = pictures.received(bytes(found.data()), found.wire(), found)
    np.testing.assert_array_equal(again.pixels, ramp(channels))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_float_tiff_keeps_its_values_even_beyond_white(tmp_path: Path, dtype: type) -> None:
    pixels = noise(3, dtype) * dtype(3) - dtype(1)
    tifffile.imwrite(tmp_path / "hdr.tif", pixels, photometric="rgb")
    found = pictures.read(tmp_path / "hdr.tif")
    assert found.wire().depth == {"float32": "f32", "float16": "f16"}[pixels.dtype.name]
    pictures.write(tmp_path / "again.tif", found)
    np.testing.assert_array_equal(pictures.read(tmp_path / "again.tif").pixels, pixels)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_transparency_and_the_colours_under_it_are_kept(tmp_path: Path, suffix: str) -> None:
    pixels = noise(4)
    pixels[:8, :, 3] = 0
    pictures.write(tmp_path / f"a{suffix}", pictures.Picture(pixels))
    np.testing.assert_array_equal(pictures.read(tmp_path / f"a{suffix}").pixels, pixels)


def test_a_jpeg_shows_white_where_the_picture_is_transparent(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, 16:, 3] = 255
    pictures.write(tmp_path / "a.jpg", pictures.Picture(pixels))
    found = pictures.read(tmp_path / "a.jpg").pixels
    assert found.shape == (32, 32, 3)
    assert found[:, :8].min() > 250
    assert found[:, 24:].max() < 5


def test_premultiplied_tiff_becomes_straight(tmp_path: Path) -> None:
    straight = np.full((20, 20, 4), (40000, 20000, 65535, 32768), np.uint16)
    stored = straight.copy()
    stored[..., :3] = (straight[..., :3].astype(np.float64) * 32768 / 65535).round()
    tifffile.imwrite(tmp_path / "p.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(pictures.read(tmp_path / "p.tif").pixels.astype(int) - straight).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_every_exif_orientation_is_seen_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:16, :32], upright[:16, 32:], upright[16:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    undo = [None, None, 0, 3, 1, 5, 2, 6, 4][orientation]  # PIL's transposition that a camera would store
    image = Image.fromarray(upright)
    stored = image if undo is None else image.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, "A. Painter"
    path = tmp_path / f"o{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, np.asarray(stored), photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        stored.save(path, exif=exif, **({"quality": 95, "subsampling": 0} if suffix == ".jpg" else {"lossless": True}))
    found = pictures.read(path)
    assert (found.width, found.height) == (64, 32)
    corners = found.pixels[[4, 4, 28], [8, 56, 8]].astype(int)
    assert np.abs(corners - [(255, 0, 0), (0, 255, 0), (0, 0, 255)]).max() < 12
    if suffix != ".tif":
        pictures.write(tmp_path / "again.png", found)
        again = exif_of(tmp_path / "again.png")
        assert again.get(0x013B) == "A. Painter"
        assert 0x0112 not in again


def test_exif_of_the_camera_is_carried_over_without_its_thumbnail(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "Camera 1"
    exif.get_ifd(0x8769)[0x829A] = 0.01  # exposure time
    exif.get_ifd(0x8825)[1] = "N"
    raw = exif.tobytes()
    end = 6 + 8 + 2 + 12 * 3  # of the three entries of the first directory: there stands where the thumbnail's is
    thumbnail = struct.pack(">HHHIHHI", 1, 0x0103, 3, 1, 6, 0, 0)
    raw = raw[:end] + struct.pack(">I", len(raw) - 6) + raw[end + 4 :] + thumbnail
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg", exif=raw)
    assert exif_of(tmp_path / "a.jpg").get_ifd(ExifTags.IFD.IFD1)
    for name in ("b.jpg", "b.webp", "b.png"):
        pictures.write(tmp_path / name, pictures.read(tmp_path / "a.jpg"))
        found = exif_of(tmp_path / name)
        assert found[0x0110] == "Camera 1"
        assert float(found.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
        assert found.get_ifd(0x8825)[1] == "N"
        assert not found.get_ifd(ExifTags.IFD.IFD1)


def test_damaged_exif_does_not_keep_anyone_from_painting(tmp_path: Path) -> None:
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    assert pictures.read(tmp_path / "a.jpg").width == 40


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palette_pngs_become_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(noise(3)).convert(mode)
    image.save(tmp_path / "a.png")
    found = pictures.read(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGBA" if mode == "LA" else "RGB")))


def test_a_palette_with_a_transparent_colour_becomes_rgba(tmp_path: Path) -> None:
    image = Image.fromarray(noise(3)).convert("P")
    image.save(tmp_path / "a.png", transparency=int(np.asarray(image)[0, 0]))
    found = pictures.read(tmp_path / "a.png").pixels
    assert found[0, 0, 3] == 0
    assert found[..., 3].max() == 255


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool])
def test_grey_tiffs_become_rgb(tmp_path: Path, photometric: str, dtype: type) -> None:
    gray = noise(1, np.uint8)[..., 0]
    stored = gray > 128 if dtype is bool else gray.astype(dtype)
    tifffile.imwrite(tmp_path / "g.tif", stored, photometric=photometric)
    found = pictures.read(tmp_path / "g.tif").pixels
    value = stored.astype(np.uint8) * 255 if dtype is bool else stored
    top = 65535 if dtype is np.uint16 else 255
    np.testing.assert_array_equal(found[..., 1], top - value if photometric == "miniswhite" else value)


def test_planar_and_palette_and_twelve_bit_tiffs_are_read(tmp_path: Path) -> None:
    pixels = noise(3, np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", np.moveaxis(pixels, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(pictures.read(tmp_path / "s.tif").pixels, pixels)
    Image.fromarray(noise(3)).convert("P").save(tmp_path / "p.tif")
    with Image.open(tmp_path / "p.tif") as image:
        want = np.asarray(image.convert("RGB"))
    found = pictures.read(tmp_path / "p.tif").pixels
    assert np.abs(found.astype(int) // 257 - want).max() <= 1


def test_cmyk_is_turned_into_the_colours_it_prints(tmp_path: Path) -> None:
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "red.jpg")
    tifffile.imwrite(tmp_path / "red.tif", np.full((32, 32, 4), (0, 255, 255, 0), np.uint8), photometric="separated")
    for name in ("red.jpg", "red.tif"):
        found = pictures.read(tmp_path / name)
        assert np.abs(found.pixels.astype(int) - (255, 0, 0)).max() < 8, name
        assert found.profile is None


def test_a_profile_goes_with_the_output_and_the_numbers_stay(tmp_path: Path) -> None:
    pixels = noise(3)
    Image.fromarray(pixels).save(tmp_path / "p3.png", icc_profile=DISPLAY_P3)
    content = pictures.read(tmp_path / "p3.png")
    np.testing.assert_array_equal(content.pixels, pixels)
    for name in ("out.png", "out.jpg", "out.tif", "out.webp"):
        pictures.write(tmp_path / name, content)
        assert pictures.read(tmp_path / name).profile == DISPLAY_P3
        with Image.open(tmp_path / name) as seen:
            assert seen.info["icc_profile"] == DISPLAY_P3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_style_is_expressed_in_the_contents_colour_space(dtype: type) -> None:
    inside = (noise(4, np.float32) * 0.6 + 0.2).astype(np.float32)  # where both spaces have every colour
    style = pictures.Picture(scaled(inside, np.dtype(dtype)))
    content = pictures.Picture(noise(3), profile=DISPLAY_P3)
    moved = pictures.adapted(style, content)
    assert moved.profile == DISPLAY_P3
    np.testing.assert_array_equal(moved.pixels[..., 3], style.pixels[..., 3])
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    assert np.abs(moved.pixels.astype(float) - style.pixels)[..., :3].max() > 0.05 * white
    seen = transform(moved.pixels[..., :3], DISPLAY_P3, SRGB)
    assert np.abs(seen.astype(float) - style.pixels[..., :3]).max() <= {np.uint8: 4 / 255}.get(dtype, 0.005) * white


def test_two_names_of_srgb_do_not_touch_a_pixel() -> None:
    pillows = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert same_space(pillows, SRGB)
    style = pictures.Picture(noise(3), profile=pillows)
    np.testing.assert_array_equal(pictures.adapted(style, pictures.Picture(noise(3))).pixels, style.pixels)


def test_the_painter_knows_of_a_linear_profile(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "lin.tif", noise(3, np.float32), photometric="rgb", iccprofile=LINEAR)
    content = pictures.read(tmp_path / "lin.tif")
    assert content.wire().transfer == "linear"
    style = pictures.adapted(pictures.Picture(np.full((20, 20, 3), 128, np.uint8)), content)
    assert style.transfer == "linear"
    assert style.pixels.dtype == np.uint16  # eight linear bits would band
    assert abs(style.pixels.mean() / 65535 - 0.216) < 0.005  # 128 of sRGB is 21.6 % of the light


def test_a_profile_of_another_kind_of_picture_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg", icc_profile=imagecodecs.cms_profile("gray"))
    assert pictures.read(tmp_path / "a.jpg").profile is None


def test_the_recipe_in_a_png_is_read_back_at_both_depths(tmp_path: Path) -> None:
    record = {"recipe": {"strength": 100.0, "model": "vgg19", "text": "Größe ×2"}, "model": "vgg19"}
    for dtype in (np.uint8, np.uint16):
        path = tmp_path / f"{np.dtype(dtype).name}.png"
        pictures.write(path, pictures.Picture(noise(3, dtype)), record)
        assert pictures.read_recipe(path) == record["recipe"]
        assert pictures.read(path).recipe == record
        with Image.open(path) as seen:  # an independent reader finds it too
            seen.load()
            assert "Größe ×2" in seen.text["vaporbrush"]
    compressed = b"vaporbrush\0\1\0\0\0" + zlib.compress(b'{"recipe": {"seed": 7}}')
    (tmp_path / "z.png").write_bytes(png_chunks.insert((tmp_path / "uint8.png").read_bytes(), [(b"iTXt", compressed)]))
    assert pictures.read_recipe(tmp_path / "z.png") == {"seed": 7}


def test_a_recipe_is_also_read_from_json_and_nonsense_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"strength": 5}')
    assert pictures.read_recipe(tmp_path / "r.json") == {"strength": 5}
    for name, text in {"list.json": "[1]", "not.json": "{", "none.png": None}.items():
        if text is None:
            pictures.write(tmp_path / name, pictures.Picture(noise(3)))
        else:
            (tmp_path / name).write_text(text)
        with pytest.raises(RequestError, match=name):
            pictures.read_recipe(tmp_path / name)


def test_a_mask_is_white_where_to_paint_and_as_large_as_the_content(tmp_path: Path) -> None:
    mask = np.zeros((24, 40, 4), np.uint8)
    mask[:, 20:] = 255
    mask[12:, 20:, 3] = 128
    pictures.write(tmp_path / "m.png", pictures.Picture(mask))
    found = pictures.read_mask(tmp_path / "m.png", 40, 24)
    assert found.shape == (24, 40)
    assert found[0, 0] == 0
    assert found[0, 30] == 255
    assert found[20, 30] == 128
    with pytest.raises(RequestError, match="41×24"):
        pictures.read_mask(tmp_path / "m.png", 41, 24)


def test_a_picture_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        pictures.write(tmp_path / "no" / "a.png", pictures.Picture(noise(3)))
    (tmp_path / "a.png").mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        pictures.write(tmp_path / "a.png", pictures.Picture(noise(3)))
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(RequestError, match=r"\.gif"):
        pictures.write(tmp_path / "a.gif", pictures.Picture(noise(3)))


def test_real_photographs_are_read(shared: Path) -> None:
    for path in sorted((shared / "images" / "content").glob("*.jpg")):
        found = pictures.read(path)
        with Image.open(path) as seen:
            assert {found.width, found.height} == set(seen.size)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_a_reduced_picture_keeps_its_depth_and_its_mean(dtype: type) -> None:
    picture = pictures.Picture(noise(3, dtype, (60, 90)), DISPLAY_P3)
    small = pictures.reduced(picture, 45)
    assert (small.width, small.height) == (45, 30)
    assert small.pixels.dtype == dtype
    assert small.profile == DISPLAY_P3
    assert abs(unit(small.pixels).mean() - unit(picture.pixels).mean()) < 0.01


def test_reducing_does_not_bleed_the_colour_of_transparent_pixels() -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, :20] = (255, 0, 0, 255)
    pixels[:, 20:] = (0, 255, 0, 0)
    small = pictures.reduced(pictures.Picture(pixels), 13).pixels
    assert small[small[..., 3] > 8][:, 1].max() < 8
