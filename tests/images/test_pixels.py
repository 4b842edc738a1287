"""Raw pixels there and back: nothing is lost, and what cannot be kept is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_daemon.images.pixels import decode, decode_mask, encode
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Image

DTYPES = {"u8": "u1", "u16": "<u2", "f16": "<f2", "f32": "<f4"}
COUNTS = {"RGB": 3, "RGBA": 4, "BGRA": 4, "GRAY": 1, "GRAYA": 2}


@pytest.mark.parametrize("transfer", ["srgb", "linear"])
@pytest.mark.parametrize("channels", COUNTS)
@pytest.mark.parametrize("depth", ["u8", "u16"])
def test_every_integer_level_survives_the_way_there_and_back(channels: str, depth: str, transfer: str) -> None:
    top = 256 if depth == "u8" else 65536
    side = int(top**0.5)
    levels = np.arange(top, dtype=DTYPES[depth]).reshape(side, side, 1).repeat(COUNTS[channels], axis=2)
    image = Image("", side, side, channels, depth, transfer)
    pixels, clipped = decode(levels.tobytes(), image)
    assert not clipped
    back = np.frombuffer(encode(pixels, image), DTYPES[depth]).reshape(levels.shape)
    assert np.abs(back.astype(int) - levels.astype(int)).max() <= (1 if transfer == "linear" and depth == "u16" else 0)


@given(
    st.sampled_from(list(COUNTS)),
    st.sampled_from(["f16", "f32"]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_floats_survive_within_their_precision(channels: str, depth: str, width: int, height: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((height, width, COUNTS[channels])).astype(DTYPES[depth])
    image = Image("", width, height, channels, depth)
    pixels, clipped = decode(values.tobytes(), image)
    assert not clipped
    back = np.frombuffer(encode(pixels, image), DTYPES[depth]).reshape(values.shape)
    np.testing.assert_allclose(
        back.astype(float), values.astype(float), rtol=2e-3 if depth == "f16" else 2e-6, atol=1e-6
    )


def test_channel_orders_mean_the_same_colour() -> None:
    colour = np.array([200, 100, 50, 128], np.uint8)
    rgba, _ = decode(colour.tobytes(), Image("", 1, 1, "RGBA"))
    bgra, _ = decode(colour[[2, 1, 0, 3]].tobytes(), Image("", 1, 1, "BGRA"))
    rgb, _ = decode(colour[:3].tobytes(), Image("", 1, 1, "RGB"))
    grey, _ = decode(bytes([77, 128]), Image("", 1, 1, "GRAYA"))
    np.testing.assert_allclose(rgba[0, 0] * 255, colour, atol=1e-4)
    assert np.array_equal(rgba, bgra)
    assert rgb[0, 0, 3] == 1
    np.testing.assert_allclose(grey[0, 0] * 255, [77, 77, 77, 128], atol=1e-4)


def test_linear_light_is_encoded_as_srgb_says() -> None:
    values = np.array([[[0.0, 0.0031308, 0.2140411], [0.5, 1.0, 0.0]]], np.float32)
    pixels, _ = decode(values.tobytes(), Image("", 2, 1, "RGB", "f32", "linear"))
    np.testing.assert_allclose(pixels[0, 0, :3], [0, 0.04045, 0.5], atol=1e-4)
    np.testing.assert_allclose(pixels[0, 1, :3], [0.735357, 1, 0], atol=1e-4)


def test_values_outside_of_the_range_are_clipped_and_reported() -> None:
    values = np.array([[[0.5, 0.5, 0.5, 1], [1.5, -0.25, np.nan, 1]]], np.float32)
    pixels, clipped = decode(values.tobytes(), Image("", 2, 1, "RGBA", "f32"))
    assert clipped
    np.testing.assert_array_equal(pixels[0, 1], [1, 0, 0, 1])


@pytest.mark.parametrize("depth", ["f16", "f32"])
def test_white_and_black_that_a_conversion_has_rounded_are_not_called_clipped(depth: str) -> None:
    beyond = np.finfo(depth.replace("f", "float")).eps
    values = np.array([[[1 + beyond, 1, 1, 1 + beyond], [-beyond, 0, 0, 1]]], DTYPES[depth])
    pixels, clipped = decode(values.tobytes(), Image("", 2, 1, "RGBA", depth))
    assert not clipped
    np.testing.assert_array_equal(pixels[0, :, 0], [1, 0])
    assert decode((values * 1.01).astype(values.dtype).tobytes(), Image("", 2, 1, "RGBA", depth))[1]


def test_untouched_pixels_keep_their_very_bytes() -> None:
    values = np.array([[[3.5, -1.0, np.nan, 1], [0.1, 0.2, 0.3, 1]]], np.float32)
    image = Image("", 2, 1, "RGBA", "f32", "linear")
    pixels, _ = decode(values.tobytes(), image)
    pixels[:, 1] = 0.5
    out = np.frombuffer(encode(pixels, image, values.tobytes(), np.array([[True, False]])), "<f4").reshape(1, 2, 4)
    assert out[0, 0].tobytes() == values[0, 0].tobytes()
    assert out[0, 1, 0] == pytest.approx(0.2140411, abs=1e-5)


def test_a_blob_of_the_wrong_size_is_refused_with_both_numbers() -> None:
    with pytest.raises(RequestError, match=r"has 11 bytes, but 2×1 RGBA u8 needs 8"):
        decode(b"x" * 11, Image("", 2, 1))


def test_a_mask_is_coverage_whatever_its_depth() -> None:
    for depth, full in (("u8", 255), ("u16", 65535), ("f32", 1)):
        data = np.array([[0, full]]).astype(DTYPES[depth]).tobytes()
        np.testing.assert_array_equal(decode_mask(data, Image("", 2, 1, "GRAY", depth)), [[0, 1]])
