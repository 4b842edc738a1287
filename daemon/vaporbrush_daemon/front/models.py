"""Which models and devices there are, and what a painting would cost here."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from vaporbrush_daemon import machine, weights
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.plan import Plan, Speed, predict, read_speed, times_faster
from vaporbrush_daemon.workers.messages import DeviceFacts, parse_devices
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.recipe import Recipe

START_S, LOAD_S = 5.0, 2.0  # of a worker and of a model, before the first has started here: a laptop's, roughly


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a recipe would be painted here and now."""

    plan: Plan
    model: str
    device: str
    speed: Speed


class Models:
    """The models as the configuration has them, and what workers have told, of an earlier daemon too: devices, and
    how long starts took.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._device_file = config.home / "cache" / "devices.json"
        self._starts_file = config.home / "cache" / "starts.json"
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

    def resolved(self, name: str, is_elsewhere: Callable[[str], bool]) -> tuple[str, bool]:
        """The model that a recipe's name means now, and whether it is on this machine. Raises `unknown_model`, and
        `weights_missing` where it is not elsewhere either.
        """
        known = {one.model: one for one in self.known()}
        name = self._named(name)
        if not known[name].present and not is_elsewhere(name):
            raise RequestError("weights_missing", f"The weights of {name} are not here. {known[name].advice}")
        return name, known[name].present

    def _named(self, name: str) -> str:
        """The model that a recipe's name means, whether it is here or not. Raises `unknown_model`."""
        known = self.known()
        names = [one.model for one in known]
        if name == "auto":
            return next((one.model for one in known if one.present), names[0])
        if name not in names:
            raise RequestError("unknown_model", f"There is no model `{name}`; there is {', '.join(names)}.")
        return name

    def forecast(
        self, recipe: Recipe, usual_device: str, *, elsewhere: bool = False, told: DeviceFacts | None = None
    ) -> Forecast:
        """How a recipe would be painted. `usual_device` is where paintings go now, empty where nobody knows.

        What does not fit into the memory that is free there now, but would if others took none or on a larger device,
        is planned for that: it may wait for its turn. `elsewhere`: on another machine, of which is known here only
        what is `told`. Raises `unknown_model`, `too_small` and `out_of_memory`, for an
        estimate as for a job.
        """
        named = recipe.model != "auto" and elsewhere
        model, device = recipe.model if named else self._named(recipe.model), self._device_of(recipe, usual_device)
        speed = read_speed(self._config.home / "cache", device, model)
        if told is not None and told.speed:
            seconds = told.speed / times_faster(model)
            speed = replace(speed, per_megapixel=seconds, fastest=0.0, measured=True)
        elif elsewhere:
            speed = replace(speed, measured=False)
        free, most = (None, None) if elsewhere else self._memory_of(device, others=recipe.device == "auto")
        try:
            plan = predict(recipe, speed, free)
        except VaporbrushError as error:
            if error.code != "out_of_memory" or most == free:
                raise
            plan = predict(recipe, speed, most)
        return Forecast(plan, model, device, speed)

    def _memory_of(self, device: str, *, others: bool) -> tuple[int | None, int | None]:
        """Bytes that are free on a device, and that there are in all, on it or on the largest one where `others` will
        do; None where nobody knows.
        """
        if device == "cpu":
            return machine.free_memory(), machine.all_memory()
        facts = next((one for one in self.devices if one.name == device), None)
        if facts is None or not facts.memory:
            return None, None
        alike = [one.memory for one in self.devices if others and one.name != "cpu"]
        return facts.free or facts.memory, max([facts.memory, *alike])

    def estimate(self, recipe: Recipe, found: Forecast, start_s: float) -> dict[str, Any]:
        """The fields of the reply to `estimate`; `start_s` seconds pass before the painting begins."""
        return {
            "painted_width": found.plan.width,
            "painted_height": found.plan.height,
            "width": recipe.content.width,
            "height": recipe.content.height,
            "seconds": found.plan.seconds + start_s,
            "memory_bytes": found.plan.memory_bytes,
            "plan": found.plan.text,
            "model": found.model,
            "device": found.device,
            "measured": found.speed.measured,
        }

    def start_s(self, found: Forecast, *, process: bool, model: bool) -> float:
        """Seconds that a worker's process and the model need to start, as they did last time."""
        known = self._starts()
        start_s = known.get(found.device, START_S) if process else 0.0
        return start_s + (known.get(f"{found.device} {found.model}", LOAD_S) if model else 0.0)

    def remember_start(self, device: str, model: str, seconds: float) -> None:
        """A worker's process has started; or, where a model is named, has loaded that."""
        with contextlib.suppress(OSError):  # only a better guess is lost
            starts = {**self._starts(), f"{device} {model}".strip(): seconds}
            atomic.write(self._starts_file, json.dumps(starts).encode())

    def _starts(self) -> dict[str, float]:
        try:
            known = json.loads(self._starts_file.read_text(encoding="utf-8"))
            return {str(name): float(seconds) for name, seconds in known.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # none yet, or damaged: learnt anew
            return {}

    def whole_bytes(self, recipe: Recipe, usual_device: str) -> int:
        """Bytes of a device's memory with which a recipe is painted whole, not in tiles; 0 for what cannot be painted
        at all, as its worker will say.
        """
        speed = read_speed(self._config.home / "cache", self._device_of(recipe, usual_device), recipe.model)
        try:
            return predict(recipe, speed).memory_bytes
        except VaporbrushError:  # as above
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
        except (OSError, ValueError, RequestError):  # none yet, or damaged: the next worker tells
            return ()
