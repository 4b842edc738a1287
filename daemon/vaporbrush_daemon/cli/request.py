"""`vaporbrush stylize`: picture files in, a painting out, through the daemon."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vaporbrush_daemon import packaged
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.files import Picture
from vaporbrush_daemon.images.profiles import Pixels
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.weights import VARIABLE
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.controls import SETTINGS, Value
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.recipe import Image, Recipe, Style
from vaporbrush_protocol.version import __version__

WATCH_S = 0.5  # how often the time left is counted down where nothing else changes

OnJob = Callable[[Job], None]
OnUpload = Callable[[str, int, int], None]  # what, bytes done, bytes in all


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for. `settings` has only what was given; `styles` are files or @NAMEs."""

    content: Path
    styles: tuple[str, ...]
    out: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    style_weights: tuple[float, ...] | None = None
    mask: Path | None = None
    style_masks: tuple[Path, ...] = ()
    recipe: Path | None = None
    go_on: str | None = None  # a picture file or the id of a job, where the painting begins


@dataclass(slots=True)
class Load:
    """The decoded pictures of an order."""

    content: Picture
    recipe: Recipe
    blobs: dict[str, Buffer]


@dataclass(frozen=True, slots=True)
class Transfer:
    """How many pictures went to the daemon and how many were there already."""

    blobs: int = 0
    bytes: int = 0
    reused_blobs: int = 0
    reused_bytes: int = 0


def check_target(order: Order) -> None:
    """Refuse before any work what could not be written in the end, and what would destroy an input."""
    out = order.out
    if out.suffix.lower() not in pictures.WRITABLE:
        formats = ", ".join(pictures.WRITABLE)
        raise RequestError("bad_field", f"{out} has no suffix of a format that can be written: {formats}.")
    if out.is_dir():
        raise RequestError("bad_field", f"{out} is a folder; name a file in it.")
    if not out.parent.is_dir():
        raise RequestError("bad_field", f"The folder {out.parent} does not exist.")
    if not os.access(out.parent, os.W_OK):
        raise RequestError("bad_field", f"The folder {out.parent} cannot be written to.")
    if out.exists():
        inputs = [order.content, order.mask, order.recipe, *order.style_masks]
        inputs += [Path(style) for style in order.styles if not style.startswith("@")]
        for path in inputs:
            if path is not None and path.exists() and path.samefile(out):
                raise RequestError("bad_field", f"{out} is one of the inputs; -o has to name another file.")


def load(order: Order, lookup: Callable[[str], Job]) -> Load:
    """Read every picture and build the recipe. `lookup` finds the job that `--continue` names.

    Raises `RequestError` for what is wrong with the order.
    """
    content = pictures.read(order.content)
    settings = dict(pictures.read_recipe(order.recipe)) if order.recipe else {}
    side = _side(order, settings, content)
    if side:
        content = pictures.reduced(content, side)
    blobs: dict[str, Buffer] = {}

    def image(picture: Picture) -> Image:
        data, form = picture.data(), picture.wire()
        made = Image.of(data, form.width, form.height, form.channels, form.depth, form.transfer)
        blobs[made.blob] = data
        return made

    def gray(pixels: Pixels) -> Image:
        data = np.ascontiguousarray(pixels).data.cast("B")
        made = Image.of(data, content.width, content.height, "GRAY")
        blobs[made.blob] = data
        return made

    whole = pictures.read(order.content) if side and order.style_masks else content

    def mask(path: Path) -> Image:
        return gray(pictures.read_mask(path, whole.width, whole.height, (content.width, content.height)))

    start, inherited = _start(order, lookup, image)
    # A recipe file sets no pictures: the command names them, and where nothing is painted the content stays.
    settings = {k: v for k, v in {**inherited, **settings}.items() if k in SETTINGS}
    tuned = _tuned(order.styles) if not settings else {}
    settings = {**tuned, **settings, **order.settings}
    recipe = {
        **settings,
        "content": image(content).to_wire(),
        "styles": [style.to_wire() for style in _styles(order, content, image, mask)],
        "mask": mask(order.mask).to_wire() if order.mask else None,
        "start_image": start.to_wire() if start else None,
        "outside": "content",
    }
    return Load(content, Recipe.from_wire(recipe), blobs)


def _side(order: Order, settings: Mapping[str, Any], content: Picture) -> int | None:
    """The longest side of the file to write, where it is smaller than the content's.

    Who names a size gets a file of that size, as everywhere. With `auto`, and where a mask leaves pixels that have to
    stay as they are, the file is as large as the content; a recipe does what the command did that it came from.
    """
    size = order.settings.get("size")
    if size is None:
        size, before = settings.get("size"), settings.get("content")
        if not isinstance(before, Mapping) or size != max(before.get("width", 0), before.get("height", 0)):
            return None
    reduces = isinstance(size, int) and 0 < size < max(content.width, content.height) and order.mask is None
    return size if reduces else None


