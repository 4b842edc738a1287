"""What a batch consists of: which pictures, in which styles, into which files. Looks at folders, and paints nothing."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from vaporbrush_daemon.images.files import WRITABLE
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError

from .presets import Meant

JOURNAL = ".vaporbrush-batch.json"  # in the folder of the paintings: what each of them was made from
MAX_ITEMS = 100_000  # paintings in one batch; a pattern that means more was meant otherwise
MAX_JOURNAL_BYTES = 64 * 1024**2  # of 100 000 paintings with long names


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
        return f"{self.content.name} in {self.look.label}" if self.look.label else self.content.name


class Journal:
    """Which paintings of a folder are done, and from what. It is what lets a batch go on where it was stopped."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / JOURNAL
        self._stamps: dict[str, str] = {}
        try:
            with self._file.open("rb") as file:
                found = json.loads(file.read(MAX_JOURNAL_BYTES).decode("utf-8"))
        except (OSError, ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            self._stamps = {name: stamp for name, stamp in found.items() if isinstance(stamp, str)}

    def has(self, item: Item) -> bool:
        """Whether this very painting is done."""
        return item.out.exists() and self._stamps.get(self._name(item)) == item.stamp

    def is_ours(self, item: Item) -> bool:
        """Whether what lies at the painting's place was painted by a batch, and may be replaced."""
        return self._name(item) in self._stamps

    def add(self, item: Item) -> None:
        """It is done."""
        self._stamps[self._name(item)] = item.stamp
        atomic.write(self._file, json.dumps(self._stamps, indent=0, ensure_ascii=True).encode())

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
        raise RequestError("bad_field", f"There is no picture in {name}: looked for {kinds}.")
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
        raise RequestError("too_large", f"These are {len(contents) * len(looks)} paintings; at most {MAX_ITEMS} fit.")
    labelled = _told_apart(looks) if len(looks) > 1 else [Look("", looks[0].how)]
    taken: set[str] = set()
    made = []
    for content, below in contents:
        for look in labelled:
            stem = f"{content.stem} - {look.label}" if look.label else content.stem
            target = out / below / f"{stem}{content.suffix}"
            if target.as_posix().casefold() in taken:
                raise RequestError("bad_field", f"Two paintings would be called {target}: paint them in two batches.")
            taken.add(target.as_posix().casefold())
            made.append(Item(content, look, target, _stamp(content, look.how, recipe)))
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


def _stamp(content: Path, how: Meant, recipe: Path | None) -> str:
    styles = [style if style.startswith("@") else _facts(Path(style)) for style in how.styles]
    facts: list[Any] = [_facts(content), styles, how.weights, _plain(how.settings), recipe and _facts(recipe)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _facts(path: Path) -> list[Any]:
    """What changes when a file does; a file that is not there is found out about when it is painted."""
    try:
        stat = path.stat()
    except OSError:
        return [str(path.absolute())]
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns]


def _plain(settings: Mapping[str, Any]) -> list[Any]:
    return sorted((name, repr(value)) for name, value in settings.items())
