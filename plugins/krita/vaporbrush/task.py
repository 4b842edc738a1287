"""What the controller knows about a painting: while it is under way, right after it, and later in the document."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from krita import Krita, Node

from vaporbrush_host.controls import Values
from vaporbrush_host.job_threads import PaintThread, RunState
from vaporbrush_host.request import StyleRef

from . import layers
from .animation import Animation
from .qt import QtCore

RESTORE_S = 1.0  # Krita makes a new layer the active one some time after it was added


@dataclass
class Task:
    """One painting that was asked for, until it is dismissed. Of an animation (`animation`), `run` paints one frame."""

    key: str
    run: PaintThread
    capture: layers.Capture
    styles: tuple[StyleRef, ...]
    values: Values
    state: RunState
    began: float
    animation: Animation | None = None
    notes: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Let go of the pixels. A painting that failed keeps them until it is dismissed, for *Try again*."""
        self.run.forget()
        self.capture = replace(self.capture, mask=None)
        if self.animation is not None:
            self.animation.close()


class Stored(NamedTuple):
    """What a document keeps about a painting: `content` is the id of the layer it was made from, or of its `frames`."""

    values: Values
    styles: tuple[StyleRef, ...]
    content: str
    frames: bool


@dataclass
class Restore:
    """The layer that was active before a painting was put in: a brush stroke must not land on the painting.

    Krita makes the new layer active, some time later, and lets that be changed in the active document only.
    """

    document: str
    new: QtCore.QUuid
    before: Node
    deadline: float = 0.0

    def done(self) -> bool:
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
