"""A request carried out by the daemon: pictures sent, the painting watched and written, and what is said of it."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.exceptions import Exit

from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.files import Picture
from vaporbrush_daemon.texts import _
from vaporbrush_daemon.weights import VARIABLE
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.shown import short
from vaporbrush_protocol.version import __version__

from . import terminal
from .exit_status import CANCELLED
from .request import PaintRequest, Prepared

WATCH_S = 0.5  # how often the time left is counted down where nothing else changes

OnJob = Callable[[Job], None]
OnUpload = Callable[[str, int, int], None]  # what, bytes done, bytes in all


@dataclass(frozen=True, slots=True)
class Transfer:
    """How many pictures went to the daemon and how many were there already."""

    blobs: int = 0
    bytes: int = 0
    reused_blobs: int = 0
    reused_bytes: int = 0


def carry_out(request: PaintRequest, prepared: Prepared, client: Client, *, quiet: bool = False) -> dict[str, Any]:
    """Paint what is asked for while telling how far it is. Returns what `--json` prints."""
    prepare_to_paint(client)
    try:
        with terminal.showing(quiet=quiet and not terminal.err.is_terminal) as shows:
            began = time.perf_counter()
            transfer = upload(client, prepared.blobs, shows.bytes)
            upload_s = time.perf_counter() - began
            if not quiet:
                _foretell(client.estimate(prepared.recipe))
            job, picture = paint(client, prepared, request, shows.job)
    except KeyboardInterrupt:
        terminal.say(_("Cancelled; nothing was written."))
        raise Exit(CANCELLED) from None
    encode_s = save(request, job, picture)
    return report(request, job, transfer, client.daemon, {"upload": upload_s, "encode": encode_s})


def prepare_to_paint(client: Client) -> None:
    """Have every end of the terminal be a Ctrl-C, and say where the daemon is another one than one may think."""
    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal is a Ctrl-C too: nobody waits for the file any more
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    weights_note = other_weights(client.status(), os.environ.get(VARIABLE))
    for note in filter(None, (other_version(client.daemon), weights_note)):
        terminal.say(note)


def _foretell(estimate: dict[str, Any]) -> None:
    painted = f"{estimate['painted_width']}×{estimate['painted_height']}"
    full = f"{estimate['width']}×{estimate['height']}"
    size = _("{painted} of {full}").format(painted=painted, full=full) if painted != full else painted
    guess = _("about {time}") if estimate["measured"] else _("perhaps {time}")
    about = guess.format(time=terminal.duration(estimate["seconds"]))
    line = _("Painting {size} with {model} on {device}, {time}.")
    terminal.say(line.format(size=size, model=estimate["model"], device=estimate["device"], time=about))


def summarise(summary: dict[str, Any]) -> None:
    """The result in one line, after what is not as asked for. What was remarked on the way has been said by then."""
    delivered = "×".join(map(str, summary["delivered"] or ()))
    painted = "×".join(map(str, summary["painted"] or ()))
    at = _("{full}, painted at {painted}").format(full=delivered, painted=painted)
    at = delivered if painted in ("", delivered) else at
    took = terminal.duration(summary["seconds"]["all"])
    if summary["degraded"]:
        terminal.say(summary["degraded"])
    if summary["clipped"]:
        terminal.say(_("Values beyond white or black were painted clipped."))
    line = _("{file}: {size}, by {model} on {device} in {time}")
    terminal.tell(
        line.format(file=summary["out"], size=at, model=summary["model"], device=summary["device"], time=took)
    )


def upload(client: Client, blobs: Mapping[str, Buffer], on_bytes: OnUpload) -> Transfer:
    """Bring the pictures to the daemon; what it has is not sent again."""
    total = sum(memoryview(data).nbytes for data in blobs.values())
    sent: list[int] = []
    reused: list[int] = []
    done = 0
    for blob, data in blobs.items():
        first: list[int] = []

        def step(have: int, _size: int, first: list[int] = first, done: int = done) -> None:
            first.append(have)
            on_bytes(_("Sending the pictures"), done + have, total)

        client.upload(data, step, blob=blob)
        size = memoryview(data).nbytes
        (reused if first and first[0] == size else sent).append(size)
        done += size
    return Transfer(len(sent), sum(sent), len(reused), sum(reused))


def paint(
    client: Client, prepared: Prepared, request: PaintRequest, on_job: OnJob, *, history: bool = True
) -> tuple[Job, Picture]:
    """Submit, watch and collect, with an entry in the `history`. Any exception out of `on_job`, and Ctrl-C, cancels."""
    job, data = client.stylize(
        prepared.recipe,
        prepared.blobs,
        on_progress=on_job,
        job=str(uuid.uuid4()),
        wait_s=WATCH_S,
        on_lease_end="cancel",  # nobody else waits for this file
        label=short(request.content.name),
        release=False,  # for `--continue`
        style_names=_style_names(request),
        history=history,
    )
    if job.notes:
        on_job(job)  # the last of them may have come with the end
    assert job.image is not None
    return job, pictures.received(bytes(data), job.image, prepared.content)


def submit(client: Client, prepared: Prepared, request: PaintRequest, after: str | None, lease_s: float) -> Job:
    """Submit a film's frame, without an entry in the history; with `after`, held to the frame that this job paints."""
    return client.submit(
        prepared.recipe,
        str(uuid.uuid4()),
        lease_s,
        "cancel",
        short(request.content.name),
        style_names=_style_names(request),
        history=False,
        after=after,
        holds=after is not None,
    )


