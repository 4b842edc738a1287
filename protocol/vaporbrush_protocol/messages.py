"""The requests: one frozen record each, whose fields are declared, checked and documented in one place.

`parse_request` is what a daemon reads a header with; `to_wire` is what a client writes one with.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from .codec import MAX_INTEGER, Buffer
from .errors import RequestError
from .limits import (
    DEFAULT_LEASE_S,
    MAX_BLOB_BYTES,
    MAX_CHUNK_BYTES,
    MAX_LEASE_S,
    MAX_WATCH_S,
    PREVIEW_SIDE,
    PROTOCOL_MAJOR,
)
from .recipe import Recipe, bad, choice, number, sequence, sha256, text, truth, whole

JobState = Literal["queued", "running", "done", "cancelled", "failed"]
JobKind = Literal["paint", "fetch"]
OnLeaseEnd = Literal["finish", "cancel"]

# What may follow each state. `running → queued` is the one retry after a dead worker; `failed → queued` is the same job
# submitted again after a retryable error.
TRANSITIONS: dict[JobState, tuple[JobState, ...]] = {
    "queued": ("running", "cancelled", "failed"),
    "running": ("done", "cancelled", "failed", "queued"),
    "done": (),
    "cancelled": (),
    "failed": ("queued",),
}
FINAL: tuple[JobState, ...] = ("done", "cancelled", "failed")  # nothing happens in these without a new `submit`

Check = Callable[[str, Any], Any]


def job_id(field_name: str, value: object) -> str:
    """A UUID of version 4 as 36 lower-case characters: the client makes it, so that a retry is the same job."""
    try:
        parsed = uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value or parsed.version != 4:
        raise bad(field_name, value, "a UUID (version 4, lower case)")
    return str(parsed)


def _versions(field_name: str, value: object) -> tuple[int, ...]:
    return tuple(whole(f"{field_name}[{i}]", v, 0, 1000) for i, v in enumerate(sequence(field_name, value, 1, 16)))


def _recipe(_field_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value)


def _sizes_only(_field_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value, hashed=False)


def _within(low: int, high: int) -> Check:
    return lambda name, value: whole(name, value, low, high)


def _seconds(low: float, high: float) -> Check:
    return lambda name, value: number(name, value, low, high)


def _lease_end(field_name: str, value: object) -> str:
    return choice(field_name, value, ("finish", "cancel"))


def _rule(check: Check, says: str) -> dict[str, Any]:
    """What a field must be: as code, and in the words of the specification's tables."""
    return {"check": check, "says": says}