def _styles(
    order: Order, content: Picture, image: Callable[[Picture], Image], mask: Callable[[Path], Image]
) -> Sequence[Style]:
    weights = order.style_weights or (1.0,) * len(order.styles)
    if len(weights) != len(order.styles):
        raise RequestError(
            "bad_field",
            f"--style-weights has {len(weights)} numbers for {len(order.styles)} styles; give one for each.",
        )
    if order.style_masks and len(order.style_masks) != len(order.styles):
        raise RequestError(
            "bad_field", f"--style-mask is given {len(order.style_masks)} times for {len(order.styles)} styles;"
            " give one for each style.",
        )  # fmt: skip
    found = []
    for index, (style, weight) in enumerate(zip(order.styles, weights, strict=True)):
        where = mask(order.style_masks[index]) if order.style_masks else None
        if style.startswith("@"):
            found.append(Style(name=style[1:], weight=weight, mask=where))
        else:
            picture = pictures.adapted(pictures.read(Path(style)), content)
            found.append(Style(image=image(picture), weight=weight, mask=where))
    return found


def _tuned(styles: Sequence[str]) -> Mapping[str, Value]:
    """A bundled style, alone, brings the values that suit it."""
    if len(styles) != 1 or not styles[0].startswith("@"):
        return {}
    return shelf().file(styles[0][1:]).tuned


def shelf() -> StyleLibrary:
    """The bundled styles and the user's own."""
    from vaporbrush_protocol.endpoint import home

    return StyleLibrary(packaged.art() / "styles", home() / "styles")


def _start(
    order: Order, lookup: Callable[[str], Job], image: Callable[[Picture], Image]
) -> tuple[Image | None, Mapping[str, Any]]:
    """The picture that the painting begins with, and the settings that made it."""
    if order.go_on is None:
        return None, {}
    path = Path(order.go_on)
    if path.exists():
        picture = pictures.read(path)
        colours = Picture(picture.pixels[..., :3], picture.profile, transfer=picture.transfer)
        found = (picture.recipe or {}).get("recipe", {})
        return image(colours), found if isinstance(found, dict) else {}
    job = lookup(order.go_on)
    if job.canvas is None:
        raise RequestError("bad_field", f"The job {order.go_on} is {job.state} and has no painting to go on from.")
    recipe = (job.result or {}).get("recipe", {})
    return job.canvas, recipe


def find_job(client: Client, name: str) -> Job:
    """The job of this id, of which the first characters are enough. Raises `unknown_job`."""
    found = [job for job in client.jobs() if job.job.startswith(name.lower())] if name else []
    if len(found) != 1:
        problem = "no file and no job that the daemon knows" if not found else f"the beginning of {len(found)} jobs"
        raise RequestError("unknown_job", f"`{name}` is {problem}; `vaporbrush jobs` lists them.")
    return client.watch(found[0].job, 0, 0.0)


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
            on_bytes("Sending the pictures", done + have, total)

        client.upload(data, step, blob=blob)
        size = memoryview(data).nbytes
        (reused if first and first[0] == size else sent).append(size)
        done += size
    return Transfer(len(sent), sum(sent), len(reused), sum(reused))


def paint(client: Client, loaded: Load, order: Order, on_job: OnJob) -> tuple[Job, Picture]:
    """Submit, watch and collect. Any exception out of `on_job`, and Ctrl-C, cancels the job."""
    job, data = client.stylize(
        loaded.recipe,
        loaded.blobs,
        on_progress=on_job,
        job=str(uuid.uuid4()),
        wait_s=WATCH_S,
        on_lease_end="cancel",  # nobody else waits for this file
        label=order.content.name,
        release=False,  # for `--continue`
    )
    assert job.image is not None
    return job, pictures.received(bytes(data), job.image, loaded.content)


def save(order: Order, job: Job, picture: Picture) -> float:
    """Write the file. Returns the seconds that took."""
    began = time.perf_counter()
    result = dict(job.result or {})
    kept = ("recipe", "model", "device", "precision", "plan", "steps_done", "painted", "losses", "versions")
    pictures.write(order.out, picture, {name: result[name] for name in kept if name in result})
    return time.perf_counter() - began


def other_weights(status: Mapping[str, Any], wanted: str | None) -> str:
    """One sentence if VAPORBRUSH_WEIGHTS names another file than the running daemon uses; else empty."""
    if not wanted:
        return ""
    used = str(status.get("config", {}).get("weights", {}).get("value") or "")
    if used and Path(used).expanduser().absolute() == Path(wanted).expanduser().absolute():
        return ""
    return (
        f"The running daemon uses {used or 'its own weights'} as vgg19, not {VARIABLE}={wanted};"
        " `vaporbrush stop`, then run this again."
    )


def other_version(daemon: Mapping[str, Any]) -> str:
    """One sentence if the running daemon is of another version, as after an update; else empty."""
    if daemon.get("daemon") == f"vaporbrush {__version__}":
        return ""
    return f"The running daemon is {daemon.get('daemon')}, not {__version__}; `vaporbrush stop` makes way for that."


def report(
    order: Order, job: Job, transfer: Transfer, daemon: Mapping[str, Any], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What `--json` prints."""
    result = dict(job.result or {})
    shown = (
        "recipe", "model", "device", "precision", "plan", "steps_done", "stopped", "painted", "delivered", "losses",
        "clipped", "degraded", "cached", "versions",
    )  # fmt: skip
    return {
        "out": str(order.out),
        "job": job.job,
        **{name: result.get(name) for name in shown},
        "seconds": {**result.get("seconds", {}), **seconds},
        "daemon": {name: daemon.get(name) for name in ("daemon", "boot", "pid")},
        "uploaded": {"blobs": transfer.blobs, "bytes": transfer.bytes},
        "reused": {"blobs": transfer.reused_blobs, "bytes": transfer.reused_bytes},
        "notes": list(job.notes),
    }
