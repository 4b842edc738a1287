"""The studio: one for the whole of Krita. It knows the daemon's condition, runs the paintings, puts results back.

No widgets here. The docker of each window shows what the studio's signals say; what a painting needs from Krita is read
when it is asked for, and Krita is not touched again before the result is there.
"""

import queue
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from krita import Krita

from vaporbrush_host import controls, words
from vaporbrush_host.keeper import Condition, Estimated, Keeper, StylesListed, installed_start
from vaporbrush_host.order import Order, Pixels, StyleInput, StyleRef
from vaporbrush_host.runs import FetchRun, PaintRun, RunState
from vaporbrush_host.settings import Settings
from vaporbrush_host.words import _
from vaporbrush_protocol.errors import VaporbrushError

from . import layers, sources
from .layers import LayerError
from .qt import QtCore, Signal

TICK_MS = 40  # 25 looks a second at what the threads report; previews come at most 20 times a second
RESTORE_S = 1.0  # Krita makes a new layer the active one some time after it was added
END_S = 0.8  # what Krita waits for our threads when it ends
FULL_MODEL = "vgg19"


@dataclass
class Task:
    """One painting that was asked for, until it is dismissed."""

    run: PaintRun
    capture: layers.Capture
    styles: tuple
    values: dict
    state: RunState
    began: float
    notes: list = field(default_factory=list)


@dataclass
class Restore:
    """The layer that was active before a painting was put in: a brush stroke must not land on the painting.

    Krita makes the new layer active, some time later, and lets that be changed in the active document only.
    """

    document: str
    new: object
    before: object
    deadline: float = 0.0

    def done(self):
        """Try; returns whether there is no more to do."""
        document = layers.documents().get(self.document)
        if document is None:
            return True
        if layers.document_id(Krita.instance().activeDocument()) != self.document:
            return False
        now = time.monotonic()
        self.deadline = self.deadline or now + RESTORE_S
        active = document.activeNode()
        if active is not None and active.uniqueId() == self.new:
            document.setActiveNode(self.before)
            return True
        return now > self.deadline


