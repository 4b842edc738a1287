"""A job as a client sees it: one immutable record per reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from .codec import Buffer
from .errors import RemoteError
from .limits import MAX_SIDE
from .messages import FINAL, JobKind, JobState
from .progress import Progress
from .recipe import Image
from .rules import MAX_INTEGER, bad, choice, mapping, sequence, text, whole

MAX_NOTES = 100
MAX_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Preview:
    """The painting as it is now, small: packed RGB rows, 8 bits, sRGB."""

    number: int
    width: int
    height: int
    pixels: Buffer


@dataclass(frozen=True, slots=True)
class Job:
    """The state of one job. `seq` grows with every change; `position` counts the jobs before it in the queue."""

    job: str
    state: JobState
    seq: int = 0
    kind: JobKind = "paint"
    label: str = ""
    position: int = 0
    progress: Progress | None = None
    result: Mapping[str, Any] | None = None
    error: RemoteError | None = None
    attempts: int = 0
    notes: tuple[str, ...] = ()
    preview: Preview | None = None

    @classmethod
    def from_wire(cls, wire: object, chunk: Buffer | None = None) -> Job:
        """Validate a reply's job fields; unknown fields are ignored. Raises `RequestError`."""
        raw = mapping("job", wire)
        progress, result, error = raw.get("progress"), raw.get("result"), raw.get("error")
        return cls(
            job=text("job", raw.get("job")),
            state=choice("state", raw.get("state"), get_args(JobState)),  # type: ignore[arg-type]
            seq=whole("seq", raw.get("seq"), 0, MAX_INTEGER),
            kind=choice("kind", raw.get("kind", "paint"), get_args(JobKind)),  # type: ignore[arg-type]
            label=text("label", raw.get("label", "")),
            position=whole("position", raw.get("position") or 0, 0, MAX_INTEGER),
            progress=None if progress is None else Progress.from_wire(progress),
            result=None if result is None else mapping("result", result),
            error=None if error is None else RemoteError.from_wire(mapping("error", error)),
            attempts=whole("attempts", raw.get("attempts", 0), 0, MAX_INTEGER),
            notes=tuple(
                text(f"notes[{i}]", note, MAX_NOTE_BYTES)
                for i, note in enumerate(sequence("notes", raw.get("notes", ()), 0, MAX_NOTES))
            ),
            preview=_preview(raw.get("preview"), chunk),
        )

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
