"""Where a film's frames come from: a folder or pattern of pictures, or one animated file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.animations import Animation, Shot, is_animation
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.errors import RequestError

from .batch_plan import MAX_ITEMS, is_several, pictures_of


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame before it is read."""

    name: Path  # of its painting, below the folder of the paintings
    source: Path  # the file that it comes from
    mark: str = ""  # tells it from others of the same file


class Reel(Protocol):
    """The frames of a film in their order."""

    frames: tuple[Frame, ...]
    loop: int  # how often it plays, 0 for ever

    def shot(self, number: int) -> Shot:
        """A frame's picture and how long it shows. Raises `RequestError` for one that cannot be read."""
        ...

    def another(self) -> Reel:
        """The same film for another thread, that reads it from another place on."""
        ...


class Sequence:
    """Pictures of a folder or pattern, in the order in which people count: 2 before 10."""

    def __init__(self, name: str, fps: float) -> None:
        found = sorted(pictures_of(name), key=lambda one: natural((one[1] / one[0].name).as_posix()))
        if len(found) > MAX_ITEMS:
            problem = _("These are {count} frames; at most {most} fit.").format(count=len(found), most=MAX_ITEMS)
            raise RequestError("too_large", problem)
        self.frames = tuple(Frame(below / path.name, path) for path, below in found)
        self.loop = 0
        self._shown_ms = round(1000 / fps)

    def shot(self, number: int) -> Shot:
        """See `Reel`."""
        return Shot(pictures.read(self.frames[number].source), self._shown_ms)

    def another(self) -> Reel:
        """See `Reel`."""
        return self


class File:
    """The frames of an animated WebP or GIF; their paintings are PNGs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._animation = Animation(path)
        count = len(self._animation)
        digits = len(str(count))
        self.frames = tuple(Frame(Path(f"{path.stem}-{i + 1:0{digits}}.png"), path, str(i)) for i in range(count))
        self.loop = self._animation.loop

    def shot(self, number: int) -> Shot:
        """See `Reel`."""
        return self._animation.shot(number)

    def another(self) -> Reel:
        """See `Reel`."""
        return File(self._path)


def opened(name: str, fps: float) -> Reel:
    """The film that an argument names. Raises `RequestError`."""
    if is_several(name):
        return Sequence(name, fps)
    path = Path(name)
    if not path.is_file():
        raise RequestError("bad_field", _("{file} does not exist or is not an ordinary file.").format(file=path))
    if not is_animation(path):
        raise RequestError(
            "bad_field",
            _(
                "{file} is not animated: name a folder of frames, a pattern in quotes, or an animated WebP or GIF "
                "file. One picture is painted by `vaporbrush stylize`."
            ).format(file=path),
        )
    return File(path)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which names sort as people count."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)
