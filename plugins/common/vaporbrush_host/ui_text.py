"""Everything that is said to people by more than one host, in their language: `_`, and `_n` where a number decides.

The language is the host program's, which tells it as programs do on Linux: by LANGUAGE, LC_ALL, LC_MESSAGES or LANG.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.shown import plain

_found = gettext.translation("vaporbrush", Path(__file__).parent / "locale", fallback=True)
_, _n = _found.gettext, _found.ngettext

START_COMMAND = "vaporbrush serve"
MINUTE, HOUR = 60, 3600
LONG_WORD = re.compile(r"\S{24,}")  # characters that fit into a line of a narrow docker
WITHIN_WORD = re.compile(r"(?<=[-_./\\])(?=[^\s])")


def duration(seconds: float) -> str:
    """A time as a person would say it: "under a second", "8 s", "2 min 30 s", "1 h 5 min"."""
    whole = round(seconds)
    if whole < 1:
        return _("under a second")
    if whole < MINUTE:
        return _("{seconds} s").format(seconds=whole)
    if whole < 10 * MINUTE:
        minutes, rest = divmod(whole, MINUTE)
        rest = rest // 10 * 10  # nobody trusts a prediction of minutes to the second
        return (_("{minutes} min {seconds} s") if rest else _("{minutes} min")).format(minutes=minutes, seconds=rest)
    if whole < HOUR:
        return _("{minutes} min").format(minutes=round(whole / MINUTE))
    hours, rest = divmod(round(whole / MINUTE), 60)
    return (_("{hours} h {minutes} min") if rest else _("{hours} h")).format(hours=hours, minutes=rest)


def breakable(text: str) -> str:
    """A text in whose long words (a path, a file's name) a line may end, where a toolkit breaks at spaces only."""
    return LONG_WORD.sub(lambda found: WITHIN_WORD.sub("\u200b", found[0]), text)


def byte_count(count: float) -> str:
    """A number of bytes: "512 KB", "26 MB", "1.2 GB"."""
    for unit, size in ((_("GB"), 1e9), (_("MB"), 1e6), (_("KB"), 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.1f} {unit}" if value < 10 and unit == _("GB") else f"{value:.0f} {unit}"
    return _n("{count} byte", "{count} bytes", int(count)).format(count=int(count))


def expected(estimate: Mapping[str, Any]) -> str:
    """What an `estimate` says, in one line: how long, and how large it is painted when that is not the full size."""
    painted = max(int(estimate.get("painted_width", 0)), int(estimate.get("painted_height", 0)))
    full = max(int(estimate.get("width", 0)), int(estimate.get("height", 0)))
    seconds = float(estimate.get("seconds", 0.0))
    about = _("about {time}") if estimate.get("measured", True) else _("roughly {time}")
    about = duration(seconds) if round(seconds) < 1 else about.format(time=duration(seconds))
    if painted < full:
        return _("{about} · painted at {painted} of {full} px").format(about=about, painted=painted, full=full)
    return _("{about} · full size ({full} px)").format(about=about, full=full)


def progress_line(progress: Progress | None) -> str:
    """What a job is doing: "Painting · scale 2 of 3 · step 45 of 150"."""
    if progress is None:
        return _("Starting…")
    phases = {
        "loading": _("Loading the model…"),
        "measuring": _("Measuring this computer…"),
        "style": _("Studying the style…"),
        "finishing": _("Finishing…"),
    }
    if progress.phase in phases:
        return phases[progress.phase]
    if progress.phase == "downloading":
        return _("{done} of {total}").format(done=byte_count(progress.step), total=byte_count(progress.steps))
    line = _("Step {step} of {steps}").format(step=progress.step, steps=progress.steps)
    if progress.scales > 1:
        line = _("Scale {scale} of {scales} · step {step} of {steps}").format(
            scale=progress.scale, scales=progress.scales, step=progress.step, steps=progress.steps
        )
    return line


def time_left(progress: Progress | None) -> str:
    """The time left, or nothing while nobody knows."""
    return "" if progress is None or progress.eta_s is None else left(progress.eta_s)


def left(seconds: float) -> str:
    """So much time left."""
    return _("{time} left").format(time=duration(seconds))


def job_line(job: Job) -> str:
    """The state of a job in one line."""
    if job.state == "queued":
        if job.position:
            waiting = _n("Waiting for {count} other", "Waiting for {count} others", job.position)
            return waiting.format(count=job.position)
        return _("Waiting…")
    if job.state == "running":
        return progress_line(job.progress)
    return {"done": _("Done"), "cancelled": _("Cancelled")}.get(job.state, _("Failed"))


def result_line(result: Mapping[str, Any]) -> str:
    """What was delivered: painted size, model, time; and what a painter has to know about it."""
    taken = duration(sum((result.get("seconds") or {}).values()))
    parts = [_("Done in {time}").format(time=taken), *_manner(result)]
    if result.get("stopped") == "finish":
        parts.append(_("stopped early"))
    return " · ".join(parts)


def animation_line(result: Mapping[str, Any], painted: int, frames: int, seconds: float) -> str:
    """What was delivered of an animation, and how long it took. `result` is the last frame's, empty if it has none."""
    if painted < frames:
        done = _("{painted} of {frames} frames in {time}").format(
            painted=painted, frames=frames, time=duration(seconds)
        )
    else:
        done = _("{frames} frames in {time}").format(frames=frames, time=duration(seconds))
    return " · ".join((done, *_manner(result)))


def _manner(result: Mapping[str, Any]) -> list[str]:
    painted, delivered = max(result.get("painted") or [0]), max(result.get("delivered") or [0])
    size = _("painted at {painted} px").format(painted=painted)
    if painted != delivered:
        size = _("painted at {painted} of {full} px").format(painted=painted, full=delivered)
    return [part for part in (size if painted else "", str(result.get("model", ""))) if part]


def caveats(result: Mapping[str, Any], note: str) -> list[str]:
    """What happened that was not asked for, one sentence each. `note`: what the daemon said of it."""
    found = [note] if note else []
    if result.get("degraded"):
        found.append(plain(result["degraded"]))
    if result.get("clipped"):
        found.append(_("Some of the layer's colours are beyond white, black or sRGB: the nearest were painted."))
    return found


NEXT_STEP = {
    "no_daemon": _("Press Start, or run: vaporbrush serve"),
    "link_lost": _("Vaporbrush stopped while it worked. Try again: it starts anew."),
    "timeout": _("It may be busy. Try again, and look into its log if this lasts."),
    "unsupported_version": _(
        "If the plug-in is the older one, run: vaporbrush install gimp (or krita), and start this program anew. "
        "If the daemon is, run: pip install --upgrade vaporbrush, then: vaporbrush stop"
    ),
    "out_of_memory": _("Choose a smaller size, or close other programs that use the graphics card."),
    "weights_missing": _("Get the full model, or choose the model vgg19-lite."),
    "weights_corrupt": _("Fetch the model again: vaporbrush weights fetch"),
    "download_failed": _("Check the network and try again; what has arrived is kept."),
    "disk_full": _("Free some space on the disk, then try again."),
    "device_missing": _("Choose the device “Automatic” under Advanced."),
    "unreachable": _("Choose the device “Automatic” under Advanced."),
    "busy": _("Wait for a painting to end, then try again."),
    "too_small": _("Choose a larger layer or a larger size."),
    "too_large": _("Choose a smaller layer or selection."),
    "unknown_style": _("Choose another style."),
    "worker_crashed": _("Try again; if it happens again, choose a smaller size, or run: vaporbrush doctor"),
    "worker_stuck": _("Try again; if it happens again, run: vaporbrush doctor"),
    "diverged": _("Choose a lower strength."),
    "internal": _("Copy the details and report them; trying again may help."),
}


def next_step(code: str) -> str:
    """What a person can do about an error of this code; empty where nothing but the sentence itself helps."""
    return NEXT_STEP.get(code, "")


def lost(error: VaporbrushError, *, begun: bool, again: str) -> str:
    """The sentence where the daemon ended under a painting; else nothing. `again` is what starts it anew."""
    ended = begun and error.code in ("no_daemon", "link_lost")
    return _("Vaporbrush ended while it painted this. {again} starts it anew.").format(again=again) if ended else ""


def failure(error: VaporbrushError, *, begun: bool) -> str:
    """Why a painting failed, and what to do. `begun`: the daemon had it already."""
    if ended := lost(error, begun=begun, again=_("“Try again”")):
        return ended
    return " ".join(part for part in (error.message, next_step(error.code)) if part)


def log_line(path: str) -> str:
    """Where the daemon writes what it does."""
    return _("Log: {path}").format(path=path)


def details(error: BaseException, *, log: str = "", host: str = "", daemon: str = "") -> str:
    """What *Copy details* puts on the clipboard: no picture, no token, no user name beyond the log's path."""
    lines = [f"{type(error).__name__}: {plain(error)}"]
    if isinstance(error, VaporbrushError):
        lines.insert(0, f"code: {error.code}")
    lines += [f"{name}: {value}" for name, value in (("host", host), ("daemon", daemon), ("log", log)) if value]
    return "\n".join(lines)
