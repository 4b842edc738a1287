"""The requests: one frozen record each, whose fields are declared, checked and documented in one place.

`parse_request` is what a daemon reads a header with; `to_wire` is what a client writes one with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from .codec import Buffer
from .errors import RequestError
from .history import STYLE_NAMES, style_names
from .limits import (
    DEFAULT_LEASE_S,
    MAX_BLOB_BYTES,
    MAX_CHUNK_BYTES,
    MAX_LEASE_S,
    MAX_WATCH_S,
    PREVIEW_SIDE,
    PROTOCOL_MAJOR,
)
from .recipe import Recipe
from .rules import MAX_INTEGER, digest, flag, identity, integer, line, read, real, ref, rule, sequence, whole, word
from .shown import in_words

JobKind = Literal["paint", "fetch"]
OnLeaseEnd = Literal["finish", "cancel"]


def _versions(name: str, value: object) -> tuple[int, ...]:
    return tuple(whole(f"{name}[{i}]", v, 0, 1000) for i, v in enumerate(sequence(name, value, 1, 16)))


def _recipe(_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value)


def _sizes_only(_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value, hashed=False)


_JOB = identity("which job")
_BLOB = digest("the hash of all its bytes")


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is calling, and which major versions it speaks."""

    client: str = field(default="", metadata=line("the program that calls, for the log and for people"))
    versions: tuple[int, ...] = field(
        default=(PROTOCOL_MAJOR,),
        metadata=rule(
            _versions,
            "list of 1 to 16 integers, 0 to 1000",
            "the major versions that the client speaks",
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 16,
                "items": {"type": "integer", "minimum": 0, "maximum": 1000},
            },
        ),
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

    recipe: Recipe = field(
        metadata=rule(_sizes_only, "map: a recipe", "its `blob`s may be empty", ref("estimated_recipe"))
    )


@dataclass(frozen=True, slots=True)
class Put:
    """A piece of a blob; without a chunk, a question how much of it is there."""

    blob: str = field(metadata=_BLOB)
    size: int = field(metadata=integer(1, MAX_BLOB_BYTES, "bytes of the whole blob"))
    offset: int = field(default=0, metadata=integer(0, MAX_BLOB_BYTES, "where in the blob the chunk belongs"))
    chunk: Buffer | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """Paint this. The same id again returns the job as it is now."""

    job: str = field(metadata=_JOB)
    recipe: Recipe = field(metadata=rule(_recipe, "map: a recipe", "what to paint", ref("recipe")))
    lease_s: float = field(
        default=DEFAULT_LEASE_S,
        metadata=real(
            1.0, MAX_LEASE_S, "seconds without a request about the job after which its client is taken for gone"
        ),
    )
    on_lease_end: OnLeaseEnd = field(default="finish", metadata=word(OnLeaseEnd, "what then becomes of the job"))
    label: str = field(default="", metadata=line("what people call it"))
    style_names: tuple[str, ...] = field(
        default=(),
        metadata=rule(
            style_names,
            "list of at most 8 texts",
            "what people call the styles, in their order; left out: the names in the recipe (since 1.1)",
            STYLE_NAMES,
        ),
    )
    history: bool = field(default=True, metadata=flag("whether the result is kept in the history (since 1.1)"))
    gives_way: bool = field(
        default=False,
        metadata=flag("whether it is told to finish as soon as another job waits for its device (since 1.1)"),
    )
    after: str | None = field(
        default=None, metadata=identity("the job from whose canvas it begins, once that is there (since 1.1)")
    )
    holds: bool = field(
        default=False,
        metadata=flag("with `after`: whether it is the film's frame after that one, and held to it (since 1.1)"),
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell me when the job has changed since `seen`."""

    job: str = field(metadata=_JOB)
    seen: int = field(default=0, metadata=integer(0, MAX_INTEGER, "the last `seq` that was seen"))
    wait_s: float = field(default=MAX_WATCH_S, metadata=real(0.0, MAX_WATCH_S, "seconds to wait at most"))
    preview: int = field(
        default=0, metadata=integer(0, PREVIEW_SIDE, "longest side of the wanted preview in pixels; 0: none")
    )
    preview_seen: int = field(default=0, metadata=integer(0, MAX_INTEGER, "`number` of the last preview that was seen"))


@dataclass(frozen=True, slots=True)
class Get:
    """A piece of a blob."""

    blob: str = field(metadata=_BLOB)
    offset: int = field(default=0, metadata=integer(0, MAX_BLOB_BYTES, "where in the blob to begin"))
    size: int = field(default=MAX_CHUNK_BYTES, metadata=integer(1, MAX_CHUNK_BYTES, "bytes wanted at most"))


@dataclass(frozen=True, slots=True)
class List:
    """A page of the jobs, oldest first."""

    after: str | None = field(default=None, metadata=identity("the last job of the previous page"))


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
    model: str = field(metadata=line("a name that `models` gives"))


@dataclass(frozen=True, slots=True)
class Unload:
    """End the idle workers: all their memory comes back."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the daemon: after the running jobs, or now."""

    now: bool = field(default=False, metadata=flag("do not wait for running jobs"))


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a job, step by step."""

    job: str = field(metadata=_JOB)


@dataclass(frozen=True, slots=True)
class History:
    """A page of what was painted before, the newest first."""

    after: str | None = field(default=None, metadata=identity("the last entry of the previous page"))


@dataclass(frozen=True, slots=True)
class Recall:
    """Bring a painting back: its pictures can be fetched, and named in a recipe, again."""

    job: str = field(metadata=identity("which entry: the job that painted it"))


@dataclass(frozen=True, slots=True)
class Pin:
    """Keep an entry, or no longer."""

    job: str = field(metadata=identity("which entry: the job that painted it"))
    pinned: bool = field(default=True, metadata=flag("whether it stays, whatever comes after it"))


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop an entry."""

    job: str = field(metadata=identity("which entry: the job that painted it"))


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
    | Story
    | History
    | Recall
    | Pin
    | Forget
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
    "story": Story,
    "history": History,
    "recall": Recall,
    "pin": Pin,
    "forget": Forget,
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
        raise RequestError(
            "unknown_request", f"`request` is {in_words(name)}, but must be one of {', '.join(REQUESTS)}."
        )
    given = read(kind, header)
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
            wire[each.name] = _plain(value)
    return wire


def _plain(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.to_wire()
    return list(value) if isinstance(value, tuple) else value
