"""The losses: the published formulas, their derivatives, and the same numbers however an image is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from support.networks import picture, tiny, tiny_with_metric
from vaporbrush_daemon.engine.grams import CHUNK, Grams, raw_gram, style_statistics, whitener
from vaporbrush_daemon.engine.losses import RANGE, Region, Weighting, tap_weights
from vaporbrush_daemon.engine.models import load_weights
from vaporbrush_daemon.engine.network import Network
from vaporbrush_daemon.engine.objective import Canvas, Objective, TextureObjective
from vaporbrush_daemon.engine.phases import Phase
from vaporbrush_daemon.engine.tiles import tiles
from vaporbrush_daemon.engine.vgg19 import TAPS
from vaporbrush_protocol.recipe import STYLE_TAPS

STRENGTH = 30.0
W = dict(zip(STYLE_TAPS, (0.5, 0.25, 0.125, 0.0625, 1.0), strict=True))


def objective(network: Network, content: Tensor, style: Tensor, **options: object) -> TextureObjective:
    canvas = Canvas(network, content, Weighting(STRENGTH, W, tv=0.3), **options)
    return TextureObjective(canvas, [Region(style_statistics(network, style, None))])


def flat(tap: Tensor) -> np.ndarray:
    """F of the paper: (N, M) float64."""
    return tap[0].flatten(1).double().numpy()


@pytest.mark.parametrize("kind", ["plain", "real"])
def test_the_losses_are_the_published_ones_times_the_stated_constants(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Gatys et al. 2016, equations 1, 3 and 4, with F (N, M) as printed and nothing normalised, in NumPy."""
    if kind == "real":
        weights = load_weights("vgg19", request.getfixturevalue("vgg19_file"))
        network = Network(weights, torch.device("cpu"), torch.float64)
    else:
        network = tiny()
    image, content, style = picture(48, 64, 1), picture(48, 64, 2), picture(80, 40, 3)
    losses, _ = objective(network, content, style)(image)
    f, p, s = ({tap: flat(x) for tap, x in network(picture_).items()} for picture_ in (image, content, style))
    style_loss = 0.0
    for tap, w in W.items():
        n, m = f[tap].shape
        area = s[tap].shape[1]
        gram, target = f[tap] @ f[tap].T, s[tap] @ s[tap].T * (m / area)  # the style's sum brought to the image's area
        e = ((gram - target) ** 2).sum() / (4 * n**2 * m**2)
        style_loss += w * 4 * e
    n, m = f["relu4_2"].shape
    content_loss = 0.5 * ((f["relu4_2"] - p["relu4_2"]) ** 2).sum() * 2 / (n * m)
    np.testing.assert_allclose(float(losses.style), STRENGTH * style_loss, rtol=1e-9)
    np.testing.assert_allclose(float(losses.content), content_loss, rtol=1e-9)
    x = image[0].numpy()
    variation = (np.diff(x, axis=1) ** 2).sum() + (np.diff(x, axis=2) ** 2).sum()
    np.testing.assert_allclose(float(losses.variation), 0.3 * variation / (48 * 64), rtol=1e-9)


def test_the_default_weights_are_one_over_n_squared() -> None:
    assert list(tap_weights(None).values()) == pytest.approx([1 / n**2 for n in (64, 128, 256, 512, 512)])
    equal = tap_weights((2, 2, 2, 2, 2))
    assert len(set(equal.values())) == 1
    assert sum(equal.values()) == pytest.approx(sum(tap_weights(None).values()))


def inside(height: int, width: int) -> Tensor:
    """A picture within the range, where the penalty on what is outside has no say."""
    return picture(height, width, 1) * 0.8 + 0.1


def finite_difference(loss: Objective, image: Tensor, direction: Tensor) -> float:
    h = 1e-6
    return float((loss(image + h * direction)[0].total - loss(image - h * direction)[0].total) / (2 * h))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (tiny, {}),
        (tiny, {"pool": "avg"}),
        (tiny, {"wrap": True}),
        (tiny, {"tile": 32}),
        (tiny_with_metric, {}),
    ],
)
def test_the_gradient_is_the_losses_derivative(make, options: dict[str, object]) -> None:
    network = make()
    image = inside(64, 48)
    loss = objective(network, picture(64, 48, 2), picture(48, 64, 3), **options)
    _, gradient = loss(image)
    for seed in range(4):
        direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        expected = finite_difference(loss, image, direction)
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-5)


