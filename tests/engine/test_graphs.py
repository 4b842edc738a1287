"""Steps that replay a recording: the same numbers as without, on a stand-in for CUDA's graphs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from support.networks import picture, tiny
from vaporbrush_daemon.engine import graphs
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.graphs import SWITCH, Captured, Work, gradient_of, wanted
from vaporbrush_daemon.engine.losses import Losses, Region, Weighting, tap_weights
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.optimisers import Lbfgs
from vaporbrush_daemon.engine.phases import Phase
from vaporbrush_daemon.engine.pyramid import Pyramid
from vaporbrush_protocol.recipe import STYLE_TAPS

SIDE = 48


def replayed(work: Work) -> tuple[Losses, Tensor, Callable[[], None]]:
    """What a CUDA graph does: the results of every replay land where those of the first run are."""
    losses, variables = work()

    def again() -> None:
        now, new = work()
        variables.copy_(new)
        for name in ("content", "style", "variation", "range", "lines"):
            getattr(losses, name).copy_(getattr(now, name))

    return losses, variables, again


def objective(tile: int | None = None) -> TextureObjective:
    network = tiny()
    regions = [Region(style_statistics(network, picture(40, 40, 2), None))]
    canvas = Canvas(network, picture(SIDE, SIDE, 1), Weighting(100.0, tap_weights(None)), tile=tile)
    return TextureObjective(canvas, regions)


def steps(loss: TextureObjective, *, captured: bool, count: int = 6) -> tuple[Tensor, list[float]]:
    """Where some steps lead, and their losses."""
    pyramid, image = Pyramid.of(SIDE, SIDE), picture(SIDE, SIDE, 1)
    optimiser = Lbfgs(pyramid.variables, 4, image.device, first=0.01, longest=0.05, dtype=torch.float64)
    totals = []
    for taps in (STYLE_TAPS[:-1], STYLE_TAPS):
        loss.aim(Phase(count, taps), image)
        gradient_at = gradient_of(loss, pyramid, image, count)
        if captured:
            gradient_at = Captured(gradient_at, image, replayed)
        for _ in range(count):
            losses, gradient = gradient_at(image)
            totals.append(losses.read().total)
            image = pyramid.forward(optimiser.step(gradient)).add_(image)
    return image, totals


def test_steps_by_replay_are_those_without() -> None:
    """L-BFGS keeps the last gradient: it must not be overwritten by the next replay."""
    loss = objective()
    plain, replay = steps(loss, captured=False), steps(loss, captured=True)
    assert replay[1] == plain[1]
    assert torch.equal(replay[0], plain[0])


def test_without_the_switch_nothing_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, there = objective(), torch.empty(1, 3, 4, 4, device="meta")
    monkeypatch.delenv(SWITCH, raising=False)
    assert not wanted(loss, there, 100)
    monkeypatch.setenv(SWITCH, "1")
    assert not wanted(loss, there, 100)  # no CUDA device


class OnCuda(Tensor):
    """A tensor on the processor that says that it is on a CUDA device."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda:0")


def test_a_capture_is_for_phases_of_some_length_without_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    there = picture(SIDE, SIDE).as_subclass(OnCuda)
    monkeypatch.setenv(SWITCH, "1")
    assert wanted(objective(), there, graphs.LEAST_STEPS)
    assert not wanted(objective(), there, graphs.LEAST_STEPS - 1)
    assert not wanted(objective(tile=16), there, 100)


def test_where_a_capture_fails_steps_go_on_without_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here it fails because there is no CUDA device at all."""
    if torch.cuda.is_available():
        pytest.skip("There is a CUDA device: captures may succeed.")
    monkeypatch.setenv(SWITCH, "1")
    loss, pyramid, image = objective(), Pyramid.of(SIDE, SIDE), picture(SIDE, SIDE, 1)
    gradient_at = gradient_of(loss, pyramid, image.as_subclass(OnCuda), 100)
    assert "No CUDA graph for 48×48 pixels: " in capsys.readouterr().err
    expected = gradient_of(loss, pyramid, image, 0)(image)[1]
    assert torch.equal(gradient_at(image)[1], expected)
