"""Presets: named sets of styles and settings, in one folder that Krita, GIMP and the command line share.

A preset is a folder of its own below `home()/presets`, called by the preset's name: `preset.json`, and the pictures
that are its styles. So every program finds the pictures as files, and a person may look at them. As one file it is the
zip of that folder (`preset_archive`).
"""

from __future__ import annotations

import json
import math
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .controls import BY_NAME, Value
from .endpoint import native, portable
from .errors import RequestError
from .limits import MAX_NAME_BYTES, MAX_STYLES
from .private import make_folder
from .shown import plain

FOLDER, FILE = "presets", "preset.json"
VERSION = 1  # of preset.json; grows when an old program would misread a new one
MAX_FILE_BYTES = 64 * 1024  # of preset.json; a full one has 2 KiB
MAX_PICTURE_BYTES = 256 * 1024**2  # of one style's picture; an 8192² photograph as PNG has about 150 MB
MAX_WEIGHT = 1000.0  # of a style among several; the recipe's
MACHINE = ("device",)  # settings that belong to a computer, and would be wrong on another one
NAME_LENGTH = 60  # characters; longer ones fit no menu
FORBIDDEN = set('/\\:*?"<>|@')  # in file names of some system; @ is how a name is called
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # by Windows
FORMATS: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


@dataclass(frozen=True, slots=True)
class PresetStyle:
    """One style: a bundled or user style by its name, or a picture in the preset's folder."""

    name: str = ""
    picture: Path | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Preset:
    """`settings` are values of controls by name; those that are left out are as usual."""

    name: str
    styles: tuple[PresetStyle, ...]
    settings: Mapping[str, Value]

    def to_json(self) -> dict[str, Any]:
        """What is written into `preset.json`."""
        styles = [
            {"weight": one.weight, **({"picture": picture_name(one.picture)} if one.picture else {"name": one.name})}
            for one in self.styles
        ]
        return {"vaporbrush_preset": VERSION, "name": self.name, "settings": dict(self.settings), "styles": styles}


@dataclass(frozen=True, slots=True)
class NewStyle:
    """A style to be kept: a name, or a picture by its file or by its bytes. `title` is what the picture is called."""

    name: str = ""
    file: Path | None = None
    data: bytes | None = None
    title: str = ""
    weight: float = 1.0


