"""The styles of one painting while a person chooses them: a list, and the place that the next choice fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from vaporbrush_protocol.limits import MAX_STYLES

from .regions import Region

W = TypeVar("W")


class Weighed(Protocol):
    """A style as a host knows it."""

    @property
    def weight(self) -> float:
        """Its share among the styles."""

    @property
    def region(self) -> Region | None:
        """Where it paints; None: what regions leave."""

    def weighted(self: W, weight: float) -> W:
        """The same style with another weight."""

    def placed(self: W, region: Region | None) -> W:
        """The same style, which paints elsewhere."""

    def same_source(self, other: object) -> bool:
        """Whether both are the same picture, whatever their weights."""


S = TypeVar("S", bound=Weighed)


@dataclass(frozen=True)
class StyleSelection(Generic[S]):
    """Immutable: every change is a new one. `at` is one past the end while another style is being added, and `region`
    is where that one is going to paint.
    """

    styles: tuple[S, ...] = ()
    at: int = 0
    region: Region | None = None

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
        """The style comes to its place and takes over weight and region; one that is in the mix already is turned to,
        and given the region that another one was going to have.
        """
        for place, other in enumerate(self.styles):
            if other.same_source(style):
                turned = replace(self, at=place, region=None)
                return turned if self.region is None else turned.place(place, self.region)
        before = self.chosen
        region = self.region if before is None else before.region
        here = (style if before is None else style.weighted(before.weight)).placed(region)
        styles = (*self.styles[: self.at], here, *self.styles[self.at + 1 :])
        return replace(self, styles=styles, region=None)

    def turn(self, at: int) -> StyleSelection[S]:
        """The next choice replaces this one, or (one past the end) adds one."""
        return replace(self, at=max(0, min(at, len(self.styles), MAX_STYLES - 1)), region=None)

    def add(self, region: Region | None = None) -> StyleSelection[S]:
        """The next choice adds one, which paints in the region if there is one."""
        return replace(self.turn(len(self.styles)), region=region)

    def place(self, at: int, region: Region | None) -> StyleSelection[S]:
        """This one paints in the region; None: wherever no other's region is."""
        placed = self.styles[at].placed(region)
        return replace(self, styles=(*self.styles[:at], placed, *self.styles[at + 1 :]))

    def remove(self, at: int) -> StyleSelection[S]:
        """Without this one; one past the end stops adding."""
        if at >= len(self.styles):
            return self.turn(len(self.styles) - 1)
        left = (*self.styles[:at], *self.styles[at + 1 :])
        last = len(left) - (not self.adding)
        return StyleSelection(left, max(0, min(self.at - (at < self.at), last)), self.region)

    def weigh(self, at: int, weight: float) -> StyleSelection[S]:
        """This one counts so much among the others."""
        weighed = self.styles[at].weighted(weight)
        return replace(self, styles=(*self.styles[:at], weighed, *self.styles[at + 1 :]))
