"""The daemon's record of one job: what the scheduler changes, what the wire shows, what outlives a restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from vaporbrush_daemon.workers.messages import Fetched
from vaporbrush_protocol.codec import decode, encode
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.job import Job as Seen
from vaporbrush_protocol.job import Preview
from vaporbrush_protocol.limits import DEFAULT_LEASE_S, MAX_HELD
from vaporbrush_protocol.messages import JobKind, OnLeaseEnd
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Held, Image, Recipe
from vaporbrush_protocol.result import Result
from vaporbrush_protocol.rules import bad, read, sha256, text, truth, uuid4
from vaporbrush_protocol.states import FINAL, JOB, JobState, follow

RECORD_VERSION = 1  # of the files in the spool; a record of another version is dropped at start
RECORD_KEYS = frozenset({
    "job", "kind", "label", "state", "seq", "position", "progress", "result", "error", "attempts", "notes", "record",
    "client", "digest", "recipe", "model", "released",
})  # fmt: skip
GRAIN_BYTES = 256 * 1024**2  # a prediction of memory is no finer
GUEST = "guest:"  # begins the client of a guest's job; the other clients are hexadecimal digits
MAX_NOTES = 20  # a job is started three times at most; more notes than this would be a defect


def in_grains(memory: int) -> int:
    """Predicted bytes of memory as `Needs` has them: rounded up to a GRAIN_BYTES."""
    return -(-memory // GRAIN_BYTES) * GRAIN_BYTES


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job asks of the place where it runs. The queue is looked through by it: few jobs' needs differ."""

    kind: JobKind
    device: str
    memory: int = 0  # bytes to paint it whole, to a GRAIN_BYTES; 0: nobody knows
    here: bool = False  # not on another machine
    gives_way: bool = False  # to every job that does not
    waits: bool = False  # for another job's end, and so for no place yet
    model: str = ""  # empty: whatever is there
    model_away: bool = False  # that is not on this machine


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client asked for.

    `client` is whoever takes turns in the queue. `recipe` is what the worker paints: style names and the model are
    resolved. `digest` identifies what was asked for, so that a repeated `submit` is distinguished from a different job
    with the same id.
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
    memory: int = 0  # bytes that painting it whole takes, as predicted; 0: not known
    style_names: tuple[str, ...] = ()  # what people call them; not kept in the record, whose keys old daemons know
    history: bool = True  # whether the result is kept after the job
    gives_way: bool = False  # whether it ends with what there is as soon as another job waits for its device
    after: str = ""  # the job from whose canvas it begins, until that has ended
    holds: bool = False  # whether it is held to that job's picture, as the next frame of a film
    model_away: bool = False  # whether the model's weights are on other machines only

    @property
    def guest(self) -> bool:
        """Whether a guest asks."""
        return self.client.startswith(GUEST)

    @property
    def guest_name(self) -> str:
        """The guest who asks; empty: the daemon's own user."""
        return self.client.removeprefix(GUEST) if self.guest else ""

    @property
    def needs(self) -> Needs:
        """What decides where it may run. A guest's job stays here: two machines could hand it to and fro."""
        model = "" if self.recipe is None or self.recipe.model == "auto" else self.recipe.model
        waits = bool(self.after)
        return Needs(
            self.kind, self.device, in_grains(self.memory), self.guest, self.gives_way, waits, model, self.model_away
        )

    def check_follows(self, before: JobRequest) -> None:
        """Raise `bad_field` where this job cannot be held to that one as its `holds` wants."""
        mine, other = self.recipe, before.recipe
        if not self.holds or mine is None or other is None:
            return
        if (mine.content.width, mine.content.height) != (other.content.width, other.content.height):
            raise bad(
                "content",
                f"{mine.content.width}×{mine.content.height}",
                f"as large as that of the job in `after`, {other.content.width}×{other.content.height}",
            )
        if len(mine.held) >= MAX_HELD:
            raise bad("held", f"{len(mine.held)} frames", f"at most {MAX_HELD - 1} where `holds` adds one")

    def following(self, before: JobRequest, canvas: Image | None) -> JobRequest:
        """What is asked for when that job has ended, with this canvas or without any."""
        mine, other = self.recipe, before.recipe
        if canvas is None or mine is None or other is None:
            return replace(self, after="")
        if self.holds:
            recipe = replace(mine, held=(Held(other.content, canvas), *mine.held))
        else:
            recipe = replace(mine, start_image=canvas)
        return replace(self, after="", recipe=recipe)

    @property
    def device(self) -> str:
        """The device that the recipe asks for."""
        return "auto" if self.recipe is None else self.recipe.device

    @property
    def input_bytes(self) -> int:
        """Bytes of the pictures that the job reads: what it costs to keep it in the queue."""
        return 0 if self.recipe is None else sum(image.size_bytes for image in self.recipe.images)

    @property
    def blobs(self) -> set[str]:
        """The blobs that the job reads."""
        return set() if self.recipe is None else {image.blob for image in self.recipe.images if image.blob}


