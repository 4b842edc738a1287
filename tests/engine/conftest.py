"""What the engine's tests share. Torch's threads sleep while they wait: tests share their cores with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

import vaporbrush_daemon.engine  # noqa: F401 - sets OMP_WAIT_POLICY before anything imports torch
from support.networks import random_weights


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random network as a file."""
    weights = random_weights(metric=True)
    tensors = {f"features.{i}.weight": w for i, (w, _) in weights.convs.items()}
    tensors |= {f"features.{i}.bias": b for i, (_, b) in weights.convs.items()}
    tensors |= {f"taps.{tap}.metric": r.contiguous() for tap, r in weights.metrics.items()}
    file = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_file(tensors, file)
    return file