class Studio(QtCore.QObject):
    """`stylize` starts a painting; signals say what happens."""

    condition_changed = Signal(object)  # Condition
    styles_changed = Signal(object)  # tuple of BundledStyle
    task_changed = Signal(object)  # Task
    task_removed = Signal(str)  # its key
    fetch_changed = Signal(object)  # RunState of the model's download
    estimated = Signal(object)  # Estimated
    said = Signal(str, bool)  # a sentence for the painter, and whether it is an error

    def __init__(self, parent=None, home=None):
        super().__init__(parent)
        self.settings = Settings(home)
        self.events = queue.SimpleQueue()
        folder = Path(__file__).resolve().parent
        version = Krita.instance().version()
        self.keeper = Keeper(self.events.put, name=f"Krita {version}", start_command=installed_start(folder), home=home)
        self.keeper.start()
        self.condition = self.keeper.condition
        self.bundled = ()
        self.tasks = {}
        self.fetch = None
        self.fetch_state = None
        self._lookers = set()
        self._restores = []
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._drain)
        self._timer.start()

    # ── what the threads report ──

    def _drain(self):
        latest = {}  # of each run only the newest state is worth showing
        while True:
            try:
                event = self.events.get_nowait()
            except queue.Empty:
                break
            if isinstance(event, RunState):
                latest[event.key] = event
            elif isinstance(event, Condition):
                self.condition = event
                self.condition_changed.emit(event)
            elif isinstance(event, StylesListed):
                self.bundled = event.styles
                self.styles_changed.emit(event.styles)
            elif isinstance(event, Estimated):
                self.estimated.emit(event)
        if self._restores:
            self._restores = [one for one in self._restores if not one.done()]
        for state in latest.values():
            if self.fetch is not None and state.key == self.fetch.key:
                self._fetch_reported(state)
            elif state.key in self.tasks:
                self._task_reported(self.tasks[state.key], state)

    def _task_reported(self, task, state):
        task.state = state
        if state.stage == "done":
            self._deliver(task)
        if state.ended:
            task.capture = replace(task.capture, mask=None)
            if state.stage != "failed":
                task.run.order = None  # its pixels; a failed painting keeps them for *Try again*
            self.keeper.look()
        self.task_changed.emit(task)
        if state.stage == "cancelled":
            self.dismiss(state.key)

    def _fetch_reported(self, state):
        self.fetch_state = state
        if state.ended:
            self.fetch = None
            self.keeper.look()
        self.fetch_changed.emit(state)

    # ── asking for a painting ──

    def stylize(self, values, refs, document=None, node=None):
        """Read the layer and the styles, and start painting. Returns the task, or None and says why."""
        try:
            return self._stylize(controls.clean(values), tuple(refs), document, node)
        except LayerError as error:
            self.said.emit(str(error), True)
        except VaporbrushError as error:
            self.said.emit(error.message, True)
        return None

    def _stylize(self, values, refs, document, node):
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
        taken = layers.capture(document, node, use_selection=values["use_selection"])
        label = " + ".join(sources.title(ref) for ref in refs)
        order = Order(
            content=taken.pixels,
            styles=tuple(sources.style_input(ref) for ref in refs),
            values=values,
            mask=taken.mask,
            label=label,
        )
        order.sizes_only()  # the same checks as the daemon's, before anything starts
        self._remember(document, values, refs)
        return self._begin(order, replace(taken, pixels=None), refs, values)

    def _begin(self, order, taken, refs, values):
        before = next((one.run for one in reversed(list(self.tasks.values())) if not one.state.ended), None)
        run = PaintRun(order, self.events.put, self.keeper.connect, after=before)
        task = Task(run, taken, refs, values, run.state, time.monotonic())
        self.tasks[run.key] = task
        run.start()
        self.task_changed.emit(task)
        return task

    def again(self, key):
        """Ask once more for a painting that failed, with the same pixels."""
        task = self.tasks.get(key)
        if task is not None and task.state.ended:
            self.dismiss(key)
            return self._begin(task.run.order, task.capture, task.styles, task.values)
        return None

    def repeat(self):
        """Paint the active layer with the style and the values used last."""
        values, refs = self.remembered(Krita.instance().activeDocument())
        return self.stylize(values, refs)

    def recipe_of(self, document, node):
        """(values, styles, content layer's id) stored with a painted layer; None where it is not one."""
        record = layers.records(document).get(node.uniqueId().toString())
        if not isinstance(record, dict):
            return None
        values = controls.clean({**controls.from_recipe(record.get("recipe") or {}), **(record.get("values") or {})})
        return values, _refs(record.get("styles")), str(record.get("content", ""))

    def restylize(self):
        """Paint anew what the active layer was painted from, with the settings stored with it."""
        document = Krita.instance().activeDocument()
        node = layers.active_layer(document)
        stored = self.recipe_of(document, node) if node is not None else None
        if stored is None:
            self.said.emit(_("The active layer was not painted by Vaporbrush: choose one that was."), True)
            return None
        values, refs, content = stored
        source = layers.find(document, content)
        if source is None:
            self.said.emit(_("The layer that this was painted from is not there any more."), True)
            return None
        return self.stylize(values, refs, document, source)

    # ── while it runs ──

    def cancel(self, key):
        """Stop a painting and forget it."""
        if key in self.tasks:
            self.tasks[key].run.cancel()

    def keep(self, key):
        """Stop a painting and take it as it is."""
        if key in self.tasks:
            self.tasks[key].run.finish()

    def dismiss(self, key):
        """Forget a painting that has ended."""
        if key in self.tasks and self.tasks[key].state.ended:
            del self.tasks[key]
            self.task_removed.emit(key)

    def _deliver(self, task):
        document = layers.documents().get(task.capture.document)
        state = task.state
        if document is None:
            task.notes.append(_("The document was closed meanwhile; the painting is not kept."))
            return
        try:
            active = document.activeNode()
            name = _("{layer} – {style}").format(layer=task.capture.name, style=state.label)
            layer, orphan = layers.insert(document, task.capture, state.job.image, state.pixels, name)
        except LayerError as error:
            task.notes.append(str(error))
            return
        finally:
            task.state = replace(state, pixels=None)
        if active is not None:
            self._restores.append(Restore(task.capture.document, layer.uniqueId(), active))
        if orphan:
            task.notes.append(_("The layer was deleted meanwhile: the painting is at the top."))
        task.notes += words.caveats(state.result)
        record = {
            "recipe": state.result.get("recipe"),
            "values": dict(task.values),
            "styles": [ref.to_json() for ref in task.styles],
            "content": task.capture.node,
            "model": state.result.get("model"),
        }
        layers.store(document, layer.uniqueId().toString(), record)

    # ── remembered values ──

    def _remember(self, document, values, refs):
        memory = {"values": values, "styles": [ref.to_json() for ref in refs]}
        self.settings.put("krita", "last", memory)
        layers.store(document, "last", memory)
        files = [ref.name for ref in refs if ref.kind == "file"]
        if files:
            recent = files + [path for path in self.recent_files() if path not in files]
            self.settings.put("krita", "recent_files", recent[: sources.RECENT_FILES])

    def recent_files(self):
        """Picture files used as styles, newest first."""
        found = self.settings.get("krita", "recent_files", [])
        return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []

    def remembered(self, document):
        """(values, styles) used last in this document, else anywhere."""
        memory = layers.records(document).get("last") if document is not None else None
        if not isinstance(memory, dict):
            memory = self.settings.get("krita", "last", {})
        memory = memory if isinstance(memory, dict) else {}
        return controls.clean(memory.get("values")), _refs(memory.get("styles"))

    # ── the daemon ──

    def look(self, looker, looks):
        """A docker that is seen keeps the daemon's condition fresh; without one nothing is asked."""
        (self._lookers.add if looks else self._lookers.discard)(looker)
        self.keeper.wake(bool(self._lookers))

    def estimate(self, values, refs, document, node):
        """Ask for the expected time; returns the ticket, or None where there is nothing to ask about."""
        if not self.condition.reachable or document is None or node is None:
            return None
        place = layers.place_of(document, node)
        if place.width < 1 or place.height < 1:
            return None
        sizes = [sources.style_sizes(ref) or (place.width, place.height) for ref in refs] or [(512, 512)]
        order = Order(
            content=Pixels(b"", place.width, place.height),
            styles=tuple(StyleInput(pixels=Pixels(b"", *size)) for size in sizes),
            values=controls.clean(values),
        )
        try:
            return self.keeper.estimate(order.sizes_only())
        except VaporbrushError:
            return None  # pressing the button says what is wrong with it

    def get_full_model(self):
        """Fetch the full model's weights, once."""
        if self.fetch is None:
            self.fetch = FetchRun(FULL_MODEL, self.events.put, self.keeper.connect)
            self.fetch_state = self.fetch.state
            self.fetch.start()
            self.fetch_changed.emit(self.fetch_state)

    def close(self):
        """Krita ends: stop every painting, wait a moment for the daemon to hear of it, and let go."""
        self._timer.stop()
        runs = [task.run for task in self.tasks.values() if not task.state.ended]
        if self.fetch is not None:
            runs.append(self.fetch)
        for run in runs:
            run.cancel()
        self.keeper.stop()
        deadline = time.monotonic() + END_S
        for thread in (*runs, self.keeper):
            thread.join(max(0.0, deadline - time.monotonic()))

    def document_closed(self):
        """Paintings whose document is gone are stopped."""
        still = layers.documents()
        for task in list(self.tasks.values()):
            if task.capture.document not in still and not task.state.ended:
                task.run.cancel()


def _refs(raw):
    found = [StyleRef.from_json(one) for one in raw] if isinstance(raw, list) else []
    return tuple(ref for ref in found if ref is not None)
