"""The models that a painter has: their weight files, read and checked, and the networks made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from vaporbrush_daemon import packaged
from vaporbrush_daemon.plan import Precision
from vaporbrush_protocol.errors import VaporbrushError

from .calibration import calibrated
from .network import Network, Weights
from .vgg19 import CONVS, TAPS, WIDTHS

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Models:
    """Networks on one device, loaded when they are first asked for and kept."""

    def __init__(self, device: torch.device, files: Mapping[str, Path]) -> None:
        self.device, self.files = device, dict(files)
        self._weights: dict[str, Weights] = {}
        self._networks: dict[tuple[str, Precision], Network] = {}

    def __contains__(self, name: str) -> bool:
        """Whether its weights are in memory."""
        return name in self._weights

    def weights(self, name: str) -> Weights:
        """A model's tensors. Raises `unknown_model`, `weights_missing` and `weights_corrupt`."""
        if name not in self.files:
            raise VaporbrushError("unknown_model", f"No model is called {name!r}; known are {', '.join(self.files)}.")
        if name not in self._weights:
            self._weights[name] = load_weights(name, self.files[name])
        return self._weights[name]

    def network(self, name: str, precision: Precision) -> Network:
        """A model ready to run. Raises as `weights` does."""
        key = (name, precision)
        if key not in self._networks:
            self._networks[key] = Network(self.weights(name), self.device, DTYPES[precision])
        return self._networks[key]

    def unload(self, name: str, precision: Precision) -> None:
        """Free a network's memory; the weights stay."""
        self._networks.pop((name, precision), None)

    def identity(self, name: str) -> tuple[str, int, int]:
        """Names a model's file as it is now: name, bytes, time of change in ns."""
        facts = self.files[name].stat()
        return name, facts.st_size, facts.st_mtime_ns


def load_weights(name: str, file: Path) -> Weights:
    """Read torchvision-keyed weights (`features.N.weight`), `.pth` or safetensors; never unpickles code.

    Raises `weights_missing` and `weights_corrupt`.
    """
    if not file.is_file():
        raise VaporbrushError("weights_missing", f"The weights of {name} are not at {file}.")
    _check_bundled(file)
    try:
        if file.suffix == ".safetensors":
            stored = load_file(file)
        else:
            stored = torch.load(file, map_location="cpu", weights_only=True)
        weights = _checked(name, stored)
    except Exception as error:  # a damaged file raises anything from KeyError to zipfile's own errors
        reason = str(error).strip().splitlines()[0][:100] if str(error).strip() else type(error).__name__
        raise VaporbrushError(
            "weights_corrupt", f"{file} does not hold the weights of {name} ({reason}); fetch or import them again."
        ) from error
    if not weights.metrics and weights.widths != WIDTHS:
        raise VaporbrushError(
            "weights_corrupt", f"{file} is not VGG19: its widths are {list(weights.widths.values())}."
        )
    return weights if weights.metrics else calibrated(weights)


def _check_bundled(file: Path) -> None:
    """A file that came with the package has to be the one that was released."""
    if file.parent != packaged.models() or file.name not in packaged.MODEL_SHA256:
        return
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != packaged.MODEL_SHA256[file.name]:
        raise VaporbrushError(
            "weights_corrupt",
            f"{file} is not the model that was released (its sha256 is {found[:12]}…): install Vaporbrush again.",
        )


def _checked(name: str, stored: Mapping[str, Tensor]) -> Weights:
    """The tensors up to relu5_1, of matching shapes and finite; anything else raises."""
    convs: dict[int, tuple[Tensor, Tensor]] = {}
    channels = 3
    for conv in CONVS.values():
        kernel, bias = stored[f"features.{conv.index}.weight"].float(), stored[f"features.{conv.index}.bias"].float()
        if kernel.shape != (len(bias), channels, 3, 3) or not (kernel.isfinite().all() and bias.isfinite().all()):
            raise ValueError(f"features.{conv.index}.weight is of shape {tuple(kernel.shape)}, or not finite")
        convs[conv.index], channels = (kernel, bias), len(bias)
    metrics = {tap: stored[f"taps.{tap}.metric"].float() for tap in TAPS if f"taps.{tap}.metric" in stored}
    weights = Weights(name, convs, metrics)
    for tap, metric in metrics.items():
        if metric.shape[1] != weights.widths[tap] + 1:
            raise ValueError(f"taps.{tap}.metric is of shape {tuple(metric.shape)}")
    return weights
