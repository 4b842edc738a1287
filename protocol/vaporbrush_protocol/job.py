"""A job as a client sees it: one immutable record per reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codec import Buffer
from .errors import RemoteError
from .limits import MAX_SIDE
from .messages import JobKind
from .progress import Progress
from .recipe import Image
from .rules import (
    MAX_INTEGER,
    bad,
    count,
    line,
    mapping,
    read,
    real,
    ref,
    rule,
    sentence,
    sequence,
    text,
    whole,
    word,
)
from .states import FINAL, JobState

MAX_NOTES = 100
MAX_NOTE_BYTES = 4096
MAX_STORY = 1000  # entries


@dataclass(frozen=True, slots=True)
class Preview:
    """The painting as it is now, small: packed RGB rows, 8 bits, sRGB."""

    number: int
    width: int
    height: int
    pixels: Buffer


def _progress(_name: str, value: object) -> Progress:
    return Progress.from_wire(value)


def _error(name: str, value: object) -> RemoteError:
    return RemoteError.from_wire(mapping(name, value))


def _notes(name: str, value: object) -> tuple[str, ...]:
    listed = enumerate(sequence(name, value, 0, MAX_NOTES))
    return tuple(text(f"{name}[{i}]", note, MAX_NOTE_BYTES) for i, note in listed)


@dataclass(frozen=True, slots=True)
class Job:
    """The state of one job."""

    job: str = field(metadata=line("its id: a UUID"))
    state: JobState = field(metadata=word(JobState, "section 8"))
    seq: int = field(metadata=count("grows with every change"))
    kind: JobKind = field(default="paint", metadata=word(JobKind, "what it does"))
    label: str = field(default="", metadata=line("what people call it"))
    position: int = field(default=0, metadata=count("jobs before it in the queue"))
    progress: Progress | None = field(default=None, metadata=rule(_progress, "map", "section 7.4", ref("progress")))
    result: Mapping[str, Any] | None = field(
        default=None, metadata=rule(mapping, "map", "section 7.6; not nil when a painting is `done`", ref("result"))
    )
    error: RemoteError | None = field(
        default=None,
        metadata=rule(
            _error,
            "map",
            "as in section 3.2; not nil when the state is `failed`, or `cancelled`",
            ref("error"),
        ),
    )
    attempts: int = field(default=0, metadata=count("how often a worker began it"))
    notes: tuple[str, ...] = field(
        default=(),
        metadata=rule(
            _notes,
            "list of texts",
            "sentences for people about what happened on the way",
            {"type": "array", "maxItems": MAX_NOTES, "items": {"type": "string", "maxLength": MAX_NOTE_BYTES}},
        ),
    )
    preview: Preview | None = None

    @classmethod
    def from_wire(cls, wire: object, chunk: Buffer | None = None) -> Job:
        """Validate a reply's job fields; unknown fields are ignored. Raises `RequestError`."""
        raw = mapping("job", wire)
        return cls(**read(cls, raw), preview=_preview(raw.get("preview"), chunk))

    @property
    def final(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.state in FINAL

    @property
    def image(self) -> Image | None:
        """The delivered picture, once there is one."""
        return self._picture("image")

    @property
    def canvas(self) -> Image | None:
        """What was painted, at the painted size and unblended: a later job's `start_image`."""
        return self._picture("canvas")

    def _picture(self, name: str) -> Image | None:
        wire = None if self.result is None else self.result.get(name)
        return None if wire is None else Image.from_wire(f"result.{name}", wire)

    def __repr__(self) -> str:
        step = f", {self.progress.phase} {self.progress.step}/{self.progress.steps}" if self.progress else ""
        return f"Job({self.job[:8]} {self.state}{step}, seq {self.seq})"


@dataclass(frozen=True, slots=True)
class StoryEntry:
    """Something that happened to a job."""

    at: float = field(metadata=real(0.0, MAX_INTEGER, "when: Unix seconds"))
    state: JobState = field(metadata=word(JobState, "the job's state afterwards"))
    text: str = field(metadata=sentence("what happened, for people"))

    @classmethod
    def from_wire(cls, name: str, wire: object) -> StoryEntry:
        """Validate one entry of `entries`."""
        return cls(**read(cls, mapping(name, wire), f"{name}."))


def _preview(wire: object, chunk: Buffer | None) -> Preview | None:
    if wire is None:
        return None
    raw = mapping("preview", wire)
    preview = Preview(
        number=whole("preview.number", raw.get("number"), 0, MAX_INTEGER),
        width=whole("preview.width", raw.get("width"), 1, MAX_SIDE),
        height=whole("preview.height", raw.get("height"), 1, MAX_SIDE),
        pixels=b"" if chunk is None else chunk,
    )
    if len(preview.pixels) != preview.width * preview.height * 3:
        raise bad(
            "preview", f"{preview.width}×{preview.height}", f"as large as its chunk ({len(preview.pixels)} bytes)"
        )
    return preview
