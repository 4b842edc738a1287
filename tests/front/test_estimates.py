"""What is foretold of a painting on another machine, by what that machine has told of itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from vaporbrush_daemon.config import Config
from vaporbrush_daemon.front.estimates import Estimates
from vaporbrush_daemon.front.models import Models
from vaporbrush_daemon.front.remotes import Remotes
from vaporbrush_daemon.plan import LITE
from vaporbrush_daemon.scheduling.events import RemotesKnown, StudioKnown
from vaporbrush_daemon.scheduling.policy import Policy
from vaporbrush_daemon.scheduling.worker_slots import WorkerSlots
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.workers.messages import DeviceFacts
from vaporbrush_protocol import Image, Recipe, Style

RECIPE = Recipe(Image("", 1000, 1000), (Style(image=Image("", 200, 200)),), size="full", model="vgg19", device="cuda")


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(Config(home=tmp_path))


def foretold(models: Models, speed: float, model: str = "vgg19"):
    recipe = Recipe(RECIPE.content, RECIPE.styles, size="full", model=model, device="cuda")
    return models.forecast(recipe, "cpu", elsewhere=True, told=DeviceFacts("box/cuda:0", speed=speed))


def test_a_node_that_has_told_its_speed_is_no_guess(models: Models) -> None:
    slow, fast = foretold(models, 0.2), foretold(models, 0.002)
    assert slow.speed.measured
    assert fast.speed.measured
    assert slow.plan.seconds > 10 * fast.plan.seconds
    assert foretold(models, 0.2, "vgg19-lite").speed.per_megapixel == pytest.approx(0.2 / LITE)


def test_for_a_guest_no_other_machine_is_counted_but_all_processors_that_would_paint_it(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.touch()
    slots = WorkerSlots(Policy(), ("cpu",), Counter(), lambda _: None)
    slots.know_others(0.0, RemotesKnown(("far",)))
    slots.know_others(0.0, StudioKnown((DeviceFacts("box/cpu"),)))
    models = Models(Config(home=tmp_path, weights=str(file)))
    estimates = Estimates(models, StyleLibrary.of(tmp_path), slots, Remotes(tmp_path, lambda _: None))
    asked = replace(RECIPE, device="auto")
    assert estimates.estimate(asked)["at_once"] == 1, "the other machine, which may have a GPU"
    assert estimates.estimate(asked, guest=True)["at_once"] == 2


def test_a_node_that_has_not_is_one(models: Models) -> None:
    assert not foretold(models, 0.0).speed.measured
