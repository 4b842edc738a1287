"""Transparency, selections and colours: what a painter sees at their edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.networks import layer, picture
from vaporbrush_daemon.engine import color_transfer
from vaporbrush_daemon.engine.compose import CONTEXT, Frame, deliver, fill, frame_of, shrink, tensor
from vaporbrush_daemon.engine.pyramid import Pyramid, refine, resize
from vaporbrush_daemon.engine.transfer import Transfer

CPU = torch.device("cpu")
FETCH = Transfer(CPU).fetch


def disc(side: int, radius: float) -> np.ndarray:
    """A soft disc (side, side)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.clip(radius - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)


def test_hidden_colours_never_show() -> None:
    """Two layers that differ only where alpha is 0 are the same layer, at any size."""
    rgba = layer(90, 70)
    rgba[..., 3] = disc(90, 30)[:, :70]
    other = rgba.copy()
    other[other[..., 3] == 0, :3] = (1, 0, 1)
    for size in ((70, 90), (35, 45), (23, 30), (140, 180)):
        a, alpha_a = shrink(tensor(rgba, CPU), *size)
        b, alpha_b = shrink(tensor(other, CPU), *size)
        assert torch.equal(a, b)
        assert alpha_a is not None
        assert alpha_b is not None
        assert torch.equal(alpha_a, alpha_b)


def test_what_is_visible_keeps_its_colour_and_holes_take_their_neighbours() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[:, 0] = 0.8  # red
    alpha = torch.from_numpy(disc(64, 20))[None, None]
    image = torch.where(alpha > 0, image, torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1))  # hidden green
    filled = fill(image, alpha)
    assert torch.equal(filled[:, :, 32, 32], image[:, :, 32, 32])
    torch.testing.assert_close(filled[0, 0], torch.full((64, 64), 0.8), rtol=0.02, atol=0)
    assert float(filled[0, 1].max()) < 0.01


def test_a_shrunk_disc_has_no_rim() -> None:
    rgba = np.zeros((128, 128, 4), np.float32)
    rgba[..., 3] = disc(128, 40)
    rgba[rgba[..., 3] > 0, :3] = (0.9, 0.6, 0.1)  # hidden pixels are black
    small, _ = shrink(tensor(rgba, CPU), 37, 37)
    np.testing.assert_allclose(small[0].mean((1, 2)).numpy(), [0.9, 0.6, 0.1], atol=0.01)
    assert float(small[0, 0].min()) > 0.88


def test_a_selections_box_gets_some_context_and_stays_inside() -> None:
    mask = np.zeros((400, 500), np.float32)
    assert frame_of(None, 500, 400) == Frame(0, 0, 500, 400)
    assert frame_of(mask, 500, 400) is None
    mask[300:310, 20:60] = 0.5
    assert frame_of(mask, 500, 400) == Frame(0, 300 - CONTEXT, 60 + CONTEXT, 10 + 2 * CONTEXT)


@pytest.mark.parametrize("outside", ["content", "transparent"])
def test_outside_of_the_selection_nothing_is_painted(outside: str) -> None:
    content, painted = layer(60, 80, 1), picture(40, 50, 2).float()
    mask = np.zeros((60, 80), np.float32)
    mask[10:50, 20:70] = disc(50, 20)[:40]
    frame = Frame(20, 10, 50, 40)
    result, untouched = deliver(
        content,
        painted,
        frame,
        mask,
        outside=outside,
        blend=1.0,
        recolour=None,
        wrap=False,
        fetch=FETCH,
    )
    kept = mask == 0
    if outside == "content":
        assert np.array_equal(result[kept], content[kept])
        assert untouched is not None
        assert np.array_equal(untouched, kept)
        assert np.array_equal(result[..., 3], content[..., 3])
        soft = (mask > 0.3) & (mask < 0.7)
        full = painted[0].permute(1, 2, 0).numpy()
        over = np.zeros_like(content[..., :3])
        over[10:50, 20:70] = full
        expected = content[..., :3] + mask[..., None] * (over - content[..., :3])
        np.testing.assert_allclose(result[soft][:, :3], expected[soft], atol=1e-6)
    else:
        assert (result[kept][:, 3] == 0).all()
        np.testing.assert_array_equal(result[..., 3], mask)


def test_blend_goes_from_the_content_to_the_painting() -> None:
    content, painted = layer(30, 40, 1), picture(30, 40, 2).float()
    frame = Frame(0, 0, 40, 30)
    results = [
        deliver(content, painted, frame, None, outside="transparent", blend=b, recolour=None, wrap=False, fetch=FETCH)
        for b in (0.0, 0.5, 1.0)
    ]
    assert np.array_equal(results[0][0], content)
    assert results[0][1] is not None
    assert results[0][1].all()
    np.testing.assert_allclose(results[1][0], (results[0][0] + results[2][0]) / 2, atol=1e-6)


def test_keeping_colours_keeps_the_chroma_and_takes_the_luma() -> None:
    content, painted = picture(32, 32, 1) * 0.4 + 0.3, picture(32, 32, 2) * 0.2 + 0.4
    result = color_transfer.with_luma(content, painted)
    torch.testing.assert_close(color_transfer.luma(result), color_transfer.luma(painted))
    torch.testing.assert_close(result - color_transfer.luma(result), content - color_transfer.luma(content))


def test_matched_colours_have_the_contents_mean_and_covariance() -> None:
    style, content = picture(40, 40, 1) * 0.3 + 0.35, picture(50, 30, 2) * 0.3 + 0.3
    matched = color_transfer.match(style, None, content, None)
    for got, wanted in zip(color_transfer.moments(matched, None), color_transfer.moments(content, None), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0.02, atol=2e-4)


