"""A film without a host: its frames, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from vaporbrush_host.request import Pixels
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.recipe import Image


class FilmFrames:
    """`paintings`: of each frame, by its number; `puts`: the numbers of those that were painted, in their order."""

    def __init__(self, shown: Sequence[Pixels | None]) -> None:
        self.shown = shown
        self.paintings: dict[int, bytes] = {}
        self.puts: list[int] = []

    def __len__(self) -> int:
        return len(self.shown)

    def read(self, number: int) -> Pixels | None:
        return self.shown[number]

    def in_any_order(self) -> None:
        """They are there in any case."""

    def put(self, number: int, _image: Image, pixels: Buffer) -> None:
        self.puts.append(number)
        self.paintings[number] = bytes(pixels)

    def repeat(self, number: int, other: int) -> None:
        self.paintings[number] = self.paintings[other]
