"""Films as files: animated WebP and GIF in and out, and where a film cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vaporbrush_daemon.images import animations
from vaporbrush_daemon.images.animations import Animation, Shot, is_animation, write_animation
from vaporbrush_daemon.images.cuts import Signature, digest, is_cut
from vaporbrush_daemon.images.files import Picture
from vaporbrush_protocol.errors import RequestError, VaporbrushError

Pixels = NDArray[np.uint8]


def scene(seed: int, width: int = 320, height: int = 240) -> Pixels:
    """A made-up landscape: large soft shapes and some texture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((width * 2, height * 2), Image.BICUBIC)
    grain = rng.integers(-12, 12, (height * 2, width * 2, 3))
    return (np.asarray(coarse, int) + grain).clip(0, 255).astype(np.uint8)


def view(world: Pixels, left: int = 0, top: int = 0, zoom: float = 1.0) -> Signature:
    width, height = round(320 / zoom), round(240 / zoom)
    part = Image.fromarray(world[top : top + height, left : left + width]).resize((320, 240), Image.BICUBIC)
    return Signature.of(Picture(np.asarray(part)))


def test_a_pan_a_zoom_and_a_fade_are_no_cut() -> None:
    world = scene(1)
    assert not is_cut(view(world), view(world, left=24, top=6))
    assert not is_cut(view(world), view(world, zoom=1.15))
    dark = Signature.of(Picture((world[:240, :320] * 0.6).astype(np.uint8)))
    assert not is_cut(Signature.of(Picture(world[:240, :320])), dark)


def test_a_drawing_that_jumps_across_the_picture_is_no_cut() -> None:
    paper = np.full((240, 320, 3), 240, np.uint8)
    left, right = paper.copy(), paper.copy()
    left[60:180, 20:110] = 30
    right[60:180, 200:290] = 30
    assert not is_cut(Signature.of(Picture(left)), Signature.of(Picture(right)))


@pytest.mark.parametrize("seed", range(2, 12))
def test_another_scene_is_a_cut(seed: int) -> None:
    assert is_cut(view(scene(1)), view(scene(seed)))


def test_black_and_another_size_are_cuts() -> None:
    black = Signature.of(Picture(np.zeros((240, 320, 3), np.uint8)))
    assert is_cut(black, view(scene(1)))
    assert is_cut(view(scene(1)), black)
    assert is_cut(view(scene(1)), Signature.of(Picture(np.ascontiguousarray(scene(1)[:240, :300]))))


def test_frames_are_equal_by_their_pixels() -> None:
    world = scene(1)
    other = world.copy()
    other[3, 4, 1] ^= 1
    assert digest(Picture(world)) == digest(Picture(world.copy()))
    assert digest(Picture(world)) != digest(Picture(other))
    assert digest(Picture(world)) != digest(Picture(world, profile=b"another space"))


def animated(path: Path, *frames: Pixels, **options: object) -> Path:
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return path


def test_a_still_picture_is_no_animation_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    Image.fromarray(scene(1)).save(tmp_path / "still.webp")
    assert not is_animation(tmp_path / "still.webp")
    whole = animated(tmp_path / "whole.gif", scene(1), scene(2)).read_bytes()
    assert is_animation(tmp_path / "whole.gif")
    for length in (10, 100, 900):
        (tmp_path / "cut.gif").write_bytes(whole[:length])
        with pytest.raises(RequestError, match="damaged"):
            Animation(tmp_path / "cut.gif").shot(0)
    (tmp_path / "late.gif").write_bytes(whole[: len(whole) * 3 // 4])
    late = Animation(tmp_path / "late.gif")
    with pytest.raises(RequestError, match="damaged"):
        [late.shot(number) for number in range(2)]


def test_limits_hold_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = animated(tmp_path / "film.gif", scene(1), scene(2), scene(3))
    huge = bytearray(film.read_bytes())
    huge[6:10] = b"\xff\xff\xff\xff"
    (tmp_path / "huge.gif").write_bytes(huge)
    with pytest.raises(RequestError, match="65535×65535"):
        Animation(tmp_path / "huge.gif")
    monkeypatch.setattr(animations, "MAX_FRAMES", 2)
    with pytest.raises(RequestError, match="has 3 frames; at most 2 fit"):
        Animation(film)
    with pytest.raises(VaporbrushError, match="an animation of 10000 frames"):
        animations.check_writable(tmp_path / "out.gif", 10_000, 16_384, 16_384)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_what_stands_still_has_the_same_colours_in_every_frame(tmp_path: Path, suffix: str) -> None:
    """A palette of its own for each frame, or dithering, would make it flicker."""
    still = scene(1)[:96, :128]
    frames = [still.copy() for _ in range(4)]
    for number, frame in enumerate(frames):
        frame[:48, :64] = scene(20 + number)[:48, :64]
    out = tmp_path / f"out{suffix}"
    write_animation(out, [Shot(Picture(frame), 50) for frame in frames], loop=0)
    film = Animation(out)
    found = [film.shot(number).picture.pixels for number in range(4)]
    assert all(np.array_equal(found[0][48:], one[48:]) for one in found)
    assert np.abs(found[0].astype(int) - frames[0].astype(int)).mean() < 12


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_transparency_times_and_loops_come_back(tmp_path: Path, suffix: str) -> None:
    frames = [np.dstack([scene(seed)[:40, :60], np.full((40, 60), 255, np.uint8)]) for seed in (1, 2, 3)]
    for number, frame in enumerate(frames):
        frame[:, : 10 * (number + 1), 3] = 0
    for loop in (0, 1, 4):
        out = tmp_path / f"out{loop}{suffix}"
        write_animation(out, [Shot(Picture(f), ms) for f, ms in zip(frames, (70, 30, 990), strict=True)], loop)
        film = Animation(out)
        assert film.loop == loop
        shots = [film.shot(number) for number in range(3)]
        assert [one.duration_ms for one in shots] == [70, 30, 990]
        for frame, one in zip(frames, shots, strict=True):
            assert np.array_equal(one.picture.pixels[..., 3], frame[..., 3])
