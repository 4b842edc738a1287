"""Which models and devices there are, and what a painting would cost here."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from vaporbrush_daemon import machine, weights
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.plan import predict, read_speed
from vaporbrush_daemon.workers.messages import DeviceFacts, parse_devices
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.recipe import Recipe


class Models:
    """The models as the configuration has them, and the devices as workers have told them, of an earlier daemon too."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._device_file = config.home / "cache" / "devices.json"
        self.devices = self._remembered()

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
        device = self._device_of(recipe, usual_device)
        facts = next((one for one in self.devices if one.name == device), None)
        its_memory = (facts.free or facts.memory or None) if facts else None
        memory = machine.free_memory() if device == "cpu" else its_memory
        speed = read_speed(self._config.home / "cache", device, model)
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

    def whole_bytes(self, recipe: Recipe, usual_device: str) -> int:
        """Bytes of a device's memory with which a recipe is painted whole, not in tiles; 0 for what cannot be painted
        at all, as its worker will say.
        """
        speed = read_speed(self._config.home / "cache", self._device_of(recipe, usual_device), recipe.model)
        try:
            return predict(recipe, speed).memory_bytes
        except VaporbrushError:
            return 0

    def _device_of(self, recipe: Recipe, usual_device: str) -> str:
        usual = usual_device or next((one.name for one in self.devices), "cpu")
        return usual if recipe.device == "auto" else recipe.device

    def remember(self, devices: Iterable[DeviceFacts]) -> None:
        """Workers have told these devices: clients shall know them before the first worker of the next daemon runs."""
        if self.devices != (told := tuple(devices)):
            self.devices = told
            with contextlib.suppress(OSError):  # only a better guess is lost
                atomic.write(self._device_file, json.dumps([asdict(one) for one in told]).encode())

    def _remembered(self) -> tuple[DeviceFacts, ...]:
        try:
            told = json.loads(self._device_file.read_text(encoding="ascii"))
            return parse_devices("devices", told)
        except (OSError, ValueError, RequestError):
            return ()
