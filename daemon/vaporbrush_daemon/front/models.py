"""Which models there are, and what a painting with one would cost here."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from vaporbrush_daemon import machine, weights
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.plan import predict, read_speed
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Recipe


class Models:
    """The models as the configuration has them, and the device that was painted on last."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._device_file = config.home / "cache" / "device.json"

    def known(self) -> tuple[weights.Weights, ...]:
        """Every model that there can be, the best first."""
        return weights.known({weights.VARIABLE: self._config.weights} if self._config.weights else {})

    def to_wire(self) -> dict[str, Any]:
        """The fields of the reply to `models`."""
        known = self.known()
        auto = next((one.model for one in known if one.present), "")
        return {
            "models": [
                {
                    "name": one.model,
                    "present": one.present,
                    "bytes": one.size,
                    "sha256": weights.VGG19.sha256 if one.origin == "fetched" else "",
                    "source": one.origin,
                    "message": one.advice,
                }
                for one in known
            ],
            "auto": auto,
            "message": known[0].advice,
        }

    def resolved(self, name: str) -> str:
        """The model that a recipe's name means now. Raises `unknown_model` and `weights_missing`."""
        known = {one.model: one for one in self.known()}
        if name == "auto":
            name = next((one.model for one in known.values() if one.present), next(iter(known)))
        if name not in known:
            raise RequestError("unknown_model", f"There is no model `{name}`; there is {', '.join(known)}.")
        if not known[name].present:
            raise RequestError("weights_missing", f"The weights of {name} are not here. {known[name].advice}")
        return name

    def estimate(self, recipe: Recipe, usual_device: str) -> dict[str, Any]:
        """The fields of the reply to `estimate`. `usual_device` is where paintings go now, empty where nobody knows."""
        model = recipe.model if recipe.model != "auto" else self.to_wire()["auto"] or weights.VGG19.model
        last, its_memory = self._last_device()
        device = recipe.device if recipe.device != "auto" else usual_device or last
        speed = read_speed(self._config.home / "cache", device, model)
        memory = machine.free_memory() if device == "cpu" else (its_memory or None) if device == last else None
        plan = predict(recipe, speed, memory)
        return {
            "painted_width": plan.width,
            "painted_height": plan.height,
            "width": recipe.content.width,
            "height": recipe.content.height,
            "seconds": plan.seconds,
            "memory_bytes": plan.memory_bytes,
            "plan": plan.text,
            "model": model,
            "device": device,
            "measured": speed.measured,
        }

    def remember_device(self, device: str, memory: int) -> None:
        """A worker has told its device: `estimate` shall know it before the first worker of the next daemon runs."""
        if self._last_device() != (device, memory):
            with contextlib.suppress(OSError):  # only a better guess is lost
                atomic.write(self._device_file, json.dumps([device, memory]).encode())

    def _last_device(self) -> tuple[str, int]:
        """The device that was painted on last, and its memory in bytes."""
        try:
            device, memory = json.loads(self._device_file.read_text(encoding="ascii"))
            return str(device), int(memory)
        except (OSError, ValueError, TypeError):
            return "cpu", 0
