"""The replies: one frozen record each, as the requests have.

A reply has all of its record's fields; one that is nil is said to be so by its default. Clients read leniently (unknown
fields are ignored, see `Job.from_wire`); `check_reply` is strict, for those who test a daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Any

from .codec import Buffer
from .controls import BY_NAME, TUNED
from .errors import RequestError
from .history import HistoryEntry, HistoryPage, RecallReply
from .job import Job, StoryEntry
from .limits import MAX_BLOB_BYTES, MAX_SIDE, PREVIEW_SIDE
from .nested import MANY, checked, records
from .progress import Progress
from .recipe import Image
from .result import Result
from .rules import (
    MAX_INTEGER,
    Rule,
    amount,
    choice,
    count,
    flag,
    integer,
    line,
    map_of,
    mapping,
    number,
    optional,
    real,
    ref,
    rule,
    sentence,
    sequence,
    truth,
    whole,
)
from .status import Status

# ── nested records ─────────────────────────────────────────────────────────────────────────────────


def _image(name: str, value: object) -> Image:
    return Image.from_wire(name, value)


def _jobs(name: str, value: object) -> list[Any]:
    return [_job(f"{name}[{i}]", one) for i, one in enumerate(sequence(name, value, 0, MANY))]


def _job(name: str, value: object) -> dict[str, Any]:
    given = checked(Job, name, value)
    raw = mapping(name, value)
    for part, kind in (("progress", Progress), ("result", Result), ("error", Refusal)):
        if raw[part] is not None:
            checked(kind, f"{name}.{part}", raw[part])
    return given


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Refusal:
    """`error` in a reply, and in a job that failed."""

    code: str = field(metadata=line("section 9; for programs"))
    message: str = field(metadata=sentence("one sentence for people: what was wrong, and what to do"))
    retryable: bool = field(metadata=flag("whether the same request may succeed later"))
    retry_after_s: float | None = field(
        default=None, metadata=optional(amount("seconds until that may be worthwhile; may be absent"))
    )


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers."""

    version: int = field(metadata=integer(1, 1000, "the major version in force"))
    minor: int = field(metadata=integer(0, 1000, "the daemon's minor version"))
    daemon: str = field(metadata=line("name and version of the program, such as `vaporbrush 0.1.0`"))
    boot: str = field(metadata=line("random for each life of the daemon's process"))
    pid: int = field(metadata=count("its process id"))
    limits: Mapping[str, float] = field(
        metadata=map_of(
            lambda name, value: number(name, value, 0, float(MAX_INTEGER)), "number", {"type": "number"}, "section 10"
        )
    )
    log: str = field(metadata=sentence("path of its log file, for error messages"))


@dataclass(frozen=True, slots=True)
class Nothing:
    """No fields."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model in `models`."""

    name: str = field(metadata=line("what a recipe calls it"))
    present: bool = field(metadata=flag("whether its weights are on this machine"))
    bytes: int = field(metadata=count("of its file"))
    sha256: str = field(metadata=line("of its file; empty where nobody knows it beforehand"))
    source: str = field(metadata=sentence("where the file came from"))
    message: str = field(metadata=sentence("what to do to get it; empty when it is there"))


@dataclass(frozen=True, slots=True)
class Models:
    """Which models there are."""

    models: tuple[Model, ...] = field(metadata=records(Model, "the models, the full one first"))
    auto: str = field(metadata=line("the model that the name `auto` means now; empty when none is present"))
    message: str = field(
        metadata=sentence("one sentence with the command that gets the full model; empty when it is there")
    )


def _tuned(name: str) -> Rule:
    control = BY_NAME[name]
    return real(control.low, control.high, "the value with which the style looks best")


StyleEntry = make_dataclass(
    "StyleEntry",
    [
        ("name", str, field(metadata=line("what a recipe calls it"))),
        ("title", str, field(metadata=sentence("what people call it"))),
        ("description", str, field(metadata=sentence("what it looks like; may be empty"))),
        *((name, float, field(metadata=_tuned(name))) for name in TUNED),
        ("width", int, field(metadata=integer(1, MAX_INTEGER, "pixels of the picture"))),
        ("height", int, field(metadata=integer(1, MAX_INTEGER, "pixels of the picture"))),
        ("thumb", Image, field(metadata=rule(_image, "an image", "a small one", ref("image")))),
    ],
    frozen=True,
)


