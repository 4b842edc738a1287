"""The daemon's record of one job: what the scheduler changes, what the wire shows, what outlives a restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from vaporbrush_protocol.codec import decode, encode
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.job import Job as Seen
from vaporbrush_protocol.limits import DEFAULT_LEASE_S
from vaporbrush_protocol.messages import FINAL, TRANSITIONS, JobKind, JobState, OnLeaseEnd
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.rules import sha256, text, truth, uuid4

RECORD_VERSION = 1  # of the files in the spool; a record of another version is dropped at start
RECORD_KEYS = frozenset({
    "job", "kind", "label", "state", "seq", "position", "progress", "result", "error", "attempts", "notes", "record",
    "client", "digest", "recipe", "model", "released",
})  # fmt: skip
MAX_NOTES = 20  # a job is started three times at most; more notes than this would be a defect


@dataclass(frozen=True, slots=True)
class Preview:
    """The painting as it is now: packed RGB rows, 8 bits. Only the latest is kept."""

    number: int
    width: int
    height: int
    pixels: bytes


@dataclass(slots=True)
class Job:
    """One painting or one download. Only the scheduler changes it.

    `client` is whoever takes turns in the queue. `recipe` is what the worker paints: style names and the model are
    resolved. `digest` identifies what was asked for, so that a repeated `submit` is told from a different job with the
    same id. Times are monotonic seconds.
    """

    job: str
    client: str
    digest: str
    kind: JobKind = "paint"
    recipe: Recipe | None = None
    model: str = ""
    label: str = ""
    lease_s: float = DEFAULT_LEASE_S
    on_lease_end: OnLeaseEnd = "finish"
    blobs_were_here: bool = False
    state: JobState = "queued"
    seq: int = 1
    position: int = 0
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: VaporbrushError | None = None
    attempts: int = 0
    deaths: int = 0  # workers that died or got stuck while they ran this job
    plan_step: int = 0  # 1: the cheaper plan, after the device ran out of memory
    wanted: Literal["go", "finish"] = "go"
    released: bool = False
    notes: list[str] = field(default_factory=list)
    preview: Preview | None = None
    preview_asked: int = 0  # pixels of the longest side of the previews that clients ask for
    preview_side: int = 0  # what the worker was last told to make
    preview_until: float = 0.0  # when nobody will have asked for previews for a while
    lease_until: float | None = None
    ended: float = 0.0

    @property
    def final(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.state in FINAL

    @property
    def revivable(self) -> bool:
        """Whether the same job, submitted again, runs anew: it failed in a way that may pass."""
        return self.state == "failed" and self.error is not None and self.error.retryable

    @property
    def device(self) -> str:
        """The device that the recipe asks for."""
        return "auto" if self.recipe is None else self.recipe.device

    @property
    def input_bytes(self) -> int:
        """Bytes of the pictures that the job reads: what it costs to keep it in the queue."""
        return sum(image.size_bytes for image in images(self.recipe))

    @property
    def blobs(self) -> set[str]:
        """The blobs that the job reads."""
        return {image.blob for image in images(self.recipe)}

    @property
    def made(self) -> set[str]:
        """The blobs that the job made."""
        result = self.result or {}
        return {wire["blob"] for wire in (result.get("image"), result.get("canvas")) if wire}

    def move(self, state: JobState) -> None:
        """Enter another state. A move that the state table does not have is a defect."""
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"job {self.job}: {self.state} → {state} is not in the table")
        self.state = state
        self.seq += 1

    def note(self, sentence: str) -> None:
        """Tell the client something that is no error."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)

    def to_wire(self) -> dict[str, Any]:
        """The fields of a reply about this job."""
        return {
            "job": self.job,
            "kind": self.kind,
            "label": self.label,
            "state": self.state,
            "seq": self.seq,
            "position": self.position,
            "progress": None if self.progress is None else self.progress.to_wire(),
            "result": self.result,
            "error": None if self.error is None else self.error.to_wire(),
            "attempts": self.attempts,
            "notes": list(self.notes),
        }

    def to_record(self) -> dict[str, Any]:
        """What the spool keeps, so that the result can be fetched after a restart."""
        return {
            **self.to_wire(),
            "record": RECORD_VERSION,
            "client": self.client,
            "digest": self.digest,
            "recipe": None if self.recipe is None else self.recipe.to_wire(),
            "model": self.model,
            "released": self.released,
        }

    @classmethod
    def from_record(cls, raw: dict[str, Any], ended: float) -> Job:
        """Read a record; raises `ValueError`, `KeyError` or a `VaporbrushError` for one that cannot be used.

        A job that was not final is `failed`: the process that ran it is gone.
        """
        if raw["record"] != RECORD_VERSION:
            raise ValueError(f"record version {raw['record']}")
        if unknown := raw.keys() - RECORD_KEYS:
            raise ValueError(f"it has {', '.join(sorted(unknown))}")
        seen = Seen.from_wire(raw)  # what clients will be told has to keep the rules of the wire
        job = cls(
            job=uuid4("job", seen.job),
            client=text("client", raw["client"]),
            digest=sha256("digest", raw["digest"]),
            kind=seen.kind,
            recipe=None if raw["recipe"] is None else Recipe.from_wire(raw["recipe"]),
            model=text("model", raw["model"]),
            label=seen.label,
            state=seen.state,
            seq=seen.seq,
            progress=seen.progress,
            result=None if seen.result is None else dict(seen.result),
            error=seen.error,
            attempts=seen.attempts,
            released=truth("released", raw["released"]),
            notes=list(seen.notes),
            ended=ended,
        )
        pictures = [seen.image, seen.canvas]
        if job.kind == "paint" and (job.recipe is None or (job.state == "done" and pictures[0] is None)):
            raise ValueError("a painting without its recipe or its picture")
        decode(encode({"id": 0, **job.to_wire()}))
        if not job.final:
            job.state, job.seq = "failed", job.seq + 1
            job.error = RemoteError(
                "worker_crashed", "The daemon was restarted while this job waited or ran; submit it again to paint it."
            )
        return job

    def __repr__(self) -> str:
        step = f" {self.progress.phase} {self.progress.step}/{self.progress.steps}" if self.progress else ""
        return f"Job({self.job[:8]} {self.kind} {self.state}{step}, seq {self.seq}, attempts {self.attempts})"


def images(recipe: Recipe | None) -> Iterator[Image]:
    """Every picture that a recipe names by its blob."""
    if recipe is None:
        return
    yield recipe.content
    for style in recipe.styles:
        yield from (image for image in (style.image, style.mask) if image is not None)
    yield from (image for image in (recipe.mask, recipe.start_image) if image is not None)


def digest(kind: str, content: object) -> str:
    """What was asked for, as a hash: equal for equal requests."""
    return hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).hexdigest()
