"""What was painted before, as both editors show it: asked for in a thread, in words and pixels that they can use."""

from __future__ import annotations

import hashlib
import struct
import sys
import threading
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vaporbrush_protocol import atomic
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.endpoint import home as usual_home
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.history import HistoryEntry
from vaporbrush_protocol.private import make_folder
from vaporbrush_protocol.recipe import CHANNEL_COUNT, DEPTH_BYTES, Channels, Image, Recipe, Style
from vaporbrush_protocol.shown import plain

from . import png
from .controls import Value, clean, from_recipe
from .daemon_monitor import BundledStyle
from .job_threads import Connect
from .regions import Place, Region
from .request import Pixels, StyleRef
from .ui_text import HOUR, MINUTE, _, byte_count

FOLDER = "styles-of-history"  # in Vaporbrush's home: pictures of styles that came back with a painting
MAX_FILES = 100  # of them; the oldest go
NAME_LENGTH = 40  # characters of a style's name in its file's
DAY = 24 * HOUR
OPAQUE = {"u8": b"\xff", "u16": b"\xff\xff", "f16": struct.pack("<e", 1.0), "f32": struct.pack("<f", 1.0)}
# The words of the list, the same in both editors.
TITLE, ENTRY, ENTRY_TIP = _("History"), _("History…"), _("What was painted before, in any program.")
BRING, BRING_TIP = _("Bring back as a layer"), _("Puts the painting above the active layer, as it was painted.")
USE, USE_TIP = _("Use its settings"), _("Shows the style and the values that painted it, to paint this layer so.")
PIN, UNPIN, PIN_TIP = _("Pin"), _("Unpin"), _("What is pinned stays, whatever is painted after it.")
FORGET, FORGET_TIP = _("Forget"), _("Drops it from the history.")
PINNED = "★ "  # every font has it, as it has not the pin of the newer pictographs
NOTHING = _("Nothing was painted yet.")
OLD_DAEMON = _(
    "The Vaporbrush that runs is older and keeps no history: stop it, and the next painting starts the new one."
)


@dataclass(frozen=True)
class Shown:
    """An entry with its thumbnail, as RGB rows of 8 bits."""

    entry: HistoryEntry
    thumb: bytes


@dataclass(frozen=True)
class Listed:
    """The whole history, the newest first, and in one line what it takes."""

    entries: tuple[Shown, ...]
    line: str


@dataclass(frozen=True)
class Recalled:
    """A painting that came back. `pixels` are as `image` says; `pictures` are the bytes of what its recipe names."""

    entry: HistoryEntry
    recipe: Recipe
    image: Image
    pixels: Buffer
    pictures: Mapping[str, bytes]


@dataclass(frozen=True)
class Failed:
    """What was asked for cannot be; one sentence for the painter."""

    sentence: str


Answer = Listed | Recalled | Failed


class HistoryThread(threading.Thread):
    """Asks one thing, posts the answer, and ends."""

    def __init__(self, act: Callable[[Client], Answer], post: Callable[[Answer], None], connect: Connect) -> None:
        super().__init__(name="vaporbrush-history", daemon=True)
        self._act, self._post, self._connect = act, post, connect

    def run(self) -> None:
        """The thread. Whatever happens is posted."""
        try:
            with self._connect() as client:
                answer = self._act(client)
        except RemoteError as error:
            answer = Failed(OLD_DAEMON if error.code == "unknown_request" else error.message)
        except VaporbrushError as error:
            answer = Failed(error.message)
        except Exception as error:  # noqa: BLE001 (a defect here must show in the list, not end a thread in silence)
            answer = Failed(_("The plug-in met a defect: {what}").format(what=error))
        self._post(answer)


