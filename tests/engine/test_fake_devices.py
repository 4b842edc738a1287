"""Whole paintings on devices that this machine does not have: all on one device, and hardly anything read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import skip
from support.fake_device import FakeDevice
from vaporbrush_daemon import packaged
from vaporbrush_daemon.engine.grams import Grams
from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_daemon.engine.style_cache import StyleCache
from vaporbrush_daemon.plan import Scale, Speed, memory_of, write_speed
from vaporbrush_protocol.recipe import Image, Recipe, Style

DEVICES = ("cuda:0", "xpu:0", "mps")
MODEL = "vgg19-lite"
STEPS = 9

# What may be read from a device, and why. Anything else would make the device wait in the middle of a step.
READS = {
    "inputs.__init__: __bool__": "once: is there anything to paint?",
    "inputs.style: __bool__": "once per style and size: is it transparent anywhere?",
    "inputs.style_digest: to the host": "once per style: its colours after matching name its targets",
    "inputs.areas: __float__": "once per scale and region: its share of the picture",
    "color_transfer.<genexpr>: to the host": "once per style: two matrices of 3×3, decomposed on the processor",
    "color_transfer.of: to the host": "once, for the palette: two matrices of 3×3, decomposed on the processor",
    "brushwork.style_bank: item": "once per style and scale, in one transfer: how loud its taps are",
    "brushwork.__init__: __float__": "once per scale and region: the weight of its positions",
    "matching.principal: to the host": "per choice of targets in a large style: its main directions, as some lack qr",
    "compose.shrink: __bool__": "once per scale: is the content transparent anywhere?",
    "grams.total_weight: __float__": "once per scale, region and tap: the weight of its positions",
    "grams.whitener: to the host": "once per scale, region and tap: eigenvectors are found on the processor",
    "reading.converged_after: to the host": "per report: what people are told, and has the loss settled?",
    "losses.of: item": "at the end: the losses",
    "painter._paint: to the host": "at the end: the picture",
    "compose.deliver: to the host": "at the end: the picture",
}
PREVIEW = {"inputs.preview: to the host": "per preview: the picture as it is now"}
KERNELS = {"lbfgs": 350, "adam": 280}  # launched in a step, five taps, nothing tiled; see `make gpu` for what they cost


class MemoryCache(StyleCache):
    """Keeps targets in memory alone: what has no numbers cannot be written to a file."""

    def get(self, key: str, _device: torch.device) -> Grams | None:
        return self.recent.get(key)

    def put(self, key: str, grams: Grams) -> None:
        self.recent[key] = grams


class Silent:
    """A caller that never wants a report after the first step, as the clock below stands still."""

    def report(self, _progress: object, image: Callable[[int], object]) -> None:
        """Not looked at."""

    def wanted(self) -> str:
        return "go"


class Watching(Silent):
    """A caller that looks at every preview."""

    def report(self, _progress: object, image: Callable[[int], object]) -> None:
        image(64)


def pixels(width: int, height: int, *, holes: bool = False) -> np.ndarray:
    """A layer (h, w, 4)."""
    rows = np.linspace(0, 1, height * width * 4, dtype=np.float32).reshape(height, width, 4)
    rows[..., 3] = 0.0 if holes else 1.0
    rows[: height // 2, :, 3] = 1.0
    return rows


def paint(
    fake: FakeDevice,
    folder: Path,
    *,
    control: Silent,
    memory: int | None = None,
    model: str = MODEL,
    weights: Path,
    enlarged: int = 1,
    **fields,
):
    """Paint 128×96 pixels on a fake device; the clock stands still, so that only first and last steps report."""
    inputs = {name: fields.pop(name, None) for name in ("mask", "start")}
    holes, styles, style_masks = fields.pop("holes", False), fields.pop("styles", 1), fields.pop("style_masks", ())
    painter = Painter(fake.name, {model: weights}, folder, clock=lambda: 0.0)
    painter.styles = MemoryCache(folder)
    write_speed(folder, fake.name, model, Speed(fields.pop("precision", "bf16"), 0.01, 0.001, measured=True))
    painter.models.weights(model)
    width, height = 128 * enlarged, 96 * enlarged
    content = pixels(width, height, holes=holes)
    gray = Image("", width, height, "GRAY")
    recipe = Recipe(
        Image("", width, height),
        tuple(Style(Image("", 90, 80), mask=gray if style_masks else None) for _ in range(styles)),
        mask=gray if inputs["mask"] is not None else None,
        model=model,
        **({"size": "full", "steps": STEPS} | fields),
    )
    pictures = Pictures(
        content, [pixels(90, 80)] * styles, inputs["mask"], style_masks or [None] * styles, inputs["start"]
    )
    with fake.running():
        return painter.paint(recipe, pictures, control, memory=memory)


LITE = packaged.models() / "vgg19-lite.safetensors"
HALF = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (96, 1))
CASES = {
    "plain": {},
    "fp32": {"precision": "fp32"},
    "selection": {"mask": HALF},
    "transparent": {"holes": True},
    "two styles": {"styles": 2},
    "regions": {"styles": 2, "style_masks": (HALF, 1 - HALF)},
    "luma": {"color": "luma"},
    "matched colours": {"color": "match"},
    "tileable": {"tileable": True, "tv": 10.0},
    "from noise": {"start": None, "strength": 1000.0},
    "going on": {"start": np.full((48, 64, 3), 0.5, np.float32)},
    "Adam": {"optimizer": "adam"},
    "brushwork": {"look": "brushwork"},
    "brushwork in regions": {"look": "brushwork", "styles": 2, "style_masks": (HALF, 1 - HALF)},
    "brushwork of two styles": {"look": "brushwork", "styles": 2, "turns": True},
    "lines and palette": {"lines": 0.5, "color": "palette"},
    "own weights, average pooling": {"layer_weights": (1.0, 1.0, 0.5, 0.5, 0.2), "pool": "avg"},
}


@pytest.mark.parametrize(
    ("device", "case"), [*((d, c) for d in ("cuda:0", "mps") for c in CASES), ("xpu:0", "plain"), ("xpu:0", "regions")]
)
def test_everything_of_a_painting_is_on_its_device_and_nothing_waits_in_a_step(
    device: str, case: str, tmp_path: Path
) -> None:
    fake = FakeDevice(device)
    result = paint(fake, tmp_path, control=Silent(), weights=LITE, **CASES[case])
    assert result.facts["device"] == device
    assert result.pixels.shape == (96, 128, 4)
    assert result.facts["steps_done"] == STEPS
    unexpected = set(fake.reads) - set(READS)
    assert not unexpected, f"{case} reads back from {device}: {sorted(unexpected)}"


@pytest.mark.parametrize("device", DEVICES)
def test_the_full_model_paints_on_every_kind_of_device(device: str, tmp_path: Path, shared: Path) -> None:
    fake = FakeDevice(device)
    weights = shared / "weights" / "vgg19_features.pth"
    if not weights.is_file():
        skip(f"VGG19's weights are not at {weights}.")
    paint(fake, tmp_path, control=Silent(), weights=weights, model="vgg19")
    assert set(fake.reads) <= set(READS)


@pytest.mark.parametrize("case", ["plain", "regions", "tileable", "Adam", "brushwork", "lines and palette"])
def test_more_steps_read_nothing_more_and_send_nothing_more(case: str, tmp_path: Path) -> None:
    """The clock stands still, so both report at the first and the last step of each scale."""
    traffic = []
    for steps in (12, 18):
        fake = FakeDevice("cuda:0")
        paint(fake, tmp_path, control=Silent(), weights=LITE, **CASES[case], steps=steps)
        traffic.append((fake.reads, fake.uploads))
    assert traffic[0] == traffic[1]


def test_a_fake_device_notices_a_wrong_device_a_read_and_an_upload() -> None:
    fake = FakeDevice("cuda:0")
    with fake.running():
        there, here = torch.ones(3, device="cuda:0"), torch.ones(3)
        with pytest.raises(RuntimeError, match="on the same device"):
            _ = there + here
        assert not fake.reads
        assert float(there.sum()) > 0
        assert bool((there > 0).all())
        assert there.cpu().numpy().shape == (3,)
        assert float(here.sum()) > 0  # not from the device
        assert fake.reads.total() == 3
        here.to("cuda:0")
        assert fake.uploads.total() == 1


@pytest.mark.parametrize("optimizer", KERNELS)
def test_a_step_launches_no_more_kernels_than_it_did(optimizer: str, tmp_path: Path) -> None:
    counts = []
    for steps in (30, 50):
        fake = FakeDevice("cuda:0")
        paint(fake, tmp_path, control=Silent(), weights=LITE, optimizer=optimizer, steps=steps)
        counts.append(fake.launches)
    more = counts[1] - counts[0]
    per_step = more.total() / 20
    print(f"{optimizer}: {per_step:.0f} kernels per step, most of all {more.most_common(6)}")
    assert per_step <= KERNELS[optimizer]


@pytest.mark.parametrize("device", DEVICES)
def test_a_preview_is_one_read(device: str, tmp_path: Path) -> None:
    fake = FakeDevice(device)
    paint(fake, tmp_path, control=Watching(), weights=LITE, mask=HALF)
    assert set(fake.reads) <= set(READS) | set(PREVIEW)
    assert fake.reads["inputs.preview: to the host"] <= fake.reads["reading.converged_after: to the host"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("host", "plan"), [(False, "tiles of 256, bf16"), (True, "in host memory")])
def test_tiles_stay_on_the_device_while_the_image_may_live_in_main_memory(
    device: str, host: bool, plan: str, tmp_path: Path
) -> None:
    fake = FakeDevice(device)
    memory = memory_of(Scale(6 * 128, 6 * 96, 1), "bf16", 256, history=3, host=host, device=device)
    result = paint(fake, tmp_path, control=Silent(), weights=LITE, memory=memory, enlarged=6, steps=6)
    assert plan in result.facts["plan"]
    tiled = {"objective", "losses", "network", "grams", "tiles"}
    unexpected = {place for place in fake.reads if place not in READS and place.partition(".")[0] not in tiled}
    assert not unexpected
