"""Style pictures by name: the bundled ones and the user's own in home()/styles."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomllib

from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.limits import MAX_NAME_BYTES
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

from . import logs

THUMB_SIDE = 128  # pixels
MAX_STYLE_SIDE = 4096  # pixels; beyond this a style shows no more strokes, and its pixels would fill the spool
MAX_STYLES_SHOWN = 100  # so that the list fits a header
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class StyleFile:
    """A style picture on disk with its tuned defaults. `stamp` changes when the file does."""

    name: str
    title: str
    description: str
    strength: float
    style_scale: float
    path: Path
    stamp: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """Packed rows of 8 bits, sRGB; `channels` is RGB or RGBA."""

    width: int
    height: int
    channels: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """A style picture and its thumbnail (RGB)."""

    picture: Pixels
    thumb: Pixels


class Shelf:
    """All style pictures. A user's picture hides a bundled one of the same name."""

    def __init__(self, bundled: Path, own: Path) -> None:
        self._bundled, self._own = bundled, own

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
                    strength=float(entry["strength"]),
                    style_scale=float(entry["style_scale"]),
                    path=path,
                    stamp=path.stat().st_mtime_ns,
                )

    def _read_own(self) -> Iterator[StyleFile]:
        if not self._own.is_dir():
            return
        for path in sorted(self._own.iterdir()):
            name = path.stem
            if path.suffix.lower() in SUFFIXES and path.is_file() and 0 < len(name.encode()) <= MAX_NAME_BYTES:
                title = name.replace("_", " ").replace("-", " ").capitalize()
                yield StyleFile(name, title, "", DEFAULT_STRENGTH, 1.0, path, path.stat().st_mtime_ns)


def decode(file: StyleFile) -> Decoded:
    """Read the picture, upright and in sRGB. Raises `bad_field` for a file that is no picture."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file.path) as opened:
            opened.draft("RGB", (MAX_STYLE_SIDE, MAX_STYLE_SIDE))  # a JPEG is read smaller at no cost
            image = _srgb(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        logs.event("style_not_read", style=file.name, path=file.path, reason=error)
        raise RequestError("bad_field", f"The style picture {file.path} cannot be read: {error}.") from error
    image.thumbnail((MAX_STYLE_SIDE, MAX_STYLE_SIDE), Image.Resampling.LANCZOS)
    small = image.convert("RGB")
    small.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS)
    return Decoded(
        picture=Pixels(image.width, image.height, image.mode, image.tobytes()),
        thumb=Pixels(small.width, small.height, "RGB", small.tobytes()),
    )


def _srgb(image: Image.Image) -> Image.Image:  # type: ignore[name-defined]  # noqa: F821
    """The picture as RGB or, where it has transparency, RGBA, in sRGB."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
        except ImageCms.PyCMSError as error:
            logs.event("profile_ignored", reason=error)
        else:
            return made if made is not None else image.convert(mode)
    return image.convert(mode)