def test_the_gradient_is_right_with_soft_masks_and_several_regions() -> None:
    network, image = tiny_with_metric(), inside(48, 64)
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).expand(48, 64)
    regions = [
        Region(style_statistics(network, picture(48, 48, 4), None), 0.7, ramp),
        Region(style_statistics(network, picture(48, 48, 5), None), 0.4, 1 - ramp),
    ]
    loss = TextureObjective(Canvas(network, picture(48, 64, 2), Weighting(STRENGTH, W)), regions)
    _, gradient = loss(image)
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float((gradient * direction).sum()) == pytest.approx(finite_difference(loss, image, direction), rel=2e-5)


@pytest.mark.parametrize("make", [tiny, tiny_with_metric])
def test_the_approachs_gradient_is_that_of_the_whitened_loss(make) -> None:
    network, image, style = make(), inside(64, 48), picture(48, 64, 3)
    loss = objective(network, picture(64, 48, 2), style)
    _, published = loss(image)
    loss.aim(Phase(1, STYLE_TAPS[:-1], whitened=True), image)
    reported, gradient = loss(image)
    target = style_statistics(network, style, None)

    def whitened(image: Tensor) -> float:
        """What replaces the style term: V^½ (G − A) V^½ instead of G − A, of four taps."""
        total = loss(image)[0]
        value = float(total.total - total.style)
        grams = style_statistics(network, image, None)
        for tap in STYLE_TAPS[:-1]:
            v, error = whitener(target[tap]), grams[tap] - target[tap]
            value += STRENGTH * W[tap] / network.normaliser(tap) ** 2 * float((v @ error @ v * error).sum())
        return value

    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = 1e-6
    expected = (whitened(image + h * direction) - whitened(image - h * direction)) / (2 * h)
    assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-5)
    loss.aim(Phase(1, STYLE_TAPS), image)
    settled, again = loss(image)
    assert torch.equal(again, published)
    assert 0 < float(reported.style) < float(settled.style)  # the published loss, of four taps of five


def test_whitening_evens_out_a_styles_spectrum_and_weakens_no_direction() -> None:
    target = style_statistics(tiny(), picture(48, 64, 3), None)["relu4_1"]
    values = torch.linalg.eigvalsh(target)
    v = whitener(target)
    evened = torch.linalg.eigvalsh(v @ target)
    seen = values > 0.02 * values[-1]
    assert float((evened[seen].max() / evened[seen].min()).log()) < 0.7 * float((values[-1] / values[seen].min()).log())
    assert float(torch.linalg.eigvalsh(v).min()) == pytest.approx(1.0)
    assert bool(whitener(torch.zeros_like(target)).isfinite().all())  # a black style


@pytest.mark.parametrize("wrap", [False, True])
def test_tiles_give_what_the_whole_gives(wrap: bool) -> None:
    network, height, width = tiny(), 304, 240
    content, style, image = picture(height, width, 1), picture(96, 96, 2), picture(height, width, 3)
    ramp = torch.linspace(0, 1, width, dtype=torch.float64).expand(height, width)
    regions = [Region(style_statistics(network, style, None), 1.0, ramp)]
    whole, cut = (
        TextureObjective(Canvas(network, content, Weighting(STRENGTH, W, tv=0.2), wrap=wrap, tile=tile), regions)
        for tile in (None, 96)
    )
    assert len(cut.tiles) == 4 * 3
    (a, gradient_a), (b, gradient_b) = whole(image), cut(image)
    assert float(a.style) == pytest.approx(float(b.style), rel=1e-10)
    assert float(a.content) == pytest.approx(float(b.content), rel=1e-10)
    torch.testing.assert_close(gradient_b, gradient_a, rtol=1e-8, atol=1e-10 * float(gradient_a.abs().max()))


def test_tiles_of_odd_images_give_what_the_whole_gives() -> None:
    network, (height, width) = tiny(), (209, 263)
    content, style, image = picture(height, width, 1), picture(96, 96, 2), picture(height, width, 3)
    whole, cut = objective(network, content, style), objective(network, content, style, tile=64)
    torch.testing.assert_close(cut(image)[1], whole(image)[1], rtol=1e-8, atol=1e-12)


def test_a_style_in_tiles_has_the_statistics_of_the_whole() -> None:
    network, style = tiny(), picture(209, 263, 2)
    for mask in (None, torch.linspace(0, 1, 263, dtype=torch.float64).expand(209, 263)):
        whole, cut = (style_statistics(network, style, mask, tile=side) for side in (None, 64))
        for tap in STYLE_TAPS:
            torch.testing.assert_close(cut[tap], whole[tap], rtol=1e-10, atol=1e-12)


