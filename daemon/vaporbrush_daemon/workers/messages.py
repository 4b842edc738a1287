"""What the front and a worker say to each other: one frozen record each, with the same rules as the wire's.

Theory of operation. The front sends commands, a worker sends events; `pipe` frames them. A worker says `Ready` once,
and after that something at least every second while it is at work (`Alive`, where there is nothing else to say). Each
`Paint` is answered by `Done` or `Failed`, after any number of `Progressed`; `Cancel`, `Finish` and `ShowPreview`
concern the present job and are not answered. A process that downloads gets no commands but `End`, is about one job
from the start, and its answer is `Fetched` or `Failed`.

What breaks the rules raises `RequestError`. The front then ends the worker and fails its job: a process that has lost
its mind may have lost the painting too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from vaporbrush_protocol.errors import CODES, RemoteError, RequestError
from vaporbrush_protocol.limits import MAX_BLOB_BYTES, PREVIEW_SIDE
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Recipe
from vaporbrush_protocol.result import Result
from vaporbrush_protocol.rules import (
    MAX_INTEGER,
    bad,
    choice,
    identity,
    integer,
    line,
    mapping,
    read,
    real,
    rule,
    sequence,
    sha256,
    text,
    texts,
)

MAX_DEVICES = 64  # of one machine
STUDIO_DEVICES = 96  # of all nodes: with names as long as can be, `status` tells of no more in its 64 KiB
SLOWEST_S = 1e6  # a megapixel-step; a slow processor needs ten
EXIT_AWAY = 69  # EX_UNAVAILABLE: with it ends a worker whose machine cannot be reached, which is nobody's fault here
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux
MAX_SENTENCE_BYTES = 4096  # of an error; more would not fit a reply's header besides the rest


def _recipe(_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value)


def _files(name: str, value: object) -> dict[str, str]:
    paths = mapping(name, value).items()
    return {sha256(name, blob): text(f"{name}.{blob}", path, MAX_PATH_BYTES) for blob, path in paths}


def _path(name: str, value: object) -> str:
    return text(name, value, MAX_PATH_BYTES)


def parse_devices(name: str, value: object, most: int = MAX_DEVICES) -> tuple[DeviceFacts, ...]:
    """Facts that a worker has told, now or to an earlier daemon: 1 to `most`. Raises `RequestError`."""
    found = enumerate(sequence(name, value, 1, most))
    return tuple(DeviceFacts(**read(DeviceFacts, mapping(f"{name}[{i}]", one), f"{name}[{i}].")) for i, one in found)


def _progress(_name: str, value: object) -> Progress:
    return Progress.from_wire(value)


def _preview(name: str, value: object) -> Preview:
    preview = Preview(**read(Preview, mapping(name, value), f"{name}."))
    if len(preview.pixels) != preview.width * preview.height * 3:
        size = f"{preview.width}×{preview.height}"
        raise bad(name, f"{size} with {len(preview.pixels)} bytes", "as large as its pixels")
    return preview


def _pixels(name: str, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise bad(name, value, "bytes")
    return value


def _result(_name: str, value: object) -> Result:
    return Result.from_wire(value)


def _sentence(name: str, value: object) -> str:
    return text(name, value, MAX_SENTENCE_BYTES)


def _error(name: str, value: object) -> RemoteError:
    raw = mapping(name, value)
    code = choice(f"{name}.code", raw.get("code"), tuple(CODES))
    return RemoteError(code, text(f"{name}.message", raw.get("message"), MAX_SENTENCE_BYTES))


_JOB = identity("which job")
_SPEED = "seconds that a step over a million pixels takes with vgg19; 0: nobody knows"


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Paint:
    """Begin a painting."""

    job: str = field(metadata=_JOB)
    recipe: Recipe = field(metadata=rule(_recipe, "map: a recipe", "what to paint"))
    files: Mapping[str, str] = field(metadata=rule(_files, "map: sha256 → path", "where the recipe's blobs are"))
    out: str = field(metadata=rule(_path, "text: a path", "the folder for the pictures, named by their sha256"))
    plan_step: int = field(default=0, metadata=integer(0, 1, "1: the cheaper plan"))


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give the present painting up after its present step."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Deliver the present painting as it is after its present step."""


@dataclass(frozen=True, slots=True)
class ShowPreview:
    """Send previews of the present painting along."""

    side: int = field(metadata=integer(0, PREVIEW_SIDE, "their longest side in pixels; 0: none"))


@dataclass(frozen=True, slots=True)
class End:
    """End at once. The end of the pipe means the same: the front is gone."""


