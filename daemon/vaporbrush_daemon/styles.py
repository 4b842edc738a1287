"""Style pictures by name: the bundled ones and the user's own in home()/styles."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomllib

from vaporbrush_protocol.controls import BY_NAME, TUNED, Value, tuned
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.limits import MAX_NAME_BYTES
from vaporbrush_protocol.recipe import Image
from vaporbrush_protocol.shown import plain

from . import packaged
from .children import Children

THUMB_SIDE = 128  # pixels
MAX_STYLE_SIDE = 4096  # pixels; beyond this a style shows no more strokes, and its pixels would fill the spool
MAX_STYLES_SHOWN = 100  # so that the list fits a header
SILENCE_S = 30.0  # that one picture may take, on a busy machine
UNTUNED: Mapping[str, Value] = {name: BY_NAME[name].default for name in TUNED}
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class StyleFile:
    """A style picture on disk. `tuned` are the values with which it looks best; `stamp` changes when the file does."""

    name: str
    title: str
    description: str
    tuned: Mapping[str, Value]
    path: Path
    stamp: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """A style's pixels as a blob (whole, or its thumbnail), and the picture's own size."""

    image: Image
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a file is no style. `for_good`: it is no picture, and stays none until it changes."""

    reason: str
    for_good: bool = True


class StyleLibrary:
    """All style pictures. A user's picture hides a bundled one of the same name."""

    def __init__(self, bundled: Path, own: Path) -> None:
        self._bundled, self._own = bundled, own

    @classmethod
    def of(cls, home: Path) -> StyleLibrary:
        """The styles that a daemon with this home knows."""
        return cls(packaged.art() / "styles", home / "styles")

    def files(self) -> list[StyleFile]:
        """The bundled styles in their order, then the user's by name."""
        found = {file.name: file for file in self._read_bundled()}
        found |= {file.name: file for file in self._read_own()}
        return list(found.values())[:MAX_STYLES_SHOWN]

    def file(self, name: str) -> StyleFile:
        """The style of this name. Raises `unknown_style`."""
        files = {file.name: file for file in self.files()}
        if name not in files:
            raise RequestError(
                "unknown_style", f"There is no style `{name}`; there is {', '.join(sorted(files)) or 'none'}."
            )
        return files[name]

    def _read_bundled(self) -> Iterator[StyleFile]:
        manifest = self._bundled / "styles.toml"
        if not manifest.is_file():
            return
        for entry in tomllib.loads(manifest.read_text(encoding="utf-8"))["style"]:
            path = self._bundled / entry.get("file", f"{entry['name']}.jpg")
            if path.is_file():
                yield StyleFile(
                    name=entry["name"],
                    title=entry["title"],
                    description=entry["description"],
                    tuned={**UNTUNED, **tuned(entry)},
                    path=path,
                    stamp=path.stat().st_mtime_ns,
                )

    def _read_own(self) -> Iterator[StyleFile]:
        for path, problem in self._own_pictures():
            if not problem:
                title = path.stem.replace("_", " ").replace("-", " ").capitalize()
                yield StyleFile(path.stem, title, "", UNTUNED, path, path.stat().st_mtime_ns)

    def problems(self) -> list[tuple[Path, str]]:
        """The user's files that cannot be styles, and why: those that have no name to call them by, or no picture."""
        found = [(path, problem) for path, problem in self._own_pictures() if problem]
        named = [file.path for file in self._read_own()]
        with tempfile.TemporaryDirectory(prefix="vaporbrush-") as folder:
            decoded = decode(Children(), named, Path(folder), THUMB_SIDE) if named else []
        return found + [
            (path, one.reason) for path, one in zip(named, decoded, strict=True) if isinstance(one, Refused)
        ]

    def _own_pictures(self) -> Iterator[tuple[Path, str]]:
        """The files that look like pictures, each with why it cannot be called by its name (or nothing)."""
        try:
            paths = sorted(self._own.iterdir())
            pictures = [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
        except (FileNotFoundError, NotADirectoryError):  # nobody has put any there
            return
        except OSError as error:
            yield self._own, f"the folder cannot be read: {error.strerror}"
            return
        yield from ((path, _name_problem(path.stem)) for path in pictures)


def _name_problem(name: str) -> str:
    if plain(name) != name:
        return "its name has characters that cannot be shown, or is not UTF-8"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"its name is longer than {MAX_NAME_BYTES} bytes"
    return ""


def decode(children: Children, paths: Sequence[Path], out: Path, side: int) -> list[Decoded | Refused]:
    """Decode pictures, at most `side` pixels long, in a process of its own: their blobs go to `out`.

    Pillow stays out of the front, with its memory and with whatever a damaged file may do to it.
    """
    arguments = [str(side), str(out), *map(str, paths)]
    outcome = children.run("vaporbrush_daemon.images.style_decoder", arguments, silence_s=SILENCE_S)
    found: list[Decoded | Refused] = []
    for line in outcome.lines[: len(paths)]:
        answer = json.loads(line)
        if "error" in answer:
            found.append(Refused(str(answer["error"])))
        else:
            found.append(Decoded(Image.from_wire("image", answer["image"]), answer["width"], answer["height"]))
    left = len(paths) - len(found)
    return found + [Refused(f"its decoder failed: {outcome.trouble or 'it said nothing'}", for_good=False)] * left
