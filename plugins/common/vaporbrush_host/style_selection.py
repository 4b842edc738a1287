"""The styles of one painting while a person chooses them: a list, and the place that the next choice fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from vaporbrush_protocol.limits import MAX_STYLES

W = TypeVar("W")


class Weighed(Protocol):
    """A style as a host knows it."""

    @property
    def weight(self) -> float:
        """Its share among the styles."""

    def weighted(self: W, weight: float) -> W:
        """The same style with another weight."""

    def same_source(self, other: object) -> bool:
        """Whether both are the same picture, whatever their weights."""


S = TypeVar("S", bound=Weighed)


@dataclass(frozen=True)
class StyleSelection(Generic[S]):
    """Immutable: every change is a new one. `at` is one past the end while another style is being added."""

    styles: tuple[S, ...] = ()
    at: int = 0

    @classmethod
    def of(cls, styles: Sequence[S]) -> StyleSelection[S]:
        """These styles, of which the first may be replaced."""
        return cls(tuple(styles)[:MAX_STYLES])

    @property
    def chosen(self) -> S | None:
        """The style that the next choice replaces; None where it adds one."""
        return self.styles[self.at] if self.at < len(self.styles) else None

    @property
    def adding(self) -> bool:
        """Whether the next choice comes on top of others."""
        return bool(self.styles) and self.chosen is None

    @property
    def full(self) -> bool:
        """Whether no more can be added."""
        return len(self.styles) >= MAX_STYLES

    def choose(self, style: S) -> StyleSelection[S]:
        """The style comes to its place and takes over the weight; one that is in the mix already is only turned to."""
        for place, other in enumerate(self.styles):
            if other.same_source(style):
                return replace(self, at=place)
        before = self.chosen
        weighed = style if before is None else style.weighted(before.weight)
        return replace(self, styles=(*self.styles[: self.at], weighed, *self.styles[self.at + 1 :]))

    def turn(self, at: int) -> StyleSelection[S]:
        """The next choice replaces this one, or (one past the end) adds one."""
        return replace(self, at=max(0, min(at, len(self.styles), MAX_STYLES - 1)))

    def add(self) -> StyleSelection[S]:
        """The next choice adds one."""
        return self.turn(len(self.styles))

    def remove(self, at: int) -> StyleSelection[S]:
        """Without this one; one past the end stops adding."""
        if at >= len(self.styles):
            return self.turn(len(self.styles) - 1)
        left = (*self.styles[:at], *self.styles[at + 1 :])
        last = len(left) - (not self.adding)
        return StyleSelection(left, max(0, min(self.at - (at < self.at), last)))

    def weigh(self, at: int, weight: float) -> StyleSelection[S]:
        """This one counts so much among the others."""
        weighed = self.styles[at].weighted(weight)
        return replace(self, styles=(*self.styles[:at], weighed, *self.styles[at + 1 :]))