def listed(client: Client, known: Mapping[str, bytes]) -> Listed:
    """The history. `known` has thumbnails that need not be fetched again, by their hash."""
    pages = [client.history()]
    while pages[-1].more and pages[-1].entries:
        pages.append(client.history(pages[-1].entries[-1].job))
    shown = []
    for entry in (entry for page in pages for entry in page.entries):
        thumb = known.get(entry.thumb.blob)
        try:
            shown.append(Shown(entry, bytes(client.download(entry.thumb)) if thumb is None else thumb))
        except RemoteError as error:
            if error.code != "unknown_blob":  # it had to make room just now: the entry shows without its picture
                raise
            shown.append(Shown(entry, b""))
    line = _("{taken} of {room} on the disk · the last {count} are kept, and what is pinned").format(
        taken=byte_count(pages[0].bytes), room=byte_count(pages[0].room), count=pages[0].kept
    )
    return Listed(tuple(shown), line)


def recalled(client: Client, job: str, *, pixels: bool, order: Callable[[Image], Channels]) -> Recalled:
    """A painting and what its recipe names. Without `pixels`, its settings only. `order` says in which order the editor
    wants a picture's four channels.
    """
    back = client.recall(job)
    image: Image = back.entry.image
    data: Buffer = b""
    if pixels:
        image, data = four_channels(image, client.download(image), order(image))
    named = {one.blob: one for style in back.recipe.styles for one in (style.image, style.mask) if one is not None}
    pictures = {blob: bytes(client.download(one)) for blob, one in named.items()}
    return Recalled(back.entry, back.recipe, image, data, pictures)


def changed(client: Client, act: Callable[[Client], object], known: Mapping[str, bytes]) -> Listed:
    """Pin, unpin or forget, and the history after that."""
    act(client)
    return listed(client, known)


def caption(entry: HistoryEntry, now: float, bundled: Sequence[BundledStyle] = ()) -> str:
    """Two lines under a thumbnail: which style, and when."""
    titles = {style.name: style.title for style in bundled}
    names = " + ".join(plain(titles.get(name, name)) for name in entry.styles if name)
    called = names or plain(entry.label) or _("A painting")
    return f"{called}\n{ago(now - entry.at)}"


