"""How a recipe would be painted: `estimate` tells it, and `submit` refuses what cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vaporbrush_daemon.scheduling.job import Needs, in_grains
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
        wanted = recipe.device if recipe.device != "auto" else self._worker_slots.usual_node
        has_gpu = {name: not name.endswith("/cpu") for name in self._worker_slots.studio}
        has_gpu.update((one.name, one.has_gpu) for one in self._remotes.known)
        if wanted not in has_gpu:
            return self._models.forecast(recipe, usual)
        like = "cuda" if has_gpu[wanted] else "cpu"  # a guess, as long as that machine has not told how fast it is
        told = self._worker_slots.facts.get(wanted)
        guess = self._models.forecast(replace(recipe, device=like), usual, elsewhere=True, told=told)
        return replace(guess, device=wanted)

    def estimate(self, recipe: Recipe, *, guest: bool = False) -> dict[str, Any]:
        """The fields of the reply to `estimate`; `guest`: for one. Raises like `of`."""
        found = self.of(recipe)
        process, model = self._worker_slots.lacks(found.device, found.model)
        estimate = self._models.estimate(recipe, found, self._models.start_s(found, process=process, model=model))
        away = not any(one.present for one in self._models.known() if one.model == found.model)
        # as of a job: it goes where it is painted whole, though here it were cut into tiles
        whole = self._models.whole_bytes(replace(recipe, model=found.model), self._worker_slots.usual_device)
        needs = Needs("paint", recipe.device, in_grains(whole), here=guest, model=found.model, model_away=away)
        return {**estimate, "at_once": max(1, len(self._worker_slots.suiting(needs)))}
