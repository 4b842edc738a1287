"""What travels between device and host while both work on: on stand-ins for a device's streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from support.networks import picture, tiny
from support.stand_in_streams import StandInTransfer
from vaporbrush_daemon import packaged
from vaporbrush_daemon.engine import painter as painters
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.losses import Region, Weighting, tap_weights
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.painter import Painter, Painting, Pictures
from vaporbrush_daemon.engine.transfer import AHEAD, Transfer
from vaporbrush_daemon.plan import Speed, write_speed
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style

LITE = packaged.models() / "vgg19-lite.safetensors"


def test_what_is_fetched_is_there_when_it_is_asked_for_and_not_before() -> None:
    transfer, tensor = StandInTransfer(), torch.ones(3)
    under_way = transfer.fetch(tensor)
    assert under_way._host.tolist() == [0, 0, 0]
    assert under_way.get().tolist() == [1, 1, 1]
    assert not transfer.at_once


def test_where_there_are_no_streams_a_copy_is_made_at_once() -> None:
    transfer, tensor = Transfer(torch.device("cpu")), torch.ones(3)
    assert transfer.at_once
    assert transfer.fetch(tensor).get() is tensor
    assert transfer.send(tensor).get() is tensor
    assert transfer.kept(tensor) is tensor


def test_no_more_than_a_few_steps_are_launched_ahead() -> None:
    """Else a painting of a hundred steps would be launched in a moment, and could not be cancelled."""
    transfer = StandInTransfer()
    for step in range(1, 9):
        transfer.step_launched()
        waited = [event.waited for event in transfer.backend.main.events]
        assert waited == [True] * max(0, step - AHEAD) + [False] * min(step, AHEAD)


class Watcher:
    """A caller that looks at every preview, and notes at which step it was told what."""

    def __init__(self) -> None:
        self.told: list[tuple[int, float | None]] = []
        self.previews: list[bytes] = []

    def report(self, progress: Progress, image) -> None:
        if progress.phase == "painting":
            self.told.append((progress.step, progress.loss))
            self.previews.append(image(32)[0])

    def wanted(self) -> str:
        return "go"


def paint(folder: Path) -> tuple[Painting, Watcher]:
    """The clock stands still: the first and the last step of the one scale report."""
    painter = Painter("cpu", {"vgg19-lite": LITE}, folder, clock=lambda: 0.0)
    write_speed(folder, "cpu", "vgg19-lite", Speed("fp32", 9.0, 0.01, measured=True))
    rgba = torch.cat([picture(64, 64, 1)[0].permute(1, 2, 0).float(), torch.ones(64, 64, 1)], 2).numpy()
    recipe = Recipe(Image("", 64, 64), (Style(Image("", 64, 64)),), model="vgg19-lite", size="full", steps=6, blend=0.9)
    watcher = Watcher()
    return painter.paint(recipe, Pictures(rgba, [rgba[::-1].copy()]), watcher), watcher


def test_a_painting_is_the_same_whose_losses_previews_and_result_come_by_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, at_once = paint(tmp_path)
    transfers: list[StandInTransfer] = []

    def stand_in(_device: torch.device) -> StandInTransfer:
        transfers.append(StandInTransfer())
        return transfers[-1]

    monkeypatch.setattr(painters, "Transfer", stand_in)
    streamed, later = paint(tmp_path)
    assert np.array_equal(streamed.pixels, plain.pixels)
    assert np.array_equal(streamed.canvas, plain.canvas)
    assert [loss for _, loss in later.told] == [loss for _, loss in at_once.told]
    assert [step for step, _ in at_once.told] == [1, 6]
    assert [step for step, _ in later.told] == [2, 6], "the first loss is looked at when the next step is launched"
    assert later.previews[-1] == at_once.previews[-1]
    assert transfers[0].stream.done == transfers[0].stream.given >= 5, "two losses, two previews, the result"


class Host(StandInTransfer):
    """Takes every image to be in the computer's memory, and every network's result to be on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.way: list[str] = []

    def far(self, _tensor):
        return True

    def send(self, tensor):
        self.way.append("sent")
        return super().send(tensor)

    def used(self, there, done):
        self.way.append("used")
        super().used(there, done)

    def fetch(self, tensor):
        self.way.append("fetched")
        return super().fetch(tensor)


def test_tiles_of_an_image_in_host_memory_are_sent_while_another_is_worked_on_and_give_the_same_gradient() -> None:
    network, image = tiny(), picture(96, 80, 1)
    regions = [Region(style_statistics(network, picture(40, 40, 2), None))]

    def objective(transfer: Transfer | None) -> TextureObjective:
        canvas = Canvas(network, picture(96, 80, 3), Weighting(100.0, tap_weights(None)), tile=32, transfer=transfer)
        return TextureObjective(canvas, regions)

    expected_losses, expected = objective(None)(image)
    host = Host()
    there = objective(host)
    host.way.clear()
    losses, gradient = there(image)
    assert torch.equal(gradient, expected)
    assert losses.read() == expected_losses.read()
    count = len(there.tiles)
    first_pass, second_pass = host.way[: 2 * count], host.way[2 * count :]
    assert first_pass == ["sent", "sent", "used", *["sent", "used"] * (count - 2), "used"]
    assert second_pass == [
        "sent",
        "sent",
        "used",
        *["fetched", "sent", "used"] * (count - 2),
        "fetched",
        "used",
        "fetched",
    ]