def ago(seconds: float) -> str:
    """A time that has passed, as a person would say it."""
    if seconds < MINUTE:
        return _("just now")
    if seconds < HOUR:
        return _("{count} min ago").format(count=int(seconds // MINUTE))
    if seconds < DAY:
        return _("{count} h ago").format(count=int(seconds // HOUR))
    return time.strftime("%x", time.localtime(time.time() - seconds))


def tip(entry: HistoryEntry) -> str:
    """What else there is to say about an entry."""
    when = time.strftime("%c", time.localtime(entry.at))
    size = _("{width} × {height} pixels, {size} on the disk").format(
        width=entry.image.width, height=entry.image.height, size=byte_count(entry.bytes)
    )
    return "\n".join(line for line in (plain(entry.label), when, size) if line)


# ── its settings, in the editor's words ──────────────────────────────────────────────────────────────────────────


def values_of(recipe: Recipe, present: Mapping[str, Value]) -> dict[str, Value]:
    """A full set of values: the recipe's. Where it is painted is the editor's own affair."""
    stays = {name: present[name] for name in ("use_selection", "device") if name in present}
    return clean({**from_recipe(recipe.to_wire()), **stays})


def refs_of(
    found: Recalled, place: Place, bundled: Sequence[BundledStyle], home: Path | None, locate: Callable[[Path], str]
) -> tuple[StyleRef, ...]:
    """The styles of a painting that lies over `place`. Pictures become files; `locate` gives a file as the editor
    remembers files. Raises `OSError`.
    """
    names = [*found.entry.styles, *[""] * len(found.recipe.styles)]
    return tuple(
        _ref(style, name, found, bundled, home, locate).weighted(style.weight).placed(_region(style, found, place))
        for style, name in zip(found.recipe.styles, names)  # noqa: B905 (names are as many or more)
    )


def _ref(
    style: Style,
    name: str,
    found: Recalled,
    bundled: Sequence[BundledStyle],
    home: Path | None,
    locate: Callable[[Path], str],
) -> StyleRef:
    called = next((one.name for one in bundled if name and name in (one.name, one.title)), style.name)
    if called or style.image is None:
        return StyleRef("bundled", called)
    path = _kept((usual_home() if home is None else home) / FOLDER, name, style.image, found.pictures[style.image.blob])
    return StyleRef("file", locate(path))


def _region(style: Style, found: Recalled, place: Place) -> Region | None:
    mask = style.mask
    if mask is None:
        return None
    return Region.of(found.pictures[mask.blob], replace(place, width=mask.width, height=mask.height))


def _kept(folder: Path, name: str, image: Image, data: bytes) -> Path:
    """A style's picture as a file, whose name tells what it is."""
    words = "".join(letter if letter.isalnum() else "-" for letter in Path(name).stem)[:NAME_LENGTH].strip("-")
    path = folder / f"{words or 'style'}-{image.blob[:8]}.png"
    if not path.is_file():
        make_folder(folder.parent)
        make_folder(folder)
        atomic.write(path, png.encode(_for_file(image, data)), mode=0o600)
        old = sorted(folder.glob("*.png"), key=lambda one: one.stat().st_mtime, reverse=True)
        for one in old[MAX_FILES:]:
            one.unlink(missing_ok=True)
    return path


# ── pixels ───────────────────────────────────────────────────────────────────────────────────────────────────────


def four_channels(image: Image, data: Buffer, channels: Channels) -> tuple[Image, Buffer]:
    """The same picture with four channels, in the order `RGBA` or `BGRA`; what has no alpha is opaque."""
    if image.channels == channels:
        return image, data
    size, own = DEPTH_BYTES[image.depth], CHANNEL_COUNT[image.channels]
    places = {"RGB": "RGB", "RGBA": "RGBA", "BGRA": "BGRA", "GRAY": "G", "GRAYA": "GA"}[image.channels]
    source, out = memoryview(data).cast("B").tobytes(), bytearray(image.width * image.height * 4 * size)
    for target, letter in enumerate(channels):
        grey = "G" if letter in "RGB" and "R" not in places else letter
        for byte in range(size):
            if grey in places:
                start = places.index(grey) * size + byte
                out[target * size + byte :: 4 * size] = source[start :: own * size]
            else:
                filler = OPAQUE[image.depth][byte : byte + 1]
                out[target * size + byte :: 4 * size] = filler * (image.width * image.height)
    return replace(image, channels=channels, blob=hashlib.sha256(out).hexdigest()), bytes(out)


def _for_file(image: Image, data: bytes) -> Pixels:
    """A picture as a PNG can have it: 8 or 16 bits, sRGB, four channels."""
    image, found = four_channels(image, data, "RGBA")
    depth, pixels = image.depth, bytes(memoryview(found).cast("B"))
    if depth in ("f16", "f32") or image.transfer == "linear":
        pixels, depth = _in_16_bits(pixels, depth, linear=image.transfer == "linear"), "u16"
    return Pixels(pixels, image.width, image.height, "RGBA", depth)


def _in_16_bits(data: bytes, depth: str, *, linear: bool) -> bytes:
    code, size, top = {"u8": ("B", 1, 255.0), "u16": ("H", 2, 65535.0), "f16": ("e", 2, 1.0), "f32": ("f", 4, 1.0)}[
        depth
    ]
    values = [min(1.0, max(0.0, one / top)) for one in struct.unpack(f"<{len(data) // size}{code}", data)]
    if linear:
        values = [value if at % 4 == 3 else _encoded(value) for at, value in enumerate(values)]
    found = array("H", (int(value * 65535.0 + 0.5) for value in values))
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _encoded(light: float) -> float:
    """Light to a value of sRGB (IEC 61966-2-1)."""
    return 12.92 * light if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4) - 0.055)


def asked(job: str, *, pinned: bool | None) -> Callable[[Client], Any]:
    """What pins an entry (or unpins it), or where `pinned` is None forgets it."""
    if pinned is None:
        return lambda client: client.forget(job)
    return lambda client: client.pin(job, pinned=pinned)
