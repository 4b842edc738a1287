"""One painting: what is read from GIMP before it, how it runs, and what is put into GIMP after it.

Threads: a `PaintThread` talks to the daemon and only puts states into a queue. Everything here runs on the plug-in's
main thread, the only one that may call GIMP.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gi.repository import Gimp, GObject

from vaporbrush_host.controls import Value, clean, from_recipe
from vaporbrush_host.daemon_monitor import installed_start
from vaporbrush_host.film import Manner
from vaporbrush_host.film_run import FilmRun
from vaporbrush_host.job_threads import PaintThread, RunState
from vaporbrush_host.request import PaintRequest, Pixels, StyleRef, region_over
from vaporbrush_host.ui_text import _, caveats
from vaporbrush_protocol.client import Client, connect
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.version import __version__

from . import layers, region_store, styles
from .layers import Place
from .styles import Source

FOLDER = Path(__file__).resolve().parent.parent  # where the installer put the plug-in
LEASE_S = 5.0  # GIMP's own Cancel kills this process without a word: the daemon notices by the silence
GOODBYE_S = 2.0  # how long a cancelled run gets to tell the daemon before this process ends; the lease covers the rest
TICK_S = 0.1  # how often GIMP's progress bar moves
FACTS = ("model", "device", "precision", "plan", "steps_done", "stopped", "painted", "versions")  # chosen on the spot
CLIENT = f"vaporbrush-gimp {__version__}"


@dataclass(frozen=True)
class Task:
    """What to paint, in which styles, how, and where it goes."""

    place: Place
    sources: tuple[Source, ...]
    values: Mapping[str, Value]
    film: Manner | None = None  # all frames of the image, in this manner


def connected() -> Client:
    """A client of the daemon, which is started where it does not run."""
    return connect(start=installed_start(FOLDER) or True, name=CLIENT)


def reached() -> Client:
    """A client of the daemon that runs. Raises `LinkError` where none does."""
    return connect(name=CLIENT)


def order_of(task: Task, content: Pixels | None = None) -> PaintRequest:
    """Read everything that the painting needs, or all but a `content` that was read already."""
    content_id = task.place.layer.get_id()
    if any(source.layer is not None and source.layer.get_id() == content_id for source in task.sources):
        raise RequestError(
            "bad_field",
            _("“{name}” cannot be its own style: choose another layer, or another style.").format(name=task.place.name),
        )
    content = content or layers.read_drawable(task.place.layer)
    regional = any(source.region is not None for source in task.sources)  # they say where, not the selection
    mask = layers.read_selection(task.place) if task.values["use_selection"] and not regional else None
    inputs = tuple(
        replace(source.read(), mask=region_over(source.region, task.place.rectangle, source.title, task.place.name))
        for source in task.sources
    )
    titles = tuple(source.title for source in task.sources)
    return PaintRequest(content, inputs, task.values, mask, label=task.place.name, titles=titles)


def start(order: PaintRequest, post: Callable[[RunState], None], /, **more: Any) -> PaintThread:
    """Begin the run of an order, which tells the `post` what it does."""
    run = PaintThread(order, post, connected, lease_s=LEASE_S, on_lease_end="cancel", **more)
    run.start()
    return run


class Painting:
    """A run and the queue that it reports into. `latest()` never waits; `state` is the newest that was taken."""

    def __init__(self, task: Task, order: PaintRequest | None = None) -> None:
        self.task = task
        self._states: queue.SimpleQueue[RunState] = queue.SimpleQueue()
        self._begin(order or order_of(task))
        self.state = self.run.state
        self.layer: Any = None  # the new one, once it is delivered

    def _begin(self, order: PaintRequest) -> None:
        self.run: PaintThread | FilmRun = start(order, self._states.put)

    def latest(self, wait_s: float = 0.0) -> RunState:
        """The newest state; waits at most `wait_s` for one."""
        try:
            self.state = self._states.get(timeout=wait_s) if wait_s else self._states.get_nowait()
            while True:
                self.state = self._states.get_nowait()
        except queue.Empty:  # that was all
            return self.state

    def take(self) -> None:
        """The person wants it, whatever it will be."""

    def finish(self) -> None:
        """Stop, and keep what there is."""
        self.run.finish()

    def again(self) -> bool:
        """Go on where it failed; False where it has to begin anew."""
        return False

    def close(self, wait_s: float = GOODBYE_S) -> None:
        """Stop what is under way, and wait so long for the daemon to hear of it; it frees its worker."""
        if not self.state.ended:
            self.run.cancel()
            self.run.join(wait_s)

    def follow(self, show: Callable[[RunState], None]) -> RunState:
        """Wait for the end, showing each state."""
        while not self.latest(TICK_S).ended:
            show(self.state)
        return self.state

    @property
    def returned(self) -> Any:
        """What a script gets of it."""
        return GObject.Value(Gimp.Layer, self.layer)

    def deliver(self) -> None:
        """Make the new layer. Raises the run's error where it has failed."""
        state = self.state
        if state.error is not None:
            raise state.error
        image = state.job.image if state.job is not None else None
        if state.stage != "done" or state.pixels is None or image is None:
            raise VaporbrushError("cancelled", _("The painting was cancelled."))
        pixels = Pixels(state.pixels, image.width, image.height, image.channels, image.depth, image.transfer)
        name = styles.title_of(
            self.task.sources, self.run.titles
        )  # GIMP's list of layers is narrow, and the content is right below
        where = [source.region for source in self.task.sources if source.region is not None]
        self.layer = layers.insert_result(self.task.place, pixels, name, record(self.task, state.result), where)
        region_store.keep_last(self.task.place.image, where)
        if said := caveats(state.result, state.note):
            Gimp.message("\n".join(said))


