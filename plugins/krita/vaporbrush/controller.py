"""The controller: one for the whole of Krita. It knows the daemon's condition, runs the paintings, puts results back.

No widgets here. The docker of each window shows what the controller's signals say; what a painting needs from Krita is
read when it is asked for, and Krita is not touched again before the result is there.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from krita import Document, Krita, Node

from vaporbrush_host import controls, ui_text
from vaporbrush_host.controls import Values
from vaporbrush_host.daemon_monitor import (
    BundledStyle,
    Condition,
    DaemonMonitor,
    Estimated,
    StylesListed,
    installed_start,
)
from vaporbrush_host.film import Manner
from vaporbrush_host.film_run import FilmRun
from vaporbrush_host.installer.gpu import GpuFound
from vaporbrush_host.installer.removal import Removed
from vaporbrush_host.installer.work import Report
from vaporbrush_host.job_threads import FetchThread, ForgetThread, PaintThread, RunState
from vaporbrush_host.request import PaintRequest, Pixels, StyleRef
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import VaporbrushError

from . import layers, records, sources
from .animation import Animation
from .colour_space import LayerError
from .installer import Installer
from .layers import Capture, PaintedPart
from .memory import Memory
from .qt import QtCore, Signal
from .task import Restore, Stored, Task

TICK_MS = 40  # 25 looks a second at what the threads report; previews come at most 20 times a second
END_S = 0.8  # what Krita waits for our threads when it ends
FULL_MODEL = "vgg19"


class Controller(QtCore.QObject):
    """`stylize` starts a painting; signals say what happens."""

    condition_changed = Signal(object)  # Condition
    styles_changed = Signal(object)  # tuple of BundledStyle
    task_changed = Signal(object)  # Task
    task_removed = Signal(str)  # its key
    fetch_changed = Signal(object)  # RunState of the model's download
    estimated = Signal(object)  # Estimated
    said = Signal(str, bool)  # a sentence for the painter, and whether it is an error

    def __init__(self, parent: QtCore.QObject | None = None, home: Path | None = None) -> None:
        super().__init__(parent)
        self.home = home
        self.memory = Memory(home)
        self.events: queue.SimpleQueue[object] = queue.SimpleQueue()
        folder = Path(__file__).resolve().parent
        name = f"Krita {Krita.instance().version()}"
        self.monitor = DaemonMonitor(self.events.put, name=name, start_command=installed_start(folder), home=home)
        self.installer = Installer(folder, self.events.put, self.monitor, by=name, home=home)
        self.monitor.start()
        self.condition = self.monitor.condition
        self.bundled: tuple[BundledStyle, ...] = ()
        self.tasks: dict[str, Task] = {}
        self.fetch: FetchThread | None = None
        self.fetch_state: RunState | None = None
        self._lookers: set[object] = set()
        self._restores: list[Restore] = []
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._drain)
        self._timer.start()

    # ── what the threads report ──

    def _drain(self) -> None:
        latest: dict[str, RunState] = {}  # of each run only the newest state is worth showing
        while not self.events.empty():
            event = self.events.get()
            if isinstance(event, RunState):
                latest[event.key] = event
            else:
                self._told(event)
        if self._restores:
            self._restores = [one for one in self._restores if not one.done()]
        running = {task.run.key: task for task in self.tasks.values()}
        for state in latest.values():
            if self.fetch is not None and state.key == self.fetch.key:
                self._fetch_reported(state)
            elif state.key in running:
                self._task_reported(running[state.key], state)
        for task in list(self.tasks.values()):
            if task.animation is not None and not task.state.ended:
                task.animation.tick()
                self._poll(task)

    def _told(self, event: object) -> None:
        if isinstance(event, Condition):
            self.condition = event
            self.condition_changed.emit(event)
        elif isinstance(event, StylesListed):
            self.bundled = event.styles
            self.styles_changed.emit(event.styles)
        elif isinstance(event, Estimated):
            self.estimated.emit(event)
        elif isinstance(event, (Report, GpuFound, Removed)):
            self.installer.take(event)

    def _task_reported(self, task: Task, state: RunState) -> None:
        task.state = state
        if state.stage == "done":
            self._deliver(task)
        if state.ended:
            if state.stage != "failed":
                self._forget(task)
            self.monitor.look()
        self.task_changed.emit(task)
        if state.stage == "cancelled":
            self.dismiss(task.key)

    def _poll(self, task: Task) -> None:
        """Frames that are done are put into their places, and the next ones begin."""
        run = task.run
        assert isinstance(run, FilmRun), "an animation's"
        try:
            news = run.poll()
        except LayerError as error:
            task.notes.append(str(error))
            news = run.give_up()
        if news is not None:
            self._task_reported(task, news)

    def _forget(self, task: Task) -> None:
        """Let go of what is kept for a painting, here and in the daemon."""
        task.forget()
        if isinstance(task.run, FilmRun) and (jobs := task.run.left()):
            ForgetThread(jobs, self.monitor.reach).start()

    def _fetch_reported(self, state: RunState) -> None:
        self.fetch_state = state
        if state.ended:
            self.fetch = None
            self.monitor.look()
        self.fetch_changed.emit(state)

    # ── asking for a painting ──

    def stylize(
        self,
        values: Values,
        refs: Sequence[StyleRef],
        document: Document | None = None,
        node: Node | None = None,
        *,
        film: Manner | None = None,
        part: PaintedPart | None = None,
    ) -> Task | None:
        """Read the layer (or all its frames, for a `film`) and the styles, and start painting. Returns the task, or
        None and says why. A `part` stands in for the selection, and so do the styles' regions."""
        try:
            return self._stylize(controls.clean(values), tuple(refs), document, node, film, part)
        except LayerError as error:
            self.said.emit(str(error), True)
        except VaporbrushError as error:
            self.said.emit(error.message, True)
        return None

    def _stylize(
        self,
        values: Values,
        refs: tuple[StyleRef, ...],
        document: Document | None,
        node: Node | None,
        film: Manner | None,  # None: the layer as it shows
        part: PaintedPart | None,
    ) -> Task:
        document = document or Krita.instance().activeDocument()
        if document is None or document.rootNode() is None:
            raise LayerError(_("Open a picture first."))
        node = node or layers.active_layer(document)
        if node is None:
            raise LayerError(_("Choose the layer to be painted."))
        if not refs:
            raise LayerError(_("Choose a style first."))
        if any(ref.kind == "layer" and ref.layer == node.uniqueId().toString() for ref in refs):
            raise LayerError(_("The style is the layer itself. Choose another layer, or another style."))
        styles = tuple(sources.style_input(ref) for ref in refs)
        animation = Animation(document, node, film, values["seed"]) if film is not None else None
        try:
            selected = bool(values["use_selection"]) and part is None and not any(ref.region for ref in refs)
            taken = (layers if animation is None else animation).capture(document, node, use_selection=selected)
            if part is not None:
                taken = replace(taken, mask=part.over(taken.place))
            titles = [sources.title(ref, self.bundled) for ref in refs]
            styles = sources.placed(styles, refs, titles, taken)
            assert taken.pixels is not None
            order = PaintRequest(taken.pixels, styles, values, taken.mask, label=" + ".join(titles))
            order = replace(order, titles=tuple(titles), history=animation is None)
            order.sizes_only()  # the same checks as the daemon's, before anything starts
        except BaseException:
            if animation is not None:
                animation.close()
            raise
        self.memory.keep(document, values, refs)
        return self._begin(self._run(order, animation), taken.without_pixels(), refs, values, animation)

    def _before(self) -> PaintThread | FilmRun | None:
        """What a new painting queues behind."""
        return next((one.run for one in reversed(list(self.tasks.values())) if not one.state.ended), None)

    def _start(self, order: PaintRequest, post: Callable[[RunState], None], /, **more: Any) -> PaintThread:
        run = PaintThread(order, post, self.monitor.connect, **more)
        run.start()
        return run

    def _run(self, order: PaintRequest, animation: Animation | None) -> PaintThread | FilmRun:
        if animation is not None:
            return FilmRun(animation.film, order, self._start, after=self._before())
        return self._start(order, self.events.put, after=self._before())

    def _begin(
        self,
        run: PaintThread | FilmRun,
        taken: Capture,
        refs: tuple[StyleRef, ...],
        values: Values,
        animation: Animation | None,
    ) -> Task:
        task = Task(run.key, run, taken, refs, values, run.state, time.monotonic(), animation)
        self.tasks[task.key] = task
        self.task_changed.emit(task)
        return task

    def again(self, key: str) -> Task | None:
        """Ask once more for a painting that failed, with the same pixels; an animation goes on where it was."""
        task = self.tasks.get(key)
        if task is not None and task.state.stage == "failed":
            self._remove(key)
            run = task.run
            if isinstance(run, FilmRun):
                run.again(after=self._before())
            else:
                assert run.order is not None  # forgotten only when it is dismissed
                run = self._run(run.order, None)
            return self._begin(run, task.capture, task.styles, task.values, task.animation)
        return None

    def repeat(self) -> Task | None:
        """Paint the active layer with the style and the values used last."""
        values, refs = self.memory.last(Krita.instance().activeDocument())
        return self.stylize(values, refs)

    def restylize(self, values: Values | None = None, refs: Sequence[StyleRef] = ()) -> Task | None:
        """Paint anew what the active layer was painted from, as far as it was, with the settings stored with it or with
        others."""
        document = Krita.instance().activeDocument()
        node = layers.active_layer(document)
        stored = Stored.of(document, node) if document is not None and node is not None else None
        if document is None or stored is None:
            self.said.emit(_("The active layer was not painted by Vaporbrush: choose one that was."), True)
            return None
        source = layers.find(document, stored.content)
        if source is None:
            self.said.emit(_("The layer that this was painted from is not there any more."), True)
            return None
        values, refs = values or stored.values, refs or stored.styles
        return self.stylize(values, refs, document, source, film=stored.film, part=stored.part)

    # ── while it runs ──

    def cancel(self, key: str) -> None:
        """Stop a painting and forget it."""
        if key in self.tasks:
            self.tasks[key].run.cancel()

    def keep(self, key: str) -> None:
        """Stop a painting and take it as it is."""
        if key in self.tasks:
            self.tasks[key].run.finish()

    def dismiss(self, key: str) -> None:
        """Forget a painting that has ended. What a failed animation has painted is kept."""
        task = self.tasks.get(key)
        if task is not None and task.state.ended:
            self._remove(key)
            if task.state.stage == "failed" and task.animation is not None and task.animation.film.painted:
                self._deliver(task)
            self._forget(task)

    def _remove(self, key: str) -> None:
        del self.tasks[key]
        self.task_removed.emit(key)

    def _deliver(self, task: Task) -> None:
        document = layers.documents().get(task.capture.document)
        state = task.state
        task.state = replace(state, pixels=None)
        if document is None:
            task.notes.append(_("The document was closed meanwhile; the painting is not kept."))
            return
        active = document.activeNode()  # once it is in, Krita 5.3 says the new layer
        ours = layers.content_and_paintings(document, task.capture.node)
        elsewhere = active is not None and layers.id_of(layers.active_layer(document) or active) not in ours
        name = _("{layer} – {style}").format(layer=task.capture.name, style=state.label)
        try:
            if task.animation is None:
                layer, orphan = layers.insert(document, task.capture, *state.painting, name)
            else:
                layer, orphan = task.animation.insert(document, task.capture.node, name)
        except LayerError as error:
            task.notes.append(str(error))
            return
        # On what was painted, further strokes would be hidden: the painting becomes the active layer, as Krita makes a
        # new one. Whoever works on another layer stays there.
        if active is not None and elsewhere:
            self._restores.append(Restore(task.capture.document, layer.uniqueId(), active))
        if orphan:
            task.notes.append(_("The layer was deleted meanwhile: the painting is at the top."))
        task.notes += ui_text.caveats(state.result, state.note)
        records.store(document, layers.id_of(layer), task.record(), task.capture.mask, task.regions())
        self.memory.save_with(document)

    # ── the daemon ──

    def look(self, looker: object, looks: bool) -> None:
        """A docker that is seen keeps the daemon's condition fresh; without one nothing is asked."""
        (self._lookers.add if looks else self._lookers.discard)(looker)
        self.monitor.wake(bool(self._lookers))

    def estimate(
        self, values: Values, refs: Sequence[StyleRef], document: Document | None, node: Node | None
    ) -> int | None:
        """Ask for the expected time; returns the ticket, or None where there is nothing to ask about."""
        if not self.condition.reachable or document is None or node is None:
            return None
        place = layers.place_of(document, node)
        if place.width < 1 or place.height < 1:
            return None
        size = (place.width, place.height)
        order = PaintRequest(Pixels(b"", *size), sources.likenesses(refs, size), controls.clean(values))
        try:
            return self.monitor.estimate(order.sizes_only())
        except VaporbrushError:
            return None  # pressing the button says what is wrong with it

    def get_full_model(self) -> None:
        """Fetch the full model's weights, once."""
        if self.fetch is None:
            self.fetch = FetchThread(FULL_MODEL, self.events.put, self.monitor.connect)
            self.fetch_state = self.fetch.state
            self.fetch.start()
            self.fetch_changed.emit(self.fetch_state)

    def close(self) -> None:
        """Krita ends: stop every painting, wait a moment for the daemon to hear of it, and let go. What a film has kept
        in the daemon is not waited for, too: it goes there by its age.
        """
        self._timer.stop()
        self.installer.page.close()
        runs: list[PaintThread | FilmRun | FetchThread] = [
            task.run for task in self.tasks.values() if not task.state.ended
        ]
        if self.fetch is not None:
            runs.append(self.fetch)
        for run in runs:
            run.cancel()
        self.monitor.stop()
        deadline = time.monotonic() + END_S
        for thread in (*runs, self.monitor):
            thread.join(max(0.0, deadline - time.monotonic()))
        for task in self.tasks.values():
            task.forget()

    def document_closed(self) -> None:
        """Paintings whose document is gone are stopped."""
        still = layers.documents()
        for task in list(self.tasks.values()):
            if task.capture.document not in still:
                if not task.state.ended:
                    task.run.cancel()
                elif task.state.stage == "failed":
                    self.dismiss(task.key)  # there is nothing to try again for
