"""The painter as its caller sees it: pictures in, a painting out, and a sentence for whatever cannot be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from safetensors.torch import save_file

from support.networks import layer
from vaporbrush_daemon import packaged
from vaporbrush_daemon.engine.convolution import PlainConvolution, fastest
from vaporbrush_daemon.engine.painter import Painter, Painting, Pictures
from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_daemon.plan import Speed, write_speed
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style


class Watching:
    """A caller that keeps what it is told, and may want something else from some step on."""

    def __init__(self, wanted: str = "go", after: int = 0) -> None:
        self.seen: list[Progress] = []
        self.images: list[tuple[bytes, int, int]] = []
        self.word, self.after, self.asked, self.said = wanted, after, 0, 0

    def report(self, progress: Progress, image: Callable[[int], tuple[bytes, int, int]]) -> None:
        self.seen.append(progress)
        self.images.append(image(48))

    def wanted(self) -> str:
        self.asked += 1
        if (self.seen[-1].step if self.seen else 0) < self.after:
            return "go"
        self.said += 1
        return self.word


def recipe_of(content: Floats, *styles: Floats, weights: tuple[float, ...] = (), **fields: object) -> Recipe:
    entries = tuple(
        Style(Image("", s.shape[1], s.shape[0]), weight=weights[i] if weights else 1.0) for i, s in enumerate(styles)
    )
    fields = {"model": "tiny", "size": "full", "steps": 6} | fields
    return Recipe(Image("", content.shape[1], content.shape[0]), entries, **fields)


@pytest.fixture
def painter(tiny_file: Path, tmp_path: Path) -> Painter:
    return Painter("cpu", {"tiny": tiny_file}, tmp_path)


def paint(
    painter: Painter, content: Floats, *styles: Floats, control: Watching | None = None, **fields: object
) -> Painting:
    """Paint with everything else as it comes; mask, style masks and start are taken out of `fields`."""
    mask, style_masks, start = (fields.pop(name, None) for name in ("mask", "style_masks", "start"))
    recipe = recipe_of(content, *styles, **fields)
    if start is not None:
        recipe = replace(recipe, start_image=Image("", start.shape[1], start.shape[0], "RGB", "f32"))
    pictures = Pictures(content, styles, mask, style_masks or (), start)
    return painter.paint(recipe, pictures, control or Watching())


@pytest.mark.parametrize(
    ("content", "style"), [((40, 40), (40, 40)), ((33, 87), (120, 19)), ((150, 60), (17, 23)), ((16, 16), (64, 300))]
)
def test_any_two_sizes_and_aspects_give_a_painting_of_the_contents_size(
    painter: Painter, content: tuple[int, int], style: tuple[int, int]
) -> None:
    result = paint(painter, layer(*content), layer(*style, seed=1))
    assert result.pixels.shape == (*content, 4)
    assert np.isfinite(result.pixels).all()
    assert result.pixels.min() >= 0
    assert result.pixels.max() <= 1


def test_the_same_recipe_paints_the_same_bits(painter: Painter) -> None:
    content, style = layer(50, 70), layer(60, 40, 1)
    first, second = paint(painter, content, style, seed=3), paint(painter, content, style, seed=3)
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.canvas.tobytes() == second.canvas.tobytes()


@pytest.mark.parametrize("tileable", [False, True])
def test_noise_has_no_grain_that_would_stay_to_the_end(painter: Painter, tileable: bool) -> None:
    """The network hardly sees what changes from pixel to pixel."""
    content, style = layer(64, 64), layer(40, 40, 1)
    recipe = recipe_of(content, style, start="noise", steps=1, tileable=tileable)
    begun = painter.paint(recipe, Pictures(content, [style]), Watching()).canvas
    beside = np.abs(np.diff(begun, axis=1))
    assert begun.std() > 0.08
    assert beside.mean() < 0.5 * begun.std()
    if tileable:
        assert np.abs(begun[:, 0] - begun[:, -1]).mean() < 1.5 * beside[:, 3::4].mean()  # as steep as between blots


def test_noise_depends_on_the_seed_and_on_nothing_else(painter: Painter) -> None:
    content, style = layer(40, 40), layer(40, 40, 1)
    a, b, c = (paint(painter, content, style, start=None, seed=seed, steps=3) for seed in (1, 1, 2))
    assert np.array_equal(a.canvas, c.canvas)  # from the content, the seed says nothing
    a, b, c = (
        painter.paint(
            recipe_of(content, style, seed=seed, steps=3, start="noise"),
            Pictures(content, [style]),
            Watching(),
        )
        for seed in (1, 1, 2)
    )
    assert np.array_equal(a.canvas, b.canvas)
    assert not np.allclose(a.canvas, c.canvas, atol=0.05)


def test_a_style_of_weight_zero_says_nothing_and_equal_styles_are_one(painter: Painter) -> None:
    content, one, other = layer(48, 48), layer(40, 40, 1), layer(40, 40, 2)
    alone = paint(painter, content, one)
    assert np.array_equal(paint(painter, content, one, other, weights=(2.0, 0.0)).canvas, alone.canvas)
    assert np.array_equal(paint(painter, content, one, one).canvas, alone.canvas)
    # a sixth and five sixths are rounded, which changes single pixels, the more the fewer digits the convolutions have
    uneven = paint(painter, content, one, one, weights=(1.0, 5.0)).canvas
    assert np.abs(uneven - alone.canvas).mean() < 1e-3
    assert not np.allclose(paint(painter, content, one, other).canvas, alone.canvas, atol=1e-3)


def test_cancelling_ends_the_job_before_its_next_step(painter: Painter) -> None:
    control = Watching("cancel", after=3)
    with pytest.raises(VaporbrushError, match="The job was cancelled") as told:
        paint(painter, layer(40, 40), layer(40, 40, 1), control=control, steps=500)
    assert told.value.code == "cancelled"
    assert control.said == 1, "it is asked before every step, and no step came after the answer"


def test_finishing_early_keeps_what_there_is_at_full_size(painter: Painter) -> None:
    control = Watching("finish", after=2)
    result = paint(painter, layer(200, 260), layer(40, 40, 1), control=control, steps=300)
    assert result.facts["stopped"] == "finish"
    assert 0 < result.facts["steps_done"] < 300
    assert result.canvas.shape == (200, 260, 3)
    assert not np.allclose(result.canvas, layer(200, 260)[..., :3], atol=0.02)


def test_progress_counts_up_to_all_steps_and_tells_the_losses(painter: Painter) -> None:
    control = Watching()
    paint(painter, layer(200, 260), layer(40, 40, 1), control=control, steps=40)
    phases = [p.phase for p in control.seen]
    assert phases[-1] == "finishing"
    painting = [p for p in control.seen if p.phase == "painting"]
    assert [p.step for p in painting] == sorted({p.step for p in painting})
    assert painting[-1].step == painting[-1].steps == 40
    assert painting[-1].scale == painting[-1].scales == 2
    assert (painting[-1].width, painting[-1].height) == (260, 200)
    last = painting[-1]
    assert last.loss is not None
    assert last.content_loss is not None
    assert last.style_loss is not None
    assert last.loss >= last.content_loss + last.style_loss > 0
    assert all(p.eta_s is not None and p.eta_s >= 0 for p in painting)
    for p in control.seen:
        assert Progress.from_wire(p.to_wire()) == p
    data, width, height = control.images[control.seen.index(last)]
    assert (width, height) == (48, 37)
    assert len(data) == 48 * 37 * 3


def test_no_steps_give_the_content_back(painter: Painter) -> None:
    content = layer(50, 60)
    np.testing.assert_allclose(paint(painter, content, layer(40, 40, 1), steps=0).pixels, content, atol=1e-6)


def test_a_style_that_is_too_small_is_reported_with_its_number(painter: Painter) -> None:
    with pytest.raises(VaporbrushError, match="Style 2 is 15×40 pixels, but each side needs at least 16") as told:
        paint(painter, layer(40, 40), layer(40, 40, 1), layer(40, 15, 2))
    assert told.value.code == "too_small"


@pytest.mark.parametrize("what", ["mask", "content", "style"])
def test_nothing_to_paint_or_to_learn_from_is_reported(painter: Painter, what: str) -> None:
    content, style = layer(40, 40), layer(40, 40, 1)
    mask = np.zeros((40, 40), np.float32) if what == "mask" else None
    if what == "content":
        content[..., 3] = 0
    if what == "style":
        style[..., 3] = 0
    with pytest.raises(VaporbrushError, match=r"selects nothing|wholly transparent") as told:
        paint(painter, content, style, mask=mask)
    assert told.value.code == "bad_field"


def altered(tiny_file: Path, folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Painter:
    """A painter whose network was tampered with."""
    from safetensors.torch import load_file

    tensors = load_file(tiny_file)
    change(tensors)
    save_file(tensors, folder / "altered.safetensors")
    return Painter("cpu", {"tiny": folder / "altered.safetensors"}, folder)


def test_a_loss_that_is_not_a_number_is_reported(tiny_file: Path, tmp_path: Path) -> None:
    def overflow(tensors: dict[str, torch.Tensor]) -> None:
        tensors["features.0.weight"] *= 1e30

    with pytest.raises(VaporbrushError, match=r"The loss became .* lower the strength") as told:
        paint(altered(tiny_file, tmp_path, overflow), layer(40, 40), layer(40, 40, 1))
    assert told.value.code == "diverged"


def test_a_loss_that_stays_flat_is_reported(tiny_file: Path, tmp_path: Path) -> None:
    """conv1_1 only fires for bright pixels: a black content gets no gradient at all."""

    def deaf(tensors: dict[str, torch.Tensor]) -> None:
        tensors["features.0.weight"] = tensors["features.0.weight"].abs()
        tensors["features.0.bias"] = torch.full_like(tensors["features.0.bias"], -0.01)

    content, style = np.zeros((40, 40, 4), np.float32), np.ones((40, 40, 4), np.float32)
    content[..., 3] = 1
    style[:20, :, :3] = 0  # black is one of its colours too, so that those ask for nothing
    with pytest.raises(VaporbrushError, match=r"The loss stayed at .* over .* steps") as told:
        paint(altered(tiny_file, tmp_path, deaf), content, style, steps=30)
    assert told.value.code == "diverged"


def test_a_weak_strength_keeps_the_content_and_a_strong_one_gives_it_up(tmp_path: Path) -> None:
    art, file = packaged.art(), packaged.models() / "vgg19-lite.safetensors"
    content, style = (
        np.asarray(Picture.open(path).convert("RGBA").resize((128, 96)), np.float32) / 255
        for path in (art / "demo" / "content.jpg", art / "styles" / "impasto.jpg")
    )
    painter = Painter("cpu", {"vgg19-lite": file}, tmp_path)
    kept = {
        strength: paint(painter, content, style, model="vgg19-lite", steps=60, strength=strength).facts["losses"]
        for strength in (10.0, 300.0)
    }
    # 0.58; by the whitened loss at either strength it would be 0.71
    assert kept[10.0]["content"] < 0.65 * kept[300.0]["content"]


def test_running_out_of_memory_is_one_error_whoever_says_it(painter: Painter) -> None:
    class Greedy(Watching):
        def wanted(self) -> str:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
            )

    with pytest.raises(VaporbrushError) as told:
        paint(painter, layer(40, 40), layer(40, 40, 1), control=Greedy())
    assert told.value.code == "out_of_memory"


def test_a_selection_leaves_the_rest_alone_to_the_bit(painter: Painter) -> None:
    content, style = layer(200, 240), layer(40, 40, 1)
    mask = np.zeros((200, 240), np.float32)
    mask[40:80, 30:90] = 1
    mask[80:90, 30:90] = np.linspace(1, 0, 10)[:, None]
    result = paint(painter, content, style, mask=mask, outside="content")
    assert np.array_equal(result.pixels[mask == 0], content[mask == 0])
    assert not np.allclose(result.pixels[mask == 1], content[mask == 1], atol=0.01)
    assert result.canvas.shape[:2] == (89 + 64, 90 + 64)  # its box and 64 pixels of context, cut at two edges
    control = Watching()
    clear = paint(painter, content, style, mask=mask, outside="transparent", control=control)
    assert np.array_equal(clear.pixels[..., 3], mask)


def test_colours_that_a_style_hides_do_not_matter(painter: Painter) -> None:
    content, style = layer(60, 60), layer(60, 60, 1)
    style[:, :30, 3] = 0
    other = style.copy()
    other[:, :30, :3] = (1, 0, 1)
    for fields in ({}, {"color": "match"}, {"color": "luma"}, {"color": "palette"}):
        assert np.array_equal(
            paint(painter, content, style, **fields).canvas, paint(painter, content, other, **fields).canvas
        )


def test_the_result_keeps_the_contents_alpha(painter: Painter) -> None:
    content = layer(60, 50)
    content[..., 3] = np.linspace(0, 1, 50)
    result = paint(painter, content, layer(40, 40, 1))
    assert np.array_equal(result.pixels[..., 3], content[..., 3])


def test_keeping_colours_keeps_the_chroma(painter: Painter) -> None:
    content = layer(64, 64) * np.float32(0.5) + np.float32(0.25)
    content[..., 3] = 1
    pixels = paint(painter, content, layer(40, 40, 1), color="luma").pixels
    difference = pixels[..., :3] - content[..., :3]
    inside = (pixels[..., :3] > 0.001).all(-1) & (pixels[..., :3] < 0.999).all(-1)
    assert inside.mean() > 0.5
    assert np.ptp(difference[inside], axis=1).max() < 1e-4  # every channel moved alike


def test_style_targets_are_kept_and_a_damaged_file_is_computed_again(tiny_file: Path, tmp_path: Path) -> None:
    content, style = layer(50, 50), layer(60, 40, 1)
    first = paint(Painter("cpu", {"tiny": tiny_file}, tmp_path), content, style)
    assert not first.facts["style_targets_cached"]
    again = paint(Painter("cpu", {"tiny": tiny_file}, tmp_path), content, style)
    assert again.facts["style_targets_cached"]
    assert np.array_equal(again.canvas, first.canvas)
    for file in (tmp_path / "styles").glob("*.safetensors"):
        file.write_bytes(b"\0" * 100)
    repaired = paint(Painter("cpu", {"tiny": tiny_file}, tmp_path), content, style)
    assert not repaired.facts["style_targets_cached"]
    assert np.array_equal(repaired.canvas, first.canvas)


def test_other_styles_sizes_and_pools_have_other_targets(painter: Painter) -> None:
    content, style = layer(50, 50), layer(60, 40, 1)
    paint(painter, content, style)
    for other in ({"style_scale": 0.7}, {"pool": "avg"}, {"color": "match"}):
        assert not paint(painter, content, style, **other).facts["style_targets_cached"]
    assert not paint(painter, content, layer(60, 40, 2)).facts["style_targets_cached"]
    assert paint(painter, content, style, strength=5.0).facts["style_targets_cached"]


def test_going_on_continues_from_the_canvas(painter: Painter) -> None:
    content, style = layer(120, 100), layer(60, 60, 1)
    painter.speeds.known["tiny"] = Speed("bf16", measured=True)  # else how busy the machine is decides on the precision
    first = paint(painter, content, style, steps=30)
    control = Watching()
    second = paint(painter, content, style, steps=30, start=first.canvas, control=control)
    begun = next(p.loss for p in control.seen if p.loss is not None)
    assert begun <= 1.1 * first.facts["losses"]["total"]
    assert second.facts["losses"]["total"] < first.facts["losses"]["total"]


def test_an_unknown_model_is_reported(painter: Painter) -> None:
    with pytest.raises(VaporbrushError, match="No model is called 'vgg11'; known are tiny"):
        paint(painter, layer(40, 40), layer(40, 40), model="vgg11")


def test_speed_is_measured_once_and_remembered(tiny_file: Path, tmp_path: Path) -> None:
    phases: list[str] = []
    Painter("cpu", {"tiny": tiny_file}, tmp_path).load("tiny", lambda p: phases.append(p.phase))
    assert phases == ["loading", "measuring"]
    speed = Painter("cpu", {"tiny": tiny_file}, tmp_path).load("tiny", lambda p: phases.append(p.phase))
    assert phases == ["loading", "measuring", "loading"]
    assert speed.measured


def test_two_painters_at_once_do_not_disturb_each_other(tiny_file: Path, tmp_path: Path) -> None:
    content, style = layer(50, 50), layer(60, 40, 1)
    expected = paint(Painter("cpu", {"tiny": tiny_file}, tmp_path), content, style).canvas
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(paint(Painter("cpu", {"tiny": tiny_file}, tmp_path), content, style).canvas)
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(np.allclose(canvas, expected, atol=1e-3) for canvas in found)


def test_a_precision_that_the_processor_only_emulates_is_not_used_even_if_it_was_once(
    tiny_file: Path, tmp_path: Path
) -> None:
    write_speed(tmp_path, "cpu", "tiny", Speed("bf16", 1.0, 0.01, measured=True, device="cpu"))
    emulated = isinstance(fastest(torch.device("cpu"), torch.bfloat16), PlainConvolution)
    speed = Painter("cpu", {"tiny": tiny_file}, tmp_path).load("tiny")
    assert speed.measured
    assert speed.precision == ("fp32" if emulated else "bf16")
