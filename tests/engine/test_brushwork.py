"""The look `brushwork`: its derivative, the same numbers however an image is cut, and what is matched with what."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from support.networks import picture, tiny, tiny_with_metric
from vaporbrush_daemon.engine.brushwork import BrushworkLoss, passes, style_bank
from vaporbrush_daemon.engine.hypercolumns import BRUSH_TAPS, gather, grid_of, scatter
from vaporbrush_daemon.engine.losses import Weighting, tap_weights
from vaporbrush_daemon.engine.matching import Match, Search, principal, shared_out
from vaporbrush_daemon.engine.network import Network
from vaporbrush_daemon.engine.objective import BrushworkObjective, Canvas
from vaporbrush_daemon.engine.phases import Phase, brush_phases_of, content_share
from vaporbrush_daemon.engine.tiles import tiles
from vaporbrush_daemon.engine.vgg19 import CONVS

JOINT, SPLIT = Phase(1, (), of_content=0.4), Phase(1, (), split=True)
STRENGTH = 30.0


def objective(
    network: Network, content: Tensor, phase: Phase, image: Tensor, *, masks: bool = False, **options: object
) -> BrushworkObjective:
    """Aimed, with two styles of different weight in one region, or each in its own."""
    size = content.shape[2], content.shape[3]
    banks = [style_bank(network, picture(48, 60, seed), None) for seed in (11, 12)]
    ramp = torch.linspace(0, 1, size[1], dtype=torch.float64).expand(size)
    regions = (
        [
            BrushworkLoss([bank], [1.0], STRENGTH / 2, mask, size)
            for bank, mask in zip(banks, (ramp, 1 - ramp), strict=True)
        ]
        if masks
        else [BrushworkLoss(banks, [1.0, 2.0], STRENGTH, None, size)]
    )
    made = BrushworkObjective(
        Canvas(network, content, Weighting(STRENGTH, tap_weights(None)), **options),
        regions,
    )
    made.aim(phase, image)
    return made


@pytest.mark.parametrize("name", ["relu1_1", "relu2_1", "relu3_1", "relu4_1"])
@pytest.mark.parametrize(
    ("size", "wrap"), [((48, 64), False), ((48, 64), True), ((45, 63), False), ((33, 70), False), ((50, 47), False)]
)
def test_what_is_gathered_from_a_tap_is_scattered_back_by_the_adjoint(
    size: tuple[int, int], name: str, wrap: bool
) -> None:
    stride = CONVS[name].stride
    tap = picture(size[0] // stride, size[1] // stride).contiguous(memory_format=torch.channels_last).requires_grad_()
    on_grid = gather(tap, name, grid_of(*size), wrap=wrap)
    assert on_grid.shape[2:] == grid_of(*size)
    gradient = torch.randn(on_grid.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (expected,) = torch.autograd.grad((on_grid * gradient).sum(), tap)
    torch.testing.assert_close(scatter(gradient, tap.detach(), name, wrap=wrap), expected)


def test_every_pixel_of_a_finer_tap_counts() -> None:
    """Kolkin et al. sample one in four, between which grain may hide."""
    tap = torch.ones(1, 2, 45, 63, dtype=torch.float64)
    spread = scatter(torch.ones(1, 2, 12, 16, dtype=torch.float64), tap, "relu1_1", wrap=False)
    assert float(spread.min()) > 0


@pytest.mark.parametrize("phase", [JOINT, SPLIT])
@pytest.mark.parametrize(
    ("make", "size", "options"),
    [
        (tiny, (64, 48), {}),
        (tiny, (45, 63), {}),
        (tiny, (64, 48), {"pool": "avg"}),
        (tiny, (64, 48), {"wrap": True}),
        (tiny, (64, 48), {"masks": True}),
        (tiny, (64, 48), {"tile": 32}),
        (tiny_with_metric, (64, 48), {}),
    ],
)
def test_the_gradient_is_the_losses_derivative(make, phase: Phase, size: tuple[int, int], options) -> None:
    image = picture(*size, 1) * 0.8 + 0.1
    loss = objective(make(), picture(*size, 2), phase, image, **options)
    _, gradient = loss(image)
    for seed in range(3):
        direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        h = 1e-6
        difference = loss(image + h * direction)[0].total - loss(image - h * direction)[0].total
        assert float((gradient * direction).sum()) == pytest.approx(float(difference) / (2 * h), rel=2e-5)


def test_the_gradient_is_autograds() -> None:
    """Of the loss as the paper writes it, from hypercolumns that are really put side by side."""
    network, image = tiny(), picture(48, 64, 1)
    loss = objective(network, picture(48, 64, 2), JOINT, image)
    region = loss.styles[0]
    place = region.targets[0].index.flatten()

    def joined(taps: dict[str, Tensor]) -> Tensor:
        grid = grid_of(48, 64)
        parts = [gather(taps[tap], tap, grid, wrap=False)[0].flatten(1).T * region.scales[tap] for tap in BRUSH_TAPS]
        return torch.cat(parts, 1)

    variable = image.clone().requires_grad_()
    phi = joined(network_with_autograd(network, variable))
    t = torch.cat([region.columns[tap][place] * region.scales[tap] for tap in BRUSH_TAPS], 1)
    cosine = torch.nn.functional.cosine_similarity(phi, t)
    stretch = phi.norm(dim=1) / t.norm(dim=1) - 1
    whole = 4e5 * STRENGTH * (1 - cosine + 0.1 * stretch.square()).mean()
    (expected,) = torch.autograd.grad(whole, variable)
    assert float(loss(image)[0].style) == pytest.approx(float(whole.detach()), rel=1e-9)
    free = BrushworkObjective(
        Canvas(network, image, Weighting(0.0, tap_weights(None))), loss.styles
    )  # no content error
    torch.testing.assert_close(free(image)[1], expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))


def network_with_autograd(network: Network, image: Tensor) -> dict[str, Tensor]:
    x, taps = (image - network.mean) / network.std, {}
    previous = 1
    for name, conv in CONVS.items():
        if conv.stride > previous:
            x, previous = torch.nn.functional.max_pool2d(x, 2), conv.stride
        x = torch.relu(torch.nn.functional.conv2d(x, *network.convs[conv.index], padding=1))
        taps[name] = x
        if name == BRUSH_TAPS[-1]:
            break
    return taps


@pytest.mark.parametrize("phase", [JOINT, SPLIT])
@pytest.mark.parametrize(("size", "options"), [((304, 240), {}), ((304, 240), {"wrap": True}), ((209, 263), {})])
def test_tiles_give_what_the_whole_gives(phase: Phase, size: tuple[int, int], options: dict[str, object]) -> None:
    """Targets are chosen and met per position, so tiles need nothing of each other."""
    network, content, image = tiny(), picture(*size, 2), picture(*size, 3)
    whole = objective(network, content, phase, image, masks=True, **options)
    cut = objective(network, content, phase, image, masks=True, tile=96, **options)
    assert len(cut.tiles) > 4
    for a, b in zip(whole.styles, cut.styles, strict=True):
        for one, other in zip(a.targets, b.targets, strict=True):
            assert torch.equal(one.index, other.index)
    (a, gradient_a), (b, gradient_b) = whole(image), cut(image)
    assert float(b.style) == pytest.approx(float(a.style), rel=1e-10)
    torch.testing.assert_close(gradient_b, gradient_a, rtol=1e-8, atol=1e-10 * float(gradient_a.abs().max()))


def test_a_picture_that_is_the_style_is_painted_by_itself() -> None:
    network, style = tiny(), picture(48, 64, 5)
    region = BrushworkLoss([style_bank(network, style, None)], [1.0], 1.0, None, (48, 64))
    whole = tiles(64, 48, None)
    region.match(lambda: passes(network, style, whole), split=False)
    assert torch.equal(region.targets[0].index.flatten(), torch.arange(12 * 16))
    [(t, features)] = passes(network, style, whole)
    assert float(region.loss(t, features)[0]) < 1e-6


def test_a_turned_picture_is_painted_by_the_turned_style() -> None:
    network, style = tiny(), picture(64, 64, 5)
    turned = torch.rot90(style, 1, (2, 3))
    straight, free = (style_bank(network, style, None, quarters=count) for count in (1, 4))
    assert len(free.columns["relu1_1"]) == 4 * len(straight.columns["relu1_1"])
    found = []
    for bank in (straight, free):
        region = BrushworkLoss([bank], [1.0], 1.0, None, (64, 64))
        region.match(lambda: passes(network, turned, tiles(64, 64, None)), split=False)
        [(t, features)] = passes(network, turned, tiles(64, 64, None))
        found.append(float(region.loss(t, features)[0]))
    assert found[1] < 1e-6 < found[0]


def test_hidden_parts_of_a_style_paint_nothing() -> None:
    network = tiny()
    alpha = torch.cat([torch.ones(64, 32), torch.zeros(64, 32)], 1).double()
    bank = style_bank(network, picture(64, 64, 1), alpha)
    assert len(bank.columns["relu4_2"]) == 16 * 8
    assert len(style_bank(network, picture(64, 64, 1), 0 * alpha).columns["relu4_2"]) == 16 * 16


def test_a_search_in_main_directions_finds_neighbours_as_near() -> None:
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(40, 400, generator=generator)
    candidates, queries = (torch.randn(n, 40, generator=generator) @ mixing for n in (500, 300))
    exact, reduced = (Search(candidates, 300, exact=limit) for limit in (2**40, 0))
    assert exact.axes is None
    assert reduced.axes is not None
    mean = queries.mean(0)
    a, b = exact(queries, mean), reduced(queries, mean)
    assert float((a.index == b.index).float().mean()) > 0.99
    torch.testing.assert_close(principal(candidates, 30), principal(candidates, 30), rtol=0, atol=0)


def test_styles_share_a_picture_out_by_weight_where_each_fits_best() -> None:
    fits = torch.linspace(0, 1, 1000)
    matches = [Match(torch.zeros(1000).long(), fits), Match(torch.zeros(1000).long(), 1 - fits)]
    owner = shared_out(matches, (1.0, 3.0))
    assert float((owner == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert bool((owner[-200:] == 0).all())  # where the first fits best
    assert bool((shared_out(matches, (0.0, 1.0)) == 1).all())


def test_a_scale_matches_once_and_the_finest_is_finished_tap_by_tap() -> None:
    assert brush_phases_of(60, 100.0, finest=False, first=True) == (Phase(60, (), settling=True, of_content=1.0),)
    matched, first, second = brush_phases_of(41, 100.0, finest=True, first=False)
    assert matched.steps + first.steps + second.steps == 41
    assert [phase.split for phase in (matched, first, second)] == [False, True, True]
    assert [phase.settling for phase in (matched, first, second)] == [False, False, True]
    assert brush_phases_of(0, 100.0, finest=True, first=True) == ()


def test_a_higher_strength_leaves_less_of_the_content_to_be_matched() -> None:
    shares = [content_share(strength) for strength in (1, 10, 100, 1000, 10000)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[2] < shares[0] < 1
