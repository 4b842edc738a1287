"""What the command line asks for: files and settings, read and made into a recipe with its pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.files import Picture
from vaporbrush_daemon.images.profiles import Pixels
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.controls import FILM_SETTINGS, SETTINGS, Value
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.recipe import Image, Recipe, Style

from .regions import masks
from .terminal import state_word

KEPT = (*SETTINGS, *FILM_SETTINGS)  # what an earlier painting's settings give a new one


@dataclass(frozen=True, slots=True)
class PaintRequest:
    """What the command line asks for. `settings` has only what was given; `styles` are files or @NAMEs."""

    content: Path
    styles: tuple[str, ...]
    out: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    style_weights: tuple[float, ...] | None = None
    mask: Path | None = None
    style_masks: tuple[Path, ...] = ()
    regions: dict[int, Path] = field(default_factory=dict)  # the mask of a style, by its number from 1
    recipe: Path | None = None
    go_on: str | None = None  # a picture file or the id of a job, where the painting begins


@dataclass(slots=True)
class Prepared:
    """A request with its pictures read: the recipe, and the bytes of what it names."""

    content: Picture
    recipe: Recipe
    blobs: dict[str, Buffer]


def check_target(request: PaintRequest) -> None:
    """Refuse before any work what could not be written in the end, and what would destroy an input."""
    try:
        _check_target(request)
    except OSError as error:  # a name that is too long for this disk, a folder that may not be searched
        problem = _("{file} cannot be written: {reason}.").format(file=request.out, reason=error.strerror)
        raise RequestError("bad_field", problem) from None


def check_out(out: Path) -> None:
    """Refuse before any work a file that could not be written in the end. Raises `OSError` for a strange name."""
    if out.suffix.lower() not in pictures.WRITABLE:
        formats = ", ".join(pictures.WRITABLE)
        problem = _("{file} has no suffix of a format that can be written: {formats}.")
        raise RequestError("bad_field", problem.format(file=out, formats=formats))
    if out.is_dir():
        raise RequestError("bad_field", _("{file} is a folder; name a file in it.").format(file=out))
    if not out.parent.is_dir():
        raise RequestError("bad_field", _("The folder {folder} does not exist.").format(folder=out.parent))
    if not os.access(out.parent, os.W_OK):
        raise RequestError("bad_field", _("The folder {folder} cannot be written to.").format(folder=out.parent))


def _check_target(request: PaintRequest) -> None:
    out = request.out
    check_out(out)
    if out.exists():
        inputs = [request.content, request.mask, request.recipe, *request.style_masks, *request.regions.values()]
        inputs += [Path(style) for style in request.styles if not style.startswith("@")]
        for path in inputs:
            if path is not None and path.exists() and path.samefile(out):
                problem = _("{file} is one of the inputs; -o has to name another file.")
                raise RequestError("bad_field", problem.format(file=out))


def prepare(request: PaintRequest, lookup: Callable[[str], Job], content: Picture | None = None) -> Prepared:
    """Read every picture and build the recipe. `lookup` finds the job that `--continue` names; `content` is the content
    where it has been read.

    Raises `RequestError` for what is wrong with the request.
    """
    content = content or pictures.read(request.content)
    settings = dict(pictures.read_recipe(request.recipe)) if request.recipe else {}
    side = _side(request, settings, content)
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

    whole = pictures.read(request.content) if side and (request.style_masks or request.regions) else content

    def mask(path: Path) -> Image:
        return gray(pictures.read_mask(path, whole.width, whole.height, (content.width, content.height)))

    start, inherited = _start(request, lookup, image)
    # A recipe file sets no pictures: the command names them, and where nothing is painted the content stays.
    settings = {k: v for k, v in {**inherited, **settings}.items() if k in KEPT}
    tuned = _tuned(request.styles) if not settings else {}
    settings = {**tuned, **settings, **request.settings}
    recipe = {
        **settings,
        "content": image(content).to_wire(),
        "styles": [style.to_wire() for style in _styles(request, content, image, mask)],
        "mask": mask(request.mask).to_wire() if request.mask else None,
        "start_image": start.to_wire() if start else None,
        "outside": "content",
    }
    return Prepared(content, Recipe.from_wire(recipe), blobs)


def _side(request: PaintRequest, settings: Mapping[str, Any], content: Picture) -> int | None:
    """The longest side of the file to write, where it is smaller than the content's.

    Who names a size gets a file of that size, as everywhere. With `auto`, and where a mask or regions leave pixels that
    have to stay as they are, the file is as large as the content; a recipe does what the command did that it came from.
    """
    size = request.settings.get("size")
    if size is None:
        size, before = settings.get("size"), settings.get("content")
        if not isinstance(before, Mapping) or size not in (before.get("width"), before.get("height")):
            return None
    smaller = isinstance(size, int) and 0 < size < max(content.width, content.height)
    keeps = request.mask is not None or None not in masks(request.style_masks, request.regions, len(request.styles))
    return size if smaller and not keeps else None


def _styles(
    request: PaintRequest, content: Picture, image: Callable[[Picture], Image], mask: Callable[[Path], Image]
) -> Sequence[Style]:
    weights = request.style_weights or (1.0,) * len(request.styles)
    if len(weights) != len(request.styles):
        raise RequestError(
            "bad_field",
            _("--style-weights has {weights} numbers for {styles} styles; give one for each.").format(
                weights=len(weights), styles=len(request.styles)
            ),
        )
    places = masks(request.style_masks, request.regions, len(request.styles))
    found = []
    for style, weight, place in zip(request.styles, weights, places, strict=True):
        where = None if place is None else mask(place)
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
    return StyleLibrary.of(home()).file(styles[0][1:]).tuned


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # longer than a file's name can be
        return False


def _start(
    request: PaintRequest, lookup: Callable[[str], Job], image: Callable[[Picture], Image]
) -> tuple[Image | None, Mapping[str, Any]]:
    """The picture that the painting begins with, and the settings that made it."""
    if request.go_on is None:
        return None, {}
    path = Path(request.go_on)
    if _exists(path):
        picture = pictures.read(path)
        colours = Picture(picture.pixels[..., :3], picture.profile, transfer=picture.transfer)
        found = (picture.recipe or {}).get("recipe", {})
        return image(colours), found if isinstance(found, dict) else {}
    job = lookup(request.go_on)
    if job.canvas is None:
        problem = _("The job {id} is {state} and has no painting to go on from.")
        raise RequestError("bad_field", problem.format(id=request.go_on, state=state_word(job.state)))
    recipe = (job.result or {}).get("recipe", {})
    return job.canvas, recipe