def test_a_flat_style_can_be_matched_too() -> None:
    matched = color_transfer.match(torch.full((1, 3, 20, 20), 0.5), None, picture(20, 20).float(), None)
    assert matched.isfinite().all()


def test_a_finer_scale_starts_with_the_contents_detail() -> None:
    content = picture(96, 128, 1)
    coarse = resize(content, 64, 48)
    torch.testing.assert_close(refine(coarse, coarse, content), content)


def test_wrapped_resampling_has_no_seam() -> None:
    image = picture(32, 48)
    rolled = resize(image.roll((16, 24), (2, 3)), 96, 64, wrap=True)
    torch.testing.assert_close(rolled, resize(image, 96, 64, wrap=True).roll((32, 48), (2, 3)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("size", "wrap"), [((37, 50), False), ((48, 80), True)])
def test_the_pyramids_backward_is_the_adjoint_of_its_forward(size: tuple[int, int], wrap: bool) -> None:
    pyramid = Pyramid.of(*size, wrap=wrap)
    assert len(pyramid.sizes) > 2
    generator = torch.Generator().manual_seed(0)
    flat, image = torch.randn(pyramid.variables, generator=generator), torch.randn(1, 3, *size, generator=generator)
    torch.testing.assert_close(
        (pyramid.forward(flat) * image).sum(), (flat * pyramid.backward(image)).sum(), rtol=1e-4, atol=1e-3
    )


def test_a_wrapped_pyramid_knows_no_edge() -> None:
    pyramid = Pyramid.of(48, 80, wrap=True)
    coarse = pyramid.sizes[-1]
    flat = torch.randn(pyramid.variables, generator=torch.Generator().manual_seed(0))
    parts = torch.split(flat, [3 * h * w for h, w in pyramid.sizes])
    turned = [
        part.view(1, 3, h, w).roll((h // coarse[0], w // coarse[1]), (2, 3)).flatten()
        for part, (h, w) in zip(parts, pyramid.sizes, strict=True)
    ]
    step = 48 // coarse[0], 80 // coarse[1]
    torch.testing.assert_close(pyramid.forward(torch.cat(turned)), pyramid.forward(flat).roll(step, (2, 3)))


def test_oklab_and_back_is_the_same_colour() -> None:
    image = picture(20, 30).float()
    torch.testing.assert_close(color_transfer.from_oklab(color_transfer.oklab(image)), image, rtol=0, atol=2e-4)
    white = color_transfer.oklab(torch.ones(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(white, torch.tensor([1.0, 0.0, 0.0]), rtol=0, atol=1e-4)


def test_a_palette_moves_colours_to_the_styles_and_keeps_the_paintings_light() -> None:
    content, style, painted = picture(40, 60, 1).float(), 0.3 + 0.2 * picture(30, 30, 2).float(), picture(40, 60, 3)
    palette = color_transfer.Palette.of(content, None, style, None)
    _, covariance = color_transfer.moments(color_transfer.oklab(content), None)
    moved_covariance = palette.matrix @ covariance @ palette.matrix.T
    wanted_mean, wanted = color_transfer.moments(color_transfer.oklab(style), None)
    torch.testing.assert_close(moved_covariance, wanted, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(palette.wanted, wanted_mean)
    painted = (0.3 + 0.4 * painted).float()  # dark and pale colours have no room for what is asked
    result = palette(content, painted)
    torch.testing.assert_close(
        color_transfer.oklab(result)[:, 0], color_transfer.oklab(painted)[:, 0], atol=0.02, rtol=0
    )


@pytest.mark.parametrize("wrap", [False, True])
def test_grain_of_colour_goes_and_light_and_edges_stay(wrap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.full((1, 3, 40, 48), 0.4)
    clean[:, :, :, 24:] = torch.tensor([0.8, 0.6, 0.7]).view(1, 3, 1, 1)
    grain = 0.05 * torch.randn(1, 3, 40, 48, generator=generator)
    grainy = clean + grain - color_transfer.luma(grain)
    even = color_transfer.even(grainy, wrap=wrap)
    lab, before, wanted = (color_transfer.oklab(one) for one in (even, grainy, clean))
    assert float((lab[:, :1] - before[:, :1]).abs().max()) < 0.01
    assert float((lab - wanted)[:, 1:].std()) < 0.3 * float((before - wanted)[:, 1:].std())
    assert float((even - clean)[..., 23:25].abs().mean()) < 0.6 * float((grainy - clean)[..., 23:25].abs().mean())
    if wrap:
        torch.testing.assert_close(
            color_transfer.even(grainy.roll((7, 9), (2, 3)), wrap=True), even.roll((7, 9), (2, 3))
        )
    monkeypatch.setattr(color_transfer, "BAND", 16)
    torch.testing.assert_close(color_transfer.even(grainy, wrap=wrap), even)


def test_a_palettes_colours_do_not_cross_an_edge_of_light() -> None:
    """A red half beside a blue one, under a painting that is dark and bright there: no halo on either side."""
    lightness = torch.cat([torch.full((1, 1, 16, 8), 0.2), torch.full((1, 1, 16, 8), 0.9)], 3)
    colours = torch.cat([torch.full((1, 2, 16, 8), -0.1), torch.full((1, 2, 16, 8), 0.1)], 3)
    noisy = colours + 0.02 * torch.randn(colours.shape, generator=torch.Generator().manual_seed(0))
    smooth = color_transfer.guided(noisy, lightness)
    assert float((color_transfer.guided(colours, lightness) - colours).abs().max()) < 1e-6
    assert float((smooth - colours).std()) < 0.5 * float((noisy - colours).std())