def record(task: Task, result: Mapping[str, Any], content: str = "") -> bytes:
    """What is kept with the layer: the pinned recipe, how it went, and where content and style came from. JSON.
    `content`: what it was painted from, where that is no layer of its image.
    """
    layer = task.place.layer
    tattoo = layer.get_tattoo() if layer.is_valid() and not content else 0
    kept = {
        "vaporbrush": __version__,
        "recipe": result.get("recipe", {}),
        "result": {name: result.get(name) for name in FACTS},
        "values": {name: list(value) if isinstance(value, tuple) else value for name, value in task.values.items()},
        "styles": styles.refs_of(task.sources),
        "content": {"name": content or task.place.name, "tattoo": tattoo},
    }
    return json.dumps(kept).encode()


def again(painted: Any, *, whole: bool) -> tuple[Place, tuple[Source, ...], Mapping[str, Value]]:
    """Place, styles and values of a layer that was painted before. Raises where a style cannot be had any more and the
    `whole` mix is wanted.
    """
    raw = layers.record_of(painted)
    try:
        kept = json.loads(raw) if raw is not None else None
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise RequestError(
            "bad_field",
            _("The layer “{name}” was not painted by Vaporbrush: select one that was.").format(name=painted.get_name()),
        )
    image, content = painted.get_image(), kept.get("content") or {}
    layer = image.get_layer_by_tattoo(int(content.get("tattoo") or 0)) or image.get_layer_by_name(
        str(content.get("name", ""))
    )
    if layer is None:
        raise RequestError(
            "bad_field",
            _("The layer “{name}” that this was painted from is not in the image any more.").format(
                name=content.get("name", "")
            ),
        )
    refs = StyleRef.several(kept.get("styles"), region_store.finder(image))
    sources = styles.all_found_again(refs)
    if whole and (not sources or len(sources) < len(refs)):
        raise RequestError(
            "bad_field",
            _("A style of “{name}” is not open any more: open its image, or start this from the menu.").format(
                name=painted.get_name()
            ),
        )
    values = clean({**from_recipe(kept.get("recipe") or {}), **(kept.get("values") or {})})
    return layers.place_of(layer, painted), sources, values


def show_progress(state: RunState, which: str = "") -> None:
    """In the image's status bar, with GIMP's own Cancel button. `which`: of several."""
    Gimp.progress_set_text(" · ".join(part for part in (which, state.line, state.left) if part))
    if state.fraction is None:
        Gimp.progress_pulse()
    else:
        Gimp.progress_update(state.fraction)