def _style_names(request: PaintRequest) -> list[str]:
    return [short(style[1:] if style.startswith("@") else Path(style).name) for style in request.styles]


def save(request: PaintRequest, job: Job, picture: Picture) -> float:
    """Write the file. Returns the seconds that took."""
    began = time.perf_counter()
    result = dict(job.result or {})
    kept = ("recipe", "model", "device", "precision", "plan", "steps_done", "painted", "losses", "versions")
    pictures.write(request.out, picture, {name: result[name] for name in kept if name in result})
    return time.perf_counter() - began


def other_weights(status: Mapping[str, Any], wanted: str | None) -> str:
    """One sentence if VAPORBRUSH_WEIGHTS names another file than the running daemon uses; else empty."""
    if not wanted:
        return ""
    used = str(status.get("config", {}).get("weights", {}).get("value") or "")
    if used and Path(used).expanduser().absolute() == Path(wanted).expanduser().absolute():
        return ""
    return _("The running daemon uses {file} as vgg19, not {setting}; `vaporbrush stop`, then run this again.").format(
        file=used or _("its own weights"), setting=f"{VARIABLE}={wanted}"
    )


def other_version(daemon: Mapping[str, Any]) -> str:
    """One sentence if the running daemon is of another version, as after an update; else empty."""
    if daemon.get("daemon") == f"vaporbrush {__version__}":
        return ""
    line = _("The running daemon is {running}, not {wanted}; `vaporbrush stop` makes way for that.")
    return line.format(running=daemon.get("daemon"), wanted=__version__)


def report(
    request: PaintRequest, job: Job, transfer: Transfer, daemon: Mapping[str, Any], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What `--json` prints."""
    result = dict(job.result or {})
    shown = (
        "recipe", "model", "device", "precision", "plan", "steps_done", "stopped", "painted", "delivered", "losses",
        "clipped", "degraded", "cached", "versions",
    )  # fmt: skip
    return {
        "out": str(request.out),
        "job": job.job,
        **{name: result.get(name) for name in shown},
        "seconds": {**result.get("seconds", {}), **seconds},
        "daemon": {name: daemon.get(name) for name in ("daemon", "boot", "pid")},
        "uploaded": {"blobs": transfer.blobs, "bytes": transfer.bytes},
        "reused": {"blobs": transfer.reused_blobs, "bytes": transfer.reused_bytes},
        "notes": list(job.notes),
    }
