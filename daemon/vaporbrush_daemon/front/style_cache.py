"""Style pictures as blobs: decoded when they are first needed, and again when their file has changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from vaporbrush_daemon import logs
from vaporbrush_daemon.styles import MAX_STYLE_SIDE, THUMB_SIDE, Decoded, Refused, StyleFile, StyleLibrary, decode
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Image, Style

from .background import Background, Task
from .spool import Spool

THUMBS_AT_ONCE = 32  # new ones per request, so that a folder full of photographs does not outlast the client

Then = Callable[[Exception | None], None]


class StyleCache:
    """The library's pictures in the spool."""

    def __init__(self, library: StyleLibrary, spool: Spool, background: Background, clock: Callable[[], float]) -> None:
        self.library = library
        self._spool, self._background, self._clock = spool, background, clock
        self._decoded: dict[tuple[str, int, int], Decoded | None] = {}  # by path, stamp and side; None: no picture

    def with_thumbs(self, then: Then) -> None:
        """Call `then` when the thumbnails are there (the first of them, where there are very many)."""
        self._with([file for file in self.library.files() if self._unread(file, THUMB_SIDE)], THUMB_SIDE, then)

    def with_pictures(self, styles: tuple[Style, ...], then: Then) -> None:
        """Call `then` when the pictures of all styles that are given by name are there. Raises `unknown_style`."""
        named = [self.library.file(style.name) for style in styles if style.name]
        self._with([file for file in named if self._unread(file, MAX_STYLE_SIDE)], MAX_STYLE_SIDE, then)

    def picture(self, name: str) -> Image:
        """The picture of a style. Raises `bad_field` for a file that is no picture, `unknown_style`."""
        file = self.library.file(name)
        found = self._found(file, MAX_STYLE_SIDE)
        if found is None:
            raise RequestError("bad_field", f"The style picture {file.path} cannot be read; replace it.")
        return found.image

    def listed(self) -> list[dict[str, Any]]:
        """The styles whose thumbnails are there, for the wire. Files that are no pictures are left out."""
        shown = []
        for file in self.library.files():
            thumb = self._found(file, THUMB_SIDE)
            if thumb is not None:
                shown.append(
                    {
                        "name": file.name,
                        "title": file.title,
                        "description": file.description,
                        **file.tuned,
                        "width": thumb.width,
                        "height": thumb.height,
                        "thumb": thumb.image.to_wire(),
                    }
                )
        return shown

    def _found(self, file: StyleFile, side: int) -> Decoded | None:
        found = self._decoded.get((str(file.path), file.stamp, side))
        return found if found is not None and self._spool.size(found.image.blob) is not None else None

    def _unread(self, file: StyleFile, side: int) -> bool:
        """Whether to decode it (again). What once turned out to be no picture stays so until the file changes."""
        known_as_none = self._decoded.get((str(file.path), file.stamp, side), file) is None
        return self._found(file, side) is None and not known_as_none

    def _with(self, missing: list[StyleFile], side: int, then: Then) -> None:
        if not missing:
            then(None)
            return
        missing = missing[:THUMBS_AT_ONCE]
        work = f"styles-{uuid.uuid4()}"
        out = self._spool.work(work)

        def keep(decoded: list[Decoded | Refused] | Exception) -> None:
            if isinstance(decoded, Exception):
                then(decoded)
                return
            try:
                self._spool.adopt(self._clock(), work, result=False)
            except OSError as error:
                then(error)
                return
            for file, found in zip(missing, decoded, strict=True):
                if isinstance(found, Refused):
                    logs.event("style_not_read", style=file.name, path=file.path, reason=found.reason)
                if isinstance(found, Decoded) or found.for_good:
                    self._decoded[str(file.path), file.stamp, side] = found if isinstance(found, Decoded) else None
            then(None)

        paths, children = [file.path for file in missing], self._background.children
        self._background.do(Task(lambda: decode(children, paths, out, side), keep), "pictures")
