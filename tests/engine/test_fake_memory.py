"""What a painting holds on a GPU, counted tensor by tensor on a fake one, and what the planner says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from support.fake_device import FakeDevice
from vaporbrush_daemon.engine.convert import shapes
from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_daemon.plan import BASE_BYTES, WAYS, Scale, Speed, memory_of
from vaporbrush_protocol.recipe import Image, Recipe, Style

DEVICE = "cuda:0"
SIDE = 896  # pixels: large enough for the weights' 60 MB to count little, and for tiles of 256 to save
WEIGHTS_BYTES = 64_000_000  # of VGG19 in bf16 with the turned kernels, and the style's matrices
ROOMY = 1.5  # the planner may say so many times what is counted: else jobs are refused that would fit


class Silent:
    """A caller who wants nothing."""

    def report(self, *_: object) -> None:
        """Not looked at."""

    def wanted(self) -> str:
        return "go"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG19's shapes."""
    file = tmp_path_factory.mktemp("models") / "vgg19.safetensors"
    save_file({name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes()}, file)
    return file


def counted(weights: Path, folder: Path, side: int, memory: int | None) -> tuple[int, str, str]:
    """Bytes at most besides the weights, where that was, and the plan."""
    (folder / "styles").touch(exist_ok=True)  # fake style targets cannot be saved
    painter = Painter(DEVICE, {"vgg19": weights}, folder, clock=lambda: 0.0)
    painter.models.weights("vgg19")
    painter.speeds.known["vgg19"] = Speed("bf16", 0.01, 0.003, measured=True, device=DEVICE)
    content = np.ones((side, side, 4), np.float32)
    recipe = Recipe(
        Image("", side, side),
        (Style(Image("", 64, 64)),),
        start_image=Image("", side, side, "RGB", "f32"),  # so that there is one scale only
        size="full",
        steps=3,
        model="vgg19",
        style_scale=0.1,
    )
    fake = FakeDevice(DEVICE)
    with fake.running(counting_memory=True):
        pictures = Pictures(content, [content[:64, :64].copy()], start=content[..., :3].copy())
        result = painter.paint(recipe, pictures, Silent(), memory=memory)
    return fake.memory.peak - WEIGHTS_BYTES, fake.memory.where, result.facts["plan"]


@pytest.mark.parametrize("way", [way for way in WAYS if way[0] in (None, 256)])
def test_the_planner_has_room_for_what_a_painting_holds_and_not_much_more(
    way: tuple[int | None, int, bool], weights: Path, tmp_path: Path
) -> None:
    tile, history, host = way
    planned = memory_of(Scale(SIDE, SIDE, 1), "bf16", tile, history=history, host=host, device=DEVICE)
    held, where, plan = counted(weights, tmp_path, SIDE, planned)
    assert plan.startswith("untiled" if tile is None else f"tiles of {tile}")
    assert ("in host memory" in plan) == host
    room = planned - BASE_BYTES
    print(f"{plan}: {held / 1e6:.0f} MB held (most of all in {where}), {room / 1e6:.0f} planned")
    assert held <= room <= ROOMY * held


def test_a_pixel_of_an_untiled_painting_costs_less_than_promised(weights: Path, tmp_path: Path) -> None:
    small, large = 512, 768
    peaks = [counted(weights, tmp_path, side, None)[0] for side in (small, large)]
    per_pixel = (peaks[1] - peaks[0]) / (large**2 - small**2)
    print(f"{per_pixel:.0f} bytes per pixel")
    assert per_pixel < 1300