class PresetStore:
    """The presets below a home folder. Raises `RequestError` with a sentence for whoever asked."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def names(self) -> list[str]:
        """What presets there are, in the order of the alphabet."""
        try:
            there = [path for path in self.folder.iterdir() if not path.name.startswith(".") and path.is_dir()]
        except FileNotFoundError:  # none was kept yet
            return []
        except OSError as error:
            raise refused(f"{self.folder} cannot be read: {error.strerror}.") from None
        found = (portable(path.name) for path in there)
        return sorted((name for name in found if not name_problem(name)), key=str.casefold)

    def folder_of(self, name: str) -> Path:
        """The folder of a preset whose name is spelled as it is kept."""
        return self.folder / native(name)

    def all(self) -> Iterator[tuple[str, Preset | RequestError]]:
        """Every preset, or why it cannot be read."""
        for name in self.names():
            try:
                yield name, self.load(name)
            except RequestError as error:
                yield name, error

    def find(self, name: str) -> str | None:
        """The name of the preset that is meant, whatever its capitals; None where there is none."""
        wanted = _key(name)
        return next((one for one in self.names() if _key(one) == wanted), None)

    def load(self, name: str) -> Preset:
        """The preset of this name."""
        name = self._existing(name)
        folder = self.folder_of(name)
        try:
            with (folder / FILE).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise refused(f"The preset “{name}” cannot be read: {error.strerror}.") from None
        preset = read(data, folder, f"The preset “{name}”")
        return Preset(name, preset.styles, preset.settings)

    def save(
        self, name: str, styles: Sequence[NewStyle], settings: Mapping[str, Value], *, replace: bool = False
    ) -> Preset:
        """Keep a preset with its pictures. One that has this name already is replaced only if that is said."""
        name = self.free(name, replace=replace)
        if not 1 <= len(styles) <= MAX_STYLES:
            raise refused(f"A preset has 1 to {MAX_STYLES} styles, not {len(styles)}.")
        folder = self.begin()
        try:
            kept = tuple(_keep(style, folder) for style in styles)
            preset = Preset(name, kept, _settings(settings, "The preset"))
            (folder / FILE).write_text(json.dumps(preset.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise refused(f"The preset “{name}” cannot be written: {error.strerror}.") from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self.finish(folder, name)

    def delete(self, name: str) -> None:
        """Forget a preset, with its pictures."""
        folder = self.folder_of(self._existing(name))
        try:
            self._aside(folder)
        except OSError as error:
            raise refused(f"The preset “{name}” cannot be deleted: {error.strerror}.") from None

    # ── a new one, from whatever it is made ──

    def free(self, name: str, *, replace: bool) -> str:
        """A name for a new preset, as it is kept: acceptable, and not taken unless it may be replaced."""
        name = unicodedata.normalize("NFC", name.removeprefix("@").strip())
        if problem := name_problem(name):
            raise refused(f"“{name}” cannot be a preset's name: {problem}.")
        if not replace and (taken := self.find(name)) is not None:
            raise refused(f"There is a preset “{taken}” already: choose another name, or replace it.")
        return name

    def begin(self) -> Path:
        """A new folder that nobody takes for a preset yet."""
        folder = self.folder / f".{secrets.token_hex(8)}.new"
        try:
            make_folder(self.folder.parent)
            make_folder(self.folder)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise refused(f"{self.folder} cannot be written to: {error.strerror}.") from None
        return folder

    def finish(self, folder: Path, name: str) -> Preset:
        """Give a new folder its name; a preset that has it makes way, and is there until then."""
        try:
            if (before := self.find(name)) is not None:
                self._aside(self.folder_of(before))
            folder.rename(self.folder_of(name))
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise refused(f"The preset “{name}” cannot be written: {error.strerror}.") from None
        return self.load(name)

    def _aside(self, folder: Path) -> None:
        """Take a folder away: its name is free at once, whatever may be open in it."""
        away = folder.with_name(f".{secrets.token_hex(8)}.old")
        folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)

    def _existing(self, name: str) -> str:
        found = self.find(name)
        if found is None:
            there = ", ".join(self.names()) or "none"
            raise refused(f"There is no preset “{name.removeprefix('@')}”; there is {there}.")
        return found


def name_problem(name: str) -> str:
    """Why a text cannot be a preset's name; empty where it can."""
    if not 1 <= len(name) <= NAME_LENGTH or len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        return f"it has to have 1 to {NAME_LENGTH} characters"
    if plain(name) != name:
        return "it has characters that cannot be shown"
    if bad := sorted(FORBIDDEN & set(name)):
        return f"it may not contain {' '.join(bad)}"
    if name[0] in ". " or name[-1] in ". " or RESERVED.fullmatch(name):
        return "no file can be called so on every system"
    return ""


def picture_name(path: Path) -> str:
    """The name of a preset's picture as everybody reads it."""
    return portable(path.name)


