"""How a recipe would be painted: `estimate` tells it, and `submit` refuses what cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vaporbrush_daemon.scheduling.worker_slots import WorkerSlots
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_protocol.recipe import Recipe

from .models import Forecast, Models
from .remotes import Remotes


class Estimates:
    """They depend on the styles and models, on the workers' state, and on the machines elsewhere."""

    def __init__(self, models: Models, library: StyleLibrary, worker_slots: WorkerSlots, remotes: Remotes) -> None:
        self._models, self._library, self._worker_slots, self._remotes = models, library, worker_slots, remotes

    def of(self, recipe: Recipe) -> Forecast:
        """How a recipe would be painted. Raises `unknown_style`, `unknown_model`, `too_small`, `out_of_memory`."""
        for style in recipe.styles:
            if style.name:
                self._library.file(style.name)
        usual = self._worker_slots.usual_device
        machine = next((one for one in self._remotes.known if one.name == recipe.device), None)
        if machine is None:
            return self._models.forecast(recipe, usual)
        like = "cuda" if machine.has_gpu else "cpu"  # a guess: how fast it is, only that machine knows
        guess = self._models.forecast(replace(recipe, device=like), usual, elsewhere=True)
        return replace(guess, device=machine.name, speed=replace(guess.speed, measured=False))

    def estimate(self, recipe: Recipe) -> dict[str, Any]:
        """The fields of the reply to `estimate`. Raises like `of`."""
        found = self.of(recipe)
        process, model = self._worker_slots.lacks(found.device, found.model)
        return self._models.estimate(recipe, found, self._models.start_s(found, process=process, model=model))
