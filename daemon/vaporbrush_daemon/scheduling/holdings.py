"""Which pictures are on which node already, as far as the jobs painted there tell: what is there need not move.

A guess that costs only time where it is wrong: a node drops what it used longest ago, and says nothing of that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .job import Job
from .slot import Slot

MAX_BLOBS = 256  # remembered of a node: some dozens of jobs, and the film that is painted just now


class Holdings:
    """By node; the devices of one share its disk."""

    def __init__(self) -> None:
        self._held: dict[str, OrderedDict[str, None]] = {}

    def note(self, slot: Slot, blobs: Iterable[str]) -> None:
        """These are there now, or soon."""
        if slot.place != "studio":
            return
        held = self._held.setdefault(_node(slot), OrderedDict())
        for blob in blobs:
            held[blob] = None
            held.move_to_end(blob)
        while len(held) > MAX_BLOBS:
            held.popitem(last=False)

    def forget(self, nodes: Iterable[str]) -> None:
        """Of other nodes than these nothing is known any more."""
        left = {name.partition("/")[0] for name in nodes}
        self._held = {name: held for name, held in self._held.items() if name in left}

    def moving(self, slot: Slot, job: Job) -> int:
        """Bytes that have to move for a job to be painted in a slot. This machine has all."""
        recipe = job.asked.recipe
        if recipe is None or slot.place != "studio":
            return 0
        held = self._held.get(_node(slot), ())
        sizes = {image.blob: image.size_bytes for image in recipe.images if image.blob}
        return sum(size for blob, size in sizes.items() if blob not in held)


def _node(slot: Slot) -> str:
    return slot.device.partition("/")[0]
