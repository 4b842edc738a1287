"""What the controller knows about a painting: while it is under way, right after it, and later in the document."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from krita import Document, Krita, Node

from vaporbrush_host import controls
from vaporbrush_host.controls import Values
from vaporbrush_host.film import Manner
from vaporbrush_host.film_run import FilmRun
from vaporbrush_host.job_threads import PaintThread, RunState
from vaporbrush_host.regions import Region
from vaporbrush_host.request import StyleRef

from . import layers, records
from .animation import Animation
from .qt import QtCore

RESTORE_S = 1.0  # Krita makes a new layer the active one some time after it was added


@dataclass
class Task:
    """One painting that was asked for, until it is dismissed. Of an `animation`, `run` paints all frames."""

    key: str
    run: PaintThread | FilmRun
    capture: layers.Capture
    styles: tuple[StyleRef, ...]
    values: Values
    state: RunState
    began: float
    animation: Animation | None = None
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """What is stored with the painted layer: `Stored` reads it."""
        return {
            "recipe": self.state.result.get("recipe"),
            "values": dict(self.values),
            "styles": [ref.to_json() for ref in self.styles],
            "content": self.capture.node,
            "model": self.state.result.get("model"),
            "frames": self.animation is not None,
            **({} if self.animation is None else asdict(self.animation.film.manner)),
            "region": layers.region_record(self.capture),
        }

    def regions(self) -> list[Region]:
        """Where its styles paint."""
        return [ref.region for ref in self.styles if ref.region is not None]

    def forget(self) -> None:
        """Let go of the pixels. A painting that failed keeps them until it is dismissed, for *Try again*."""
        self.run.forget()
        self.capture = replace(self.capture, mask=None)
        if self.animation is not None:
            self.animation.close()


class Stored(NamedTuple):
    """What a document keeps about a painting: `content` is the id of the layer it was made from. `film`: how its frames
    were painted, None where it was not frames; `part`: which part was painted, None where that is not known (0.1.0
    kept it not).
    """

    values: Values
    styles: tuple[StyleRef, ...]
    content: str
    film: Manner | None
    part: layers.PaintedPart | None

    @classmethod
    def of(cls, document: Document, node: Node) -> Stored | None:
        """What is stored with a painted layer; None where it is not one."""
        record = records.of(document).get(layers.id_of(node))
        if not isinstance(record, dict):
            return None
        return cls(
            controls.clean({**controls.from_recipe(record.get("recipe") or {}), **(record.get("values") or {})}),
            StyleRef.several(record.get("styles"), partial(records.region_data, document)),
            str(record.get("content", "")),
            Manner.of(record) if record.get("frames") else None,
            layers.painted_part(document, node, record),
        )


@dataclass
class Restore:
    """The layer that was active before a painting was put in: a brush stroke must not land on the painting.

    Krita makes the new layer active, up to 5.2 some time later, and lets that be changed in the active document only.
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