def suffix_of(data: bytes) -> str:
    """The suffix that suits a picture's first bytes; empty where it is of no format that every program reads."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for magic, suffix in FORMATS.items() if data.startswith(magic)), "")


def read(data: bytes, folder: Path, what: str) -> Preset:
    """A preset from the text of its `preset.json`; its pictures are in `folder`. `what` begins every sentence."""
    if len(data) > MAX_FILE_BYTES:
        raise refused(f"{what} has a description of more than {MAX_FILE_BYTES} bytes.")
    try:
        raw = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict) or not isinstance(raw.get("vaporbrush_preset"), int):
        raise refused(f"{what} is damaged: its description is none of a preset.")
    if raw["vaporbrush_preset"] > VERSION:
        raise refused(f"{what} was made by a newer Vaporbrush: update this one.")
    styles = raw.get("styles")
    if not isinstance(styles, list) or not 1 <= len(styles) <= MAX_STYLES:
        raise refused(f"{what} is damaged: it has no list of 1 to {MAX_STYLES} styles.")
    settings = raw.get("settings")
    return Preset(
        str(raw.get("name", "")),
        tuple(_style(one, folder, what) for one in styles),
        _settings(settings if isinstance(settings, dict) else {}, what),
    )


def _style(raw: object, folder: Path, what: str) -> PresetStyle:
    given = raw if isinstance(raw, dict) else {}
    name, picture, weight = given.get("name"), given.get("picture"), given.get("weight", 1.0)
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not number or not 0 < weight <= MAX_WEIGHT:
        raise refused(f"{what} is damaged: a style's weight is {weight!r}.")
    if isinstance(picture, str) and picture_name_problem(picture):
        raise refused(f"{what} is refused: “{picture}” is no name of a picture in it.")
    if isinstance(picture, str):
        return PresetStyle(picture=folder / native(picture), weight=float(weight))
    if not isinstance(name, str) or not name or plain(name) != name or len(name.encode()) > MAX_NAME_BYTES:
        raise refused(f"{what} is damaged: a style has neither a name nor a picture.")
    return PresetStyle(name=name, weight=float(weight))


def picture_name_problem(name: str) -> str:
    """Why a text cannot be the name of a preset's picture; empty where it can."""
    stem, dot, suffix = name.rpartition(".")
    known = {*FORMATS.values(), ".webp"}
    return name_problem(stem) if f"{dot}{suffix}" in known else f"it does not end in one of {', '.join(sorted(known))}"


def _settings(given: Mapping[str, Value], what: str) -> dict[str, Value]:
    """The acceptable settings: what a newer program has added is left out, and so is what belongs to a computer."""
    kept: dict[str, Value] = {}
    for name, value in given.items():
        control = BY_NAME.get(name)
        if control is None or not control.recipe or name in MACHINE:
            continue
        if not control.accepts(value):
            raise refused(f"{what} is refused: “{control.label}” is {value!r}.")
        whole = control.kind == "number" and isinstance(value, int)
        kept[name] = tuple(value) if isinstance(value, list) else float(value) if whole else value
    return {name: value for name, value in kept.items() if not isinstance(value, float) or math.isfinite(value)}


def _keep(style: NewStyle, folder: Path) -> PresetStyle:
    """Put a style's picture into a new preset's folder."""
    if style.name:
        return PresetStyle(name=style.name, weight=style.weight)
    data = style.data
    if data is None:
        assert style.file is not None
        try:
            with style.file.open("rb") as file:
                data = file.read(MAX_PICTURE_BYTES + 1)
        except OSError as error:
            raise refused(f"The style {style.file} cannot be read: {error.strerror}.") from None
    title = style.title or (portable(style.file.stem) if style.file is not None else "style")
    if len(data) > MAX_PICTURE_BYTES:
        raise refused(f"The style “{title}” has more than {MAX_PICTURE_BYTES // 1024**2} MB: keep a smaller picture.")
    suffix = suffix_of(data)
    if not suffix:
        raise refused(f"The style “{title}” is neither a PNG, JPEG, TIFF nor a WebP: keep it as one of these first.")
    path = _unused(folder, title, suffix)
    path.write_bytes(data)
    return PresetStyle(picture=path, weight=style.weight)


def _unused(folder: Path, title: str, suffix: str) -> Path:
    """A picture's path in a preset's folder, called as far as possible like the picture."""
    allowed = "".join("_" if letter in FORBIDDEN or plain(letter) != letter else letter for letter in title)
    stem = unicodedata.normalize("NFC", allowed)[: NAME_LENGTH - 4].strip(". ")
    stem = stem if stem and not name_problem(stem) else "style"
    names = [stem, *(f"{stem} {number}" for number in range(2, MAX_STYLES + 2))]
    return next(path for name in names if not (path := folder / native(f"{name}{suffix}")).exists())


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.removeprefix("@").strip()).casefold()


def refused(sentence: str) -> RequestError:
    """What cannot be done with a preset."""
    return RequestError("bad_field", sentence)
