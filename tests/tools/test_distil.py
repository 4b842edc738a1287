"""The distillation of the small model: a training that was cut off goes on where it was."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

SCRIPTS = Path(__file__).resolve().parents[2] / "daemon" / "tools" / "distil"


@pytest.fixture
def scripts() -> Iterator[None]:
    """The scripts import each other by plain names, which no other test may find."""
    before = set(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    yield
    sys.path.remove(str(SCRIPTS))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPTS)):
            del sys.modules[name]


def options(folder: Path) -> argparse.Namespace:
    """A run in `folder` with a teacher that has learnt nothing: going on does not depend on what is taught."""
    from network import TEACHER_WIDTHS, Vgg

    drawn = np.random.default_rng(0)
    for kind in ("photo", "art"):
        (folder / kind).mkdir()
        for number in range(3):
            pixels = drawn.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")
    torch.manual_seed(0)
    weights = Vgg(TEACHER_WIDTHS).features.state_dict()
    torch.save({f"features.{name}": value for name, value in weights.items()}, folder / "teacher.pth")
    run = folder / "run"
    run.mkdir()
    held_out = torch.rand(2, 3, 32, 32)
    torch.save({"pictures": held_out, "states": held_out}, run / "validation.pt")
    return argparse.Namespace(
        pictures=folder, teacher=folder / "teacher.pth", run=run, widths=["4,4,4,4,4"], steps=100, minutes=math.inf,
        lr=1e-3, threads=1, seed=0, start=None, random_init=True, batch_pixels=2 * 160 * 160,
    )  # fmt: skip


def learnt(training: Any) -> list[torch.Tensor]:
    """Everything that learning changes: weights, the optimiser's velocities, the averages of the maps."""
    learner = training.learners[0]
    weights = list(learner.net.parameters())
    velocities = [learner.optimiser.state[weight]["velocity"] for weight in weights]
    averages = [store[tap] for store in (learner.own, learner.cross, learner.spread) for tap in sorted(store)]
    return [tensor.detach() for tensor in (*weights, *velocities, *averages)]


def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(scripts: None, tmp_path: Path) -> None:
    from data import State
    from training import Training

    asked = options(tmp_path)
    first = Training(asked)
    first.batches.add([State(torch.rand(3, 64, 64).half(), torch.rand(3, 64, 64).half())])
    for _ in range(2):
        first.learn()
        first.step += 1
    first.save()

    torch.manual_seed(99)  # another process has other random numbers
    second = Training(asked)

    assert second.step == 2
    assert all(map(torch.equal, learnt(second), learnt(first)))
    torch.set_rng_state(first.chance()["torch"])
    shown_first = first.batches.draw(asked.batch_pixels, 0.6)
    second.restore_chance(torch.load(second.checkpoint, weights_only=False)["chance"])
    shown_second = second.batches.draw(asked.batch_pixels, 0.6)
    assert torch.equal(shown_first, shown_second), "the same pictures, turns and colours are next"

    second.replay = first.replay
    first.learn()
    second.learn()
    for one, other in zip(learnt(first), learnt(second), strict=True):
        torch.testing.assert_close(one, other)