_JOB = _rule(job_id, "text: a UUID of version 4, 36 lower-case characters")
_BLOB = _rule(sha256, "text: a sha256, 64 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is calling, and which major versions it speaks."""

    client: str = field(default="", metadata=_rule(text, "text, at most 200 bytes"))
    versions: tuple[int, ...] = field(
        default=(PROTOCOL_MAJOR,), metadata=_rule(_versions, "list of 1 to 16 integers: major versions")
    )


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything about the daemon that a person may want to know."""


@dataclass(frozen=True, slots=True)
class Models:
    """Which models there are."""


@dataclass(frozen=True, slots=True)
class Styles:
    """Which bundled and user styles there are."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a recipe would cost. The hashes in it may be empty."""

    recipe: Recipe = field(metadata=_rule(_sizes_only, "map: a recipe; its `blob`s may be empty"))


@dataclass(frozen=True, slots=True)
class Put:
    """A piece of a blob; without a chunk, a question how much of it is there."""

    blob: str = field(metadata=_BLOB)
    size: int = field(metadata=_rule(_within(1, MAX_BLOB_BYTES), "integer, 1 to 2147483648: bytes of the whole blob"))
    offset: int = field(default=0, metadata=_rule(_within(0, MAX_BLOB_BYTES), "integer: where in it the chunk belongs"))
    chunk: Buffer | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """Paint this. The same id again returns the job as it is now."""

    job: str = field(metadata=_JOB)
    recipe: Recipe = field(metadata=_rule(_recipe, "map: a recipe"))
    lease_s: float = field(
        default=DEFAULT_LEASE_S, metadata=_rule(_seconds(1.0, MAX_LEASE_S), "number, 1 to 3600: seconds")
    )
    on_lease_end: OnLeaseEnd = field(default="finish", metadata=_rule(_lease_end, "text: `finish` or `cancel`"))
    label: str = field(default="", metadata=_rule(text, "text, at most 200 bytes: what people call it"))


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell me when the job has changed since `seen`."""

    job: str = field(metadata=_JOB)
    seen: int = field(default=0, metadata=_rule(_within(0, MAX_INTEGER), "integer: the last `seq` that was seen"))
    wait_s: float = field(
        default=MAX_WATCH_S, metadata=_rule(_seconds(0.0, MAX_WATCH_S), "number, 0 to 30: seconds to wait at most")
    )
    preview: int = field(
        default=0, metadata=_rule(_within(0, PREVIEW_SIDE), "integer, 0 to 512: its longest side in pixels, 0 for none")
    )
    preview_seen: int = field(
        default=0, metadata=_rule(_within(0, MAX_INTEGER), "integer: `number` of the last preview that was seen")
    )


@dataclass(frozen=True, slots=True)
class Get:
    """A piece of a blob."""

    blob: str = field(metadata=_BLOB)
    offset: int = field(default=0, metadata=_rule(_within(0, MAX_BLOB_BYTES), "integer: where in it to begin"))
    size: int = field(
        default=MAX_CHUNK_BYTES, metadata=_rule(_within(1, MAX_CHUNK_BYTES), "integer, 1 to 1048576: bytes at most")
    )


@dataclass(frozen=True, slots=True)
class List:
    """A page of the jobs, oldest first."""

    after: str | None = field(default=None, metadata=_rule(job_id, "text: the last job of the previous page"))


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop, and keep nothing."""

    job: str = field(metadata=_JOB)


@dataclass(frozen=True, slots=True)
class Finish:
    """Stop now, and deliver what there is."""

    job: str = field(metadata=_JOB)


@dataclass(frozen=True, slots=True)
class Release:
    """I have what I want: its files may go."""

    job: str = field(metadata=_JOB)


@dataclass(frozen=True, slots=True)
class FetchModel:
    """Download a model's weights; a job like any other."""

    job: str = field(metadata=_JOB)
    model: str = field(metadata=_rule(text, "text, at most 200 bytes: a name that `models` gives"))


@dataclass(frozen=True, slots=True)
class Unload:
    """End the idle workers: all their memory comes back."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the daemon: after the running jobs, or now."""

    now: bool = field(default=False, metadata=_rule(truth, "true or false"))


Request = (
    Hello
    | Ping
    | Status
    | Models
    | Styles
    | Estimate
    | Put
    | Submit
    | Watch
    | Get
    | List
    | Cancel
    | Finish
    | Release
    | FetchModel
    | Unload
    | Shutdown
)

REQUESTS: dict[str, type[Request]] = {
    "hello": Hello,
    "ping": Ping,
    "status": Status,
    "models": Models,
    "styles": Styles,
    "estimate": Estimate,
    "put": Put,
    "submit": Submit,
    "watch": Watch,
    "get": Get,
    "list": List,
    "cancel": Cancel,
    "finish": Finish,
    "release": Release,
    "fetch_model": FetchModel,
    "unload": Unload,
    "shutdown": Shutdown,
}
NAMES: dict[type[Request], str] = {made: name for name, made in REQUESTS.items()}
IDEMPOTENT = frozenset(REQUESTS) - {"shutdown"}  # may be sent again when the reply was lost


def parse_request(header: Mapping[str, Any], chunk: Buffer | None = None) -> Request:
    """The request in a decoded header. Unknown fields are ignored, a nil is a field left out.

    Raises `RequestError`: `unknown_request`, `bad_field`, `bad_frame`, `too_large`.
    """
    name = header.get("request")
    kind = REQUESTS.get(name) if isinstance(name, str) else None
    if kind is None:
        shown = repr(name[:40]) if isinstance(name, str) else f"a {type(name).__name__}"
        raise RequestError("unknown_request", f"`request` is {shown}, but must be one of {', '.join(REQUESTS)}.")
    given: dict[str, Any] = {}
    for each in fields(kind):
        if not each.metadata:
            continue
        value = header.get(each.name)
        if value is not None:
            given[each.name] = each.metadata["check"](each.name, value)
        elif each.default is MISSING:
            raise RequestError("bad_field", f"`{each.name}` is missing: `{name}` needs it.")
    if chunk is not None:
        if kind is not Put:
            raise RequestError("bad_frame", f"`{name}` came with a chunk, but only `put` carries one.")
        given["chunk"] = chunk
    request = kind(**given)
    if isinstance(request, Put):
        _check_put(request)
    return request


def _check_put(put: Put) -> None:
    end = put.offset + (0 if put.chunk is None else len(put.chunk))
    if end > put.size:
        raise RequestError(
            "bad_field", f"The chunk ends at byte {end}, but `size` says that the blob has {put.size} bytes."
        )


def to_wire(request: Request) -> dict[str, Any]:
    """The header of a request, without its id; the chunk of a `put` travels as a frame of its own."""
    wire: dict[str, Any] = {"request": NAMES[type(request)]}
    for each in fields(request):
        value = getattr(request, each.name)
        if each.metadata and value is not None:
            wire[each.name] = value.to_wire() if isinstance(value, Recipe) else value
    return wire
