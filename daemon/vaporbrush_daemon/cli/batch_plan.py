"""What a batch consists of: which pictures, in which styles, into which files. Looks at folders, and paints nothing."""

from __future__ import annotations

import glob
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from vaporbrush_daemon.images.files import WRITABLE
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError

from .presets import Meant

JOURNAL = ".vaporbrush-batch.json"  # in the folder of the paintings: what each of them was made from
MAX_ITEMS = 100_000  # paintings in one batch; a pattern that means more was meant otherwise
MAX_JOURNAL_BYTES = 128 * 1024**2  # of 100 000 paintings with long names, each begun and done


@dataclass(frozen=True, slots=True)
class Look:
    """One way to paint: `label` tells it from the batch's others, in the names of files."""

    label: str
    how: Meant


@dataclass(frozen=True, slots=True)
class Item:
    """One painting of a batch. `stamp` changes when anything does that it is made from."""

    content: Path
    look: Look
    out: Path
    stamp: str

    @property
    def title(self) -> str:
        """What it is called while it is painted."""
        titled = _("{picture} in {style}").format(picture=self.content.name, style=self.look.label)
        return titled if self.look.label else self.content.name


class Journal:
    """Which paintings of a folder are done, and from what. It is what lets a batch go on where it was stopped.

    One line of JSON for each time that something happened to a painting, the last one of which counts; so what it costs
    does not grow with the batch. Several threads may write to it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / JOURNAL
        self._lock = threading.Lock()
        self._begun = False  # whether the file is as this run writes it
        self._stamps: dict[str, str] = {}
        self._notes: dict[str, dict[str, Any]] = {}
        try:
            with self._file.open("rb") as file:
                text = file.read(MAX_JOURNAL_BYTES).decode("utf-8", "replace")
        except OSError:  # none yet, or one that cannot be read: then everything is painted anew
            return
        for line in text.splitlines():
            self._read(line)

    def _read(self, line: str) -> None:
        """A line may be anything: the last one is cut where the machine was."""
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):  # a line that was cut, or is damaged: its picture is painted anew
            return
        for name, entry in found.items() if isinstance(found, dict) else ():
            stamp, note = entry if isinstance(entry, list) and len(entry) == 2 else (entry, {})
            if isinstance(stamp, str) and isinstance(note, dict):
                self._stamps[name], self._notes[name] = stamp, note

    def has(self, item: Item) -> bool:
        """Whether this very painting is done."""
        return item.out.exists() and self._stamps.get(self._name(item)) == item.stamp

    def is_ours(self, item: Item) -> bool:
        """Whether what lies at the painting's place was painted by a batch, and may be replaced."""
        return self._name(item) in self._stamps

    def begin(self, item: Item) -> None:
        """Its file is about to be written: from now on it is the batch's, but only done when it is added."""
        self._write(item, "", {})

    def add(self, item: Item, note: Mapping[str, Any] | None = None) -> None:
        """It is done. `note`: what else is to be known of it."""
        self._write(item, item.stamp, dict(note or {}))

    def _write(self, item: Item, stamp: str, note: dict[str, Any]) -> None:
        with self._lock:
            name = self._name(item)
            self._stamps[name], self._notes[name] = stamp, note
            if self._begun:
                with self._file.open("ab") as file:
                    file.write(self._line(name))
            else:
                atomic.write(self._file, b"".join(map(self._line, self._stamps)))
                self._begun = True

    def _line(self, name: str) -> bytes:
        stamp, note = self._stamps[name], self._notes.get(name)
        return json.dumps({name: [stamp, note] if note else stamp}, ensure_ascii=True).encode() + b"\n"

    def note(self, item: Item) -> Mapping[str, Any]:
        """What was noted of a painting. It comes from a file, so that anything may be in it."""
        return self._notes.get(self._name(item), {})

    def _name(self, item: Item) -> str:
        return item.out.relative_to(self._file.parent).as_posix()


def is_several(name: str) -> bool:
    """Whether an argument stands for several pictures: a folder, or a pattern that is no file's name."""
    path = Path(name)
    try:
        return path.is_dir() or (glob.has_magic(name) and not path.exists())
    except OSError:  # longer than a file's name can be
        return False


def pictures_of(name: str) -> list[tuple[Path, Path]]:
    """(picture, the folder below that of the batch in which its painting goes) of a folder or pattern, or of a file."""
    path = Path(name)
    if not is_several(name):
        return [(path, Path())]
    if path.is_dir():
        found = [(one, Path()) for one in path.iterdir()]
    else:
        fixed = Path(*_before_magic(path.parts))
        pattern = str(path.relative_to(fixed))
        found = [(one, one.relative_to(fixed).parent) for one in fixed.glob(pattern)]
    pictures = sorted((one, below) for one, below in found if one.suffix.lower() in WRITABLE and one.is_file())
    if not pictures:
        kinds = ", ".join(WRITABLE)
        problem = _("There is no picture in {folder}: looked for {formats}.")
        raise RequestError("bad_field", problem.format(folder=name, formats=kinds))
    return pictures


def _before_magic(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def label_of(style: str) -> str:
    """What a style is called in a file's name."""
    return style[1:] if style.startswith("@") else Path(style).stem


def items(contents: Sequence[tuple[Path, Path]], looks: Sequence[Look], out: Path, recipe: Path | None) -> list[Item]:
    """Every picture in every look, in the order of the pictures."""
    if len(contents) * len(looks) > MAX_ITEMS:
        problem = _("These are {count} paintings; at most {most} fit.")
        raise RequestError("too_large", problem.format(count=len(contents) * len(looks), most=MAX_ITEMS))
    labelled = _told_apart(looks) if len(looks) > 1 else [Look("", looks[0].how)]
    taken: set[str] = set()
    made = []
    for content, below in contents:
        for look in labelled:
            stem = f"{content.stem} - {look.label}" if look.label else content.stem
            target = out / below / f"{stem}{content.suffix}"
            if target.as_posix().casefold() in taken:
                problem = _("Two paintings would be called {file}: paint them in two batches.")
                raise RequestError("bad_field", problem.format(file=target))
            taken.add(target.as_posix().casefold())
            made.append(Item(content, look, target, stamp_of(content, look.how, recipe)))
    return made


def _told_apart(looks: Sequence[Look]) -> list[Look]:
    """The same with labels of which no two are alike."""
    used: set[str] = set()
    found = []
    for look in looks:
        label = next(name for name in _numbered(look.label) if name.casefold() not in used)
        used.add(label.casefold())
        found.append(Look(label, look.how))
    return found


def _numbered(label: str) -> Iterator[str]:
    yield label
    for number in count(2):
        yield f"{label} {number}"


def stamp_of(content: Path, how: Meant, recipe: Path | None, *more: str) -> str:
    """An item's stamp; `more` is what else its painting depends on."""
    styles = [style if style.startswith("@") else _facts(Path(style)) for style in how.styles]
    facts: list[Any] = [_facts(content), styles, how.weights, _plain(how.settings), recipe and _facts(recipe), *more]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _facts(path: Path) -> list[Any]:
    """What changes when a file does; a file that is not there is found out about when it is painted."""
    try:
        stat = path.stat()
    except OSError:  # as above
        return [str(path.absolute())]
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns]


def _plain(settings: Mapping[str, Any]) -> list[Any]:
    return sorted((name, repr(value)) for name, value in settings.items())
