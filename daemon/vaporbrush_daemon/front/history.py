"""Which paintings are kept after their jobs, and which of them go first. Pure: files are the affair of `history_files`.

Every entry belongs to somebody: a guest by name, or the daemon's own user (""). Each has the last `most` of its own,
and beside them what it has pinned. All of them together have room for so many bytes, a picture that several entries
have counted once. Where that does not suffice, guests' entries go first, then the owner's, each the oldest first; what
is pinned never goes by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.history import HistoryEntry
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.rules import MAX_INTEGER, mapping, sha256, text, truth, uuid4, whole

RECORD_VERSION = 1  # of the files; a record of another version goes to quarantine
MAX_PINS = 200  # of one person: a list that nobody looks through any more, and a bound for tiny pictures
GUESTS_SHARE = 4  # guests may pin one part in so many of the room, all of them together: it is the owner's disk


@dataclass(frozen=True, slots=True)
class Entry:
    """One painting that is kept. `number` tells the order in which they came: clocks jump. `blobs` are its pictures
    with their bytes: what is delivered, the thumbnail, and what its recipe names beside the content.
    """

    number: int
    guest: str
    recipe: Recipe
    blobs: Mapping[str, int]
    shown: HistoryEntry

    @property
    def job(self) -> str:
        """Its id."""
        return self.shown.job

    def to_record(self) -> dict[str, Any]:
        """What the disk keeps."""
        return {
            "record": RECORD_VERSION,
            "job": self.job,
            "number": self.number,
            "guest": self.guest,
            "recipe": self.recipe.to_wire(),
            "blobs": dict(self.blobs),
            "shown": self.shown.to_wire(),
        }

    @classmethod
    def from_record(cls, raw: Mapping[str, Any], _used: float = 0.0) -> Entry:
        """Read a record; raises `ValueError`, `KeyError` or a `VaporbrushError` for one that cannot be used."""
        if raw["record"] != RECORD_VERSION:
            raise ValueError(f"record version {raw['record']}")
        sizes = mapping("blobs", raw["blobs"]).items()
        entry = cls(
            number=whole("number", raw["number"], 0, MAX_INTEGER),
            guest=text("guest", raw["guest"]),
            recipe=Recipe.from_wire(raw["recipe"]),
            blobs={sha256("blobs", blob): whole(f"blobs.{blob}", size, 1, MAX_INTEGER) for blob, size in sizes},
            shown=HistoryEntry.from_wire("shown", raw["shown"]),
        )
        if uuid4("job", raw["job"]) != entry.job:
            raise ValueError("its name is another job's")
        truth("pinned", entry.shown.pinned)
        for image in (entry.shown.image, entry.shown.thumb):
            if entry.blobs.get(image.blob) != image.size_bytes:
                raise ValueError("a picture without its bytes")
        return entry


def pictures(image: Image, recipe: Recipe) -> list[Image]:
    """What is kept of a painting: what was delivered, and what its recipe names beside the content."""
    named = [one for one in recipe.images if one.blob and one.blob != recipe.content.blob]
    return [image, *{one.blob: one for one in named if one.blob != image.blob}.values()]


@dataclass(slots=True)
class History:
    """All entries. `most` is how many each person has beside the pinned ones, `room` in bytes."""

    most: int
    room: int
    entries: dict[str, Entry] = field(default_factory=dict)
    number: int = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    @property
    def blobs(self) -> dict[str, int]:
        """Every picture that an entry has, with its bytes."""
        return _all(self)

    def of(self, guest: str) -> list[Entry]:
        """Somebody's entries, the newest first."""
        return sorted((one for one in self if one.guest == guest), key=lambda one: -one.number)

    def bytes_of(self, guest: str) -> int:
        """Bytes of somebody's entries."""
        return sum(_all(self.of(guest)).values())

    def get(self, job: str, guest: str) -> Entry:
        """One of somebody's entries. Raises `unknown_job`."""
        entry = self.entries.get(job)
        if entry is None or entry.guest != guest:
            raise RequestError("unknown_job", f"The history has no entry {job} (any more).")
        return entry

    def put(self, entry: Entry) -> None:
        """Add an entry as it was kept on the disk."""
        self.entries[entry.job] = entry
        self.number = max(self.number, entry.number)

    def add(self, entry: Entry) -> list[Entry]:
        """Add a new one, in the place of an earlier one of the same job. Returns what had to go: maybe itself."""
        before = self.entries.get(entry.job)
        if before is not None and before.guest == entry.guest and before.shown.pinned:
            entry = replace(entry, shown=replace(entry.shown, pinned=True))
        self.put(entry)
        return self.trim()

    def trim(self) -> list[Entry]:
        """Let go what is too much. Returns that."""
        gone = []
        for guest in {entry.guest for entry in self}:
            loose = [entry for entry in self.of(guest) if not entry.shown.pinned]
            gone += [self.entries.pop(entry.job) for entry in loose[self.most :]]
        while sum(self.blobs.values()) > self.room and (entry := self.give_way()) is not None:
            gone.append(entry)
        return gone

    def give_way(self) -> Entry | None:
        """Let the entry go that goes first; None where only pinned ones are left."""
        loose = [entry for entry in self if not entry.shown.pinned]
        if not loose:
            return None
        first = min(loose, key=lambda one: (not one.guest, one.number))
        return self.entries.pop(first.job)

    def pin(self, job: str, guest: str, *, pinned: bool) -> tuple[Entry, list[Entry]]:
        """Have an entry stay, or no longer. Returns it, and what then had to go. Raises `unknown_job`, `disk_full`."""
        entry = self.get(job, guest)
        if pinned and not entry.shown.pinned:
            self._check_pin(entry)
        entry = replace(entry, shown=replace(entry.shown, pinned=pinned))
        self.entries[job] = entry
        return entry, self.trim()

    def _check_pin(self, entry: Entry) -> None:
        held = [one for one in self if one.shown.pinned]
        own = sum(one.guest == entry.guest for one in held)
        if own >= MAX_PINS:
            raise RequestError("disk_full", f"{own} paintings are pinned already; unpin one first.")
        room = self.room // GUESTS_SHARE if entry.guest else self.room
        if entry.guest:
            held = [one for one in held if one.guest]
        wanted = sum(_all([*held, entry]).values())
        if wanted > room:
            raise RequestError(
                "disk_full",
                f"Pinned paintings may take {room} bytes, and with this one they would take {wanted}: unpin one first, "
                "or raise `spool_bytes` in config.toml.",
            )

    def forget(self, job: str, guest: str) -> Entry | None:
        """Drop an entry; None where there is none."""
        entry = self.entries.get(job)
        return self.entries.pop(job) if entry is not None and entry.guest == guest else None


def _all(entries: History | list[Entry]) -> dict[str, int]:
    return {blob: size for entry in entries for blob, size in entry.blobs.items()}