Command = Paint | Cancel | Finish | ShowPreview | End


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device of the machine. `free` is known of a device that somebody looks at: a worker of its own."""

    name: str = field(metadata=line("as torch names it, `cuda:0`"))
    title: str = field(default="", metadata=line("its maker's name for it; empty for the processor"))
    memory: int = field(default=0, metadata=integer(0, MAX_INTEGER, "bytes of its own; 0: it shares the machine's"))
    free: int = field(default=0, metadata=integer(0, MAX_INTEGER, "bytes that a painting may use; 0: nobody knows"))
    speed: float = field(default=0.0, metadata=real(0.0, SLOWEST_S, _SPEED))
    models: tuple[str, ...] = field(default=(), metadata=texts("whose weights are there; empty: nobody knows"))


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started."""

    device: str = field(metadata=line("what it paints on"))
    devices: tuple[DeviceFacts, ...] = field(
        metadata=rule(parse_devices, "list of maps", "the machine's, the best first")
    )


@dataclass(frozen=True, slots=True)
class Alive:
    """Still there, with nothing to tell but, after a job, what its device has free, and how fast it was."""

    free: int = field(default=0, metadata=integer(0, MAX_INTEGER, "bytes that a painting may use; 0: not looked at"))
    speed: float = field(default=0.0, metadata=real(0.0, SLOWEST_S, _SPEED))


@dataclass(frozen=True, slots=True)
class Preview:
    """The painting as it is now: packed RGB rows, 8 bits."""

    width: int = field(metadata=integer(1, PREVIEW_SIDE, "pixels"))
    height: int = field(metadata=integer(1, PREVIEW_SIDE, "pixels"))
    pixels: bytes = field(metadata=rule(_pixels, "bytes", "packed rows of 8-bit sRGB"))


@dataclass(frozen=True, slots=True)
class Progressed:
    """The job is a step further."""

    job: str = field(metadata=_JOB)
    progress: Progress = field(metadata=rule(_progress, "map", "how far it is"))
    preview: Preview | None = field(default=None, metadata=rule(_preview, "map", "what it looks like"))


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the job's client should know, and that is no error."""

    job: str = field(metadata=_JOB)
    sentence: str = field(metadata=rule(_sentence, "text", "for people"))


@dataclass(frozen=True, slots=True)
class Done:
    """The painting is in the folder that the command named."""

    job: str = field(metadata=_JOB)
    result: Result = field(metadata=rule(_result, "map: a result", "the pictures, and how they came about"))


@dataclass(frozen=True, slots=True)
class Fetched:
    """The model is on this machine."""

    job: str = field(metadata=_JOB)
    model: str = field(metadata=line("its name"))
    bytes: int = field(metadata=integer(0, MAX_BLOB_BYTES, "of its file"))

    def to_wire(self) -> dict[str, Any]:
        """The `result` of the job."""
        return {"model": self.model, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class Failed:
    """The job is given up; the worker lives on."""

    job: str = field(metadata=_JOB)
    error: RemoteError = field(metadata=rule(_error, "map: an error", "why"))


Event = Ready | Alive | Progressed | Noted | Done | Fetched | Failed

COMMANDS: dict[str, type[Command]] = {
    "paint": Paint,
    "cancel": Cancel,
    "finish": Finish,
    "preview": ShowPreview,
    "end": End,
}
EVENTS: dict[str, type[Event]] = {
    "ready": Ready,
    "alive": Alive,
    "progress": Progressed,
    "note": Noted,
    "done": Done,
    "fetched": Fetched,
    "failed": Failed,
}
_KEYS: dict[type[Command | Event], tuple[str, str]] = {
    **{kind: ("do", name) for name, kind in COMMANDS.items()},
    **{kind: ("event", name) for name, kind in EVENTS.items()},
}


def parse_command(raw: object) -> Command:
    """The command in an unpacked message. Raises `RequestError`."""
    given = mapping("command", raw)
    kind = COMMANDS[choice("do", given.get("do"), tuple(COMMANDS))]
    return kind(**read(kind, given))


def parse_event(raw: object) -> Event:
    """The event in an unpacked message. Raises `RequestError`."""
    given = mapping("event", raw)
    kind = EVENTS[choice("event", given.get("event"), tuple(EVENTS))]
    return kind(**read(kind, given))


def to_wire(message: Command | Event) -> dict[str, Any]:
    """The map that `parse_command` or `parse_event` reads."""
    key, name = _KEYS[type(message)]
    return {key: name, **{each.name: _plain(getattr(message, each.name)) for each in fields(message)}}


def _plain(value: object) -> object:
    if isinstance(value, (Recipe, Result, Progress, RemoteError)):
        return value.to_wire()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


__all__ = [
    "COMMANDS",
    "EVENTS",
    "Alive",
    "Cancel",
    "Command",
    "DeviceFacts",
    "Done",
    "End",
    "Event",
    "Failed",
    "Fetched",
    "Finish",
    "Noted",
    "Paint",
    "Preview",
    "Progressed",
    "Ready",
    "RequestError",
    "ShowPreview",
    "parse_command",
    "parse_devices",
    "parse_event",
    "to_wire",
]
