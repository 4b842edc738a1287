"""Several layers by one press of the button: those that are selected in Krita's list of layers."""

from __future__ import annotations

from collections.abc import Sequence

from krita import Krita, Node

from vaporbrush_host.controls import Values
from vaporbrush_host.request import StyleRef
from vaporbrush_host.ui_text import _, _n

from . import layers
from .controller import Controller
from .task import Task


def selected() -> list[Node]:
    """The selected layers of the active view, without what is in a group that is selected too: the group's picture has
    it. Masks are none.
    """
    window = Krita.instance().activeWindow()
    view = window.activeView() if window is not None else None
    nodes = view.selectedNodes() if view is not None else []
    chosen = {layers.id_of(node): node for node in nodes if node.type() in layers.LAYERS}
    return [node for node in chosen.values() if not any(above in chosen for above in _ancestors(node))]


def _ancestors(node: Node) -> list[str]:
    above = node.parentNode()
    return [] if above is None else [layers.id_of(above), *_ancestors(above)]


def label(count: int) -> str:
    """What the button says for so many layers."""
    if count > 1:
        return _n("Stylize {count} layer", "Stylize {count} layers", count).format(count=count)
    return _("Stylize")


def tip(count: int, name: str) -> str:
    """What the button does."""
    if count > 1:
        return _n(
            "Paint the {count} selected layer on a new layer above it.",
            "Paint each of the {count} selected layers on a new layer above it.",
            count,
        ).format(count=count)
    return _("Paint “{layer}” on a new layer above it.").format(layer=name)


def stylize(controller: Controller, values: Values, refs: Sequence[StyleRef], nodes: Sequence[Node]) -> list[Task]:
    """Begin a painting of each. One that cannot be painted stops no other; all that is wrong is said together."""
    told: list[str] = []

    def hear(text: str, _error: bool) -> None:
        told.append(text)

    controller.said.connect(hear)
    try:
        begun = [controller.stylize(values, refs, node=node) for node in nodes]
    finally:
        controller.said.disconnect(hear)
    if len(told) > 1:
        controller.said.emit(" ".join(dict.fromkeys(told)), True)
    return [task for task in begun if task is not None]