def test_tiles_cover_every_pixel_once() -> None:
    for width, height, side in ((1000, 700, 256), (257, 100, 128), (64, 64, 512)):
        seen = np.zeros((height, width), int)
        for tile in tiles(width, height, side):
            top, bottom, left, right = tile.inner
            seen[top:bottom, left:right] += 1
            assert tile.outer[0] % 16 == tile.outer[2] % 16 == top % 16 == left % 16 == 0
        assert (seen == 1).all()


def test_values_outside_the_range_are_pulled_back() -> None:
    network, content = tiny(), picture(32, 32)
    loss = TextureObjective(
        Canvas(network, content, Weighting(1.0, W)), [Region(style_statistics(network, content, None))]
    )
    image = content.clone()
    image[0, 0, 3, 3], image[0, 1, 4, 4] = 1.5, -0.25
    losses, gradient = loss(image)
    assert float(losses.range) == pytest.approx(RANGE * (0.5**2 + 0.25**2) / image.numel())
    assert float(gradient[0, 0, 3, 3]) == pytest.approx(RANGE * 2 * 0.5 / image.numel(), rel=1e-3)
    assert float(gradient[0, 1, 4, 4]) == pytest.approx(-RANGE * 2 * 0.25 / image.numel(), rel=1e-3)
    assert float(loss(content)[0].range) == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_a_large_pictures_statistics_count_every_part(weighted: bool) -> None:
    """They are summed in parts of CHUNK numbers; here three, of which the last is not whole."""
    count = CHUNK // 64 * 2 + 1000
    features = torch.linspace(0, 1, count)[:, None] * torch.linspace(1, 2, 64)  # (M, N), of rank one
    weights = torch.linspace(1, 0, count) if weighted else None
    squares = torch.linspace(0, 1, count, dtype=torch.float64).square()
    mass = float((squares if weights is None else squares * weights.double()).sum())
    channels = torch.linspace(1, 2, 64, dtype=torch.float64)
    gram = raw_gram(features, weights, augmented=True)
    torch.testing.assert_close(gram[:64, :64].double(), mass * channels[:, None] * channels, rtol=1e-4, atol=0)
    torch.testing.assert_close(gram[64, 64], torch.tensor(count / (2 if weighted else 1)), rtol=1e-4, atol=0)


def test_style_statistics_do_not_see_hidden_pixels() -> None:
    """A mask that keeps one half gives nearly the Gram matrix of that half alone: only its seam differs."""
    network = tiny()
    half, other = picture(64, 64, 1), picture(64, 64, 2)
    both = torch.cat([half, other], 3)
    mask = torch.cat([torch.ones(64, 64), torch.zeros(64, 64)], 1).double()
    alone, masked, mixed = (
        style_statistics(network, half, None),
        style_statistics(network, both, mask),
        style_statistics(network, both, None),
    )
    for tap in ("relu1_1", "relu2_1"):
        assert distance(masked, alone, tap) < 0.25 * distance(mixed, alone, tap)


def distance(a: Grams, b: Grams, tap: str) -> float:
    return float((a[tap] - b[tap]).norm() / b[tap].norm())


def test_a_metric_gives_the_loss_of_the_mapped_activations() -> None:
    """‖R [s; 1] [s; 1]ᵀ Rᵀ − A‖ computed the long way: map every activation, then take the Gram matrix."""
    network = tiny_with_metric()
    image, style = picture(32, 48, 1), picture(40, 40, 2)
    loss = TextureObjective(Canvas(network, image, Weighting(1.0, W)), [Region(style_statistics(network, style, None))])
    expected = 0.0
    for tap, n in zip(STYLE_TAPS, (64, 128, 256, 512, 512), strict=True):
        grams = []
        for x in (image, style):
            f = flat(network(x)[tap])
            mapped = network.metrics[tap].numpy() @ np.vstack([f, np.ones_like(f[:1])])
            grams.append(mapped @ mapped.T / f.shape[1])
        expected += W[tap] * ((grams[0] - grams[1]) ** 2).sum() / n**2
    assert float(loss(image)[0].style) == pytest.approx(expected, rel=1e-9)


def test_taps_are_in_the_order_of_depth() -> None:
    assert TAPS == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")