@dataclass(frozen=True, slots=True)
class Styles:
    """Which styles there are."""

    styles: tuple[Any, ...] = field(
        metadata=records(
            StyleEntry,
            f"{', '.join(f'`{name}`' for name in TUNED)}: the values with which the style looks best; `thumb`: an "
            "image, `RGB` `u8`, at most 128 pixels: fetch its blob with `get`",
        )
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a recipe would cost."""

    painted_width: int = field(metadata=integer(1, MAX_SIDE, "pixels that will be painted"))
    painted_height: int = field(metadata=integer(1, MAX_SIDE, "pixels that will be painted"))
    width: int = field(metadata=integer(1, MAX_SIDE, "pixels that will be delivered: the content's size"))
    height: int = field(metadata=integer(1, MAX_SIDE, "pixels that will be delivered: the content's size"))
    seconds: float = field(
        metadata=amount("predicted, with the start of a worker where none is ready, without the queue")
    )
    memory_bytes: int = field(metadata=count("predicted, on the device"))
    plan: str = field(metadata=line("for people, such as `untiled, bf16, history 10`"))
    model: str = field(metadata=line("what `auto` means here"))
    device: str = field(metadata=line("what `auto` means here"))
    measured: bool = field(metadata=flag("whether the device's speed was measured, or is guessed"))
    at_once: int = field(
        default=1,
        metadata=optional(
            integer(
                1, MAX_INTEGER, "how many such paintings can run side by side, as far as is known; absent before 1.1"
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class Put:
    """How much of a blob there is."""

    have: int = field(metadata=integer(0, MAX_BLOB_BYTES, "bytes that are there, contiguous from the first"))
    complete: bool = field(metadata=flag("whether that is all of them"))


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview's description; its pixels are the chunk."""

    number: int = field(metadata=count("grows with every preview of a job"))
    width: int = field(metadata=integer(1, PREVIEW_SIDE, "pixels"))
    height: int = field(metadata=integer(1, PREVIEW_SIDE, "pixels"))
    channels: str = field(
        metadata=rule(
            lambda name, value: choice(name, value, ("RGB",)), "text: `RGB`", "8 bits, sRGB", {"const": "RGB"}
        )
    )


@dataclass(frozen=True, slots=True)
class Get:
    """A piece of a blob; the bytes are the chunk."""

    offset: int = field(metadata=integer(0, MAX_BLOB_BYTES, "as asked"))
    total: int = field(metadata=integer(1, MAX_BLOB_BYTES, "bytes of the whole blob"))


@dataclass(frozen=True, slots=True)
class List:
    """A page of jobs."""

    jobs: tuple[Job, ...] = field(
        metadata=rule(
            _jobs,
            "list of maps",
            "jobs (section 7.5), their `result` always nil: `watch` gives it",
            {"type": "array", "items": ref("job")},
        )
    )
    more: bool = field(metadata=flag("whether another page follows"))


@dataclass(frozen=True, slots=True)
class Unload:
    """What became of the workers."""

    unloaded: int = field(metadata=count("workers that are ended"))
    busy: int = field(metadata=count("workers that were left alone"))


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a job."""

    job: str = field(metadata=line("as asked"))
    entries: tuple[StoryEntry, ...] = field(metadata=records(StoryEntry, "what happened, oldest first"))


REPLIES: dict[str, type] = {
    "hello": Hello,
    "ping": Nothing,
    "status": Status,
    "models": Models,
    "styles": Styles,
    "estimate": Estimate,
    "put": Put,
    "submit": Job,
    "watch": Job,
    "get": Get,
    "list": List,
    "cancel": Job,
    "finish": Job,
    "release": Job,
    "fetch_model": Job,
    "unload": Unload,
    "shutdown": Nothing,
    "story": Story,
    "history": HistoryPage,
    "recall": RecallReply,
    "pin": HistoryEntry,
    "forget": Nothing,
}


def check_reply(request: str, header: Mapping[str, Any], chunk: Buffer | None) -> None:
    """Whether a daemon's reply to a request of this name is as the specification says. Raises `RequestError` if not."""
    if "id" not in header:
        raise RequestError("bad_field", "`id` is missing; every reply repeats it.")
    if header["id"] is not None:
        whole("id", header["id"], 0, MAX_INTEGER)
    if not truth("ok", header.get("ok")):
        checked(Refusal, "error", header.get("error"))
    elif REPLIES[request] is Job:
        _job("", header)
    else:
        checked(REPLIES[request], "", header)
    preview = header.get("preview") if request == "watch" else None
    if preview is not None:
        shown = checked(Preview, "preview", preview)
        expected = shown["width"] * shown["height"] * 3
        if chunk is None or len(memoryview(chunk)) != expected:
            raise RequestError("bad_frame", f"`preview` is {expected} bytes, which the chunk has to be.")
    elif (chunk is not None) != (request == "get" and header["ok"] is True):
        raise RequestError(
            "bad_frame", f"The reply to `{request}` came {'with' if chunk is not None else 'without'} a chunk."
        )