@dataclass(slots=True)
class Job:
    """One painting or one download. Only the scheduler changes it. Times are monotonic seconds."""

    asked: JobRequest
    _state: JobState = "queued"
    seq: int = 1
    position: int = 0  # as reported last
    progress: Progress | None = None
    result: Result | Fetched | None = None
    error: VaporbrushError | None = None
    attempts: int = 0
    deaths: int = 0  # workers that died or got stuck while they ran this job
    losses: int = 0  # of the machine that painted it, which are not its fault
    plan_step: int = 0  # 1: the cheaper plan, after the device ran out of memory
    wanted: Literal["go", "finish"] = "go"
    released: bool = False
    notes: list[str] = field(default_factory=list)
    preview: Preview | None = None  # only the latest is kept
    preview_asked: int = 0  # pixels of the longest side of the previews that clients ask for
    preview_side: int = 0  # what the worker was last asked to make
    preview_until: float = 0.0  # when nobody will have asked for previews for a while
    lease_until: float | None = None
    began: float = 0.0
    ended: float = 0.0
    slot: int = 0  # where it was begun last
    beside: int = 0  # where the job before it was: there its canvas is, and the painter warm

    @property
    def job(self) -> str:
        """The id."""
        return self.asked.job

    @property
    def kind(self) -> JobKind:
        """Painting or download."""
        return self.asked.kind

    @property
    def client(self) -> str:
        """Whose it is."""
        return self.asked.client

    @property
    def state(self) -> JobState:
        """Where in its life it is."""
        return self._state

    @property
    def final(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._state in FINAL

    @property
    def revivable(self) -> bool:
        """Whether the same job, submitted again, runs anew: it failed in a way that may pass, or its result is gone."""
        failed = self._state == "failed" and self.error is not None and self.error.retryable
        return failed or (self._state == "done" and self.released)

    def is_asked_by(self, digest: str) -> bool:
        """Whether a request of this digest asks for the job as it is, and not for another, or for a new run."""
        return self.asked.digest == digest and not self.revivable

    @property
    def made(self) -> set[str]:
        """The blobs that the job made."""
        if not isinstance(self.result, Result):
            return set()
        return {image.blob for image in (self.result.image, self.result.canvas) if image is not None}

    def move(self, state: JobState) -> None:
        """Enter another state. Raises `ImpossibleMove` for one that the table does not allow."""
        self._state = follow(JOB, self._state, state, f"job {self.job}")
        self.seq += 1

    def restart(self, asked: JobRequest) -> None:
        """Queue an ended job anew, as if it had just come; what clients count goes on counting."""
        self.move("queued")
        fresh = Job(asked, self._state, seq=self.seq, attempts=self.attempts)
        for each in fields(Job):
            setattr(self, each.name, getattr(fresh, each.name))

    def note(self, sentence: str) -> None:
        """Tell the client something that is no error."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)

    def to_wire(self) -> dict[str, Any]:
        """The fields of a reply about this job."""
        return {
            "job": self.job,
            "kind": self.kind,
            "label": self.asked.label,
            "state": self._state,
            "seq": self.seq,
            "position": self.position,
            "progress": None if self.progress is None else self.progress.to_wire(),
            "result": None if self.result is None else self.result.to_wire(),
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
            "digest": self.asked.digest,
            "recipe": None if self.asked.recipe is None else self.asked.recipe.to_wire(),
            "model": self.asked.model,
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
        seen = Seen.from_wire(raw)  # what clients will get has to keep the rules of the wire
        asked = JobRequest(
            job=uuid4("job", seen.job),
            client=text("client", raw["client"]),
            digest=sha256("digest", raw["digest"]),
            kind=seen.kind,
            recipe=None if raw["recipe"] is None else Recipe.from_wire(raw["recipe"]),
            model=text("model", raw["model"]),
            label=seen.label,
        )
        job = cls(
            asked,
            seen.state,
            seq=seen.seq,
            progress=seen.progress,
            result=None if seen.result is None else _result(seen.job, seen.kind, seen.result),
            error=seen.error,
            attempts=seen.attempts,
            released=truth("released", raw["released"]),
            notes=list(seen.notes),
            ended=ended,
        )
        if job.kind == "paint" and (asked.recipe is None or (job.state == "done" and job.result is None)):
            raise ValueError("a painting without its recipe or its picture")
        decode(encode({"id": 0, **job.to_wire()}))
        if not job.final:
            job.move("failed")
            job.error = RemoteError(
                "worker_crashed", "The daemon was restarted while this job waited or ran; submit it again to paint it."
            )
        return job

    def __repr__(self) -> str:
        step = f" {self.progress.phase} {self.progress.step}/{self.progress.steps}" if self.progress else ""
        return f"Job({self.job[:8]} {self.kind} {self._state}{step}, seq {self.seq}, attempts {self.attempts})"


def _result(job: str, kind: JobKind, raw: Mapping[str, Any]) -> Result | Fetched:
    return Result.from_wire(raw) if kind == "paint" else Fetched(**read(Fetched, {**raw, "job": job}))


def digest(kind: str, content: object) -> str:
    """What was asked for, as a hash: equal for equal requests."""
    return hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).hexdigest()
