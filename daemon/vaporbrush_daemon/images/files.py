"""Picture files in and out of the command line: PNG, JPEG, TIFF and WebP with depth, alpha, EXIF and colour profile.

A picture is painted in the content's own RGB space: its numbers are never converted, so that nothing is lost or shifted
where the painting leaves it alone, and its profile goes with the output; the styles are converted into that space
(`adapted`). A profile with a linear response becomes the wire's `linear` transfer; without a profile, sRGB is assumed.
Grey becomes RGB (a grey photograph is to take on the style's colours); CMYK and grey profiles become sRGB.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from vaporbrush_daemon import machine
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.limits import MAX_BLOB_BYTES
from vaporbrush_protocol.recipe import Channels, Depth, Transfer
from vaporbrush_protocol.recipe import Image as WireImage

from . import pixels as wire_pixels
from . import png_chunks
from .decoders import KEYWORD, Decoded, decode_png, decode_tiff, decode_with_pillow, recipe_in
from .profiles import SRGB, Pixels, is_linear, resized, same_space, scaled, straight, transform, unit

MAX_FILE_BYTES = MAX_BLOB_BYTES  # no picture that fits a blob has a larger file
JPEG_QUALITY = 95  # brush texture is high-frequency: below this, blocks show
WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WebP"}
DEPTHS: dict[str, Depth] = {"uint8": "u8", "uint16": "u16", "float16": "f16", "float32": "f32"}
DTYPES = {depth: np.dtype(name).newbyteorder("<") for name, depth in DEPTHS.items()}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, upright. `pixels` is (H, W, 3 or 4) RGB or straight RGBA in u8, u16, f16 or f32 (0 to 1).

    `profile` is the ICC profile of exactly these numbers (None: sRGB). `recipe` is what Vaporbrush left in a PNG.
    """

    pixels: Pixels
    profile: bytes | None = None
    exif: bytes | None = None
    recipe: Mapping[str, Any] | None = None
    transfer: Transfer = "srgb"

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    def wire(self, blob: str = "") -> WireImage:
        """The descriptor of `data()`."""
        channels: Channels = "RGBA" if self.pixels.shape[2] == 4 else "RGB"
        return WireImage(blob, self.width, self.height, channels, DEPTHS[self.pixels.dtype.name], self.transfer)

    def data(self) -> memoryview:
        """The pixels as they go over the wire: packed rows, little-endian."""
        return np.ascontiguousarray(self.pixels, self.pixels.dtype.newbyteorder("<")).data.cast("B")


def read(path: Path) -> Picture:
    """Decode a picture file. Raises `RequestError` with one sentence about whatever is wrong with it, and
    `out_of_memory` for one that does not fit.
    """
    data = _file_bytes(path)
    if data.startswith(png_chunks.SIGNATURE):
        decode = decode_png
    elif data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        decode = decode_tiff
    elif data.startswith(b"\xff\xd8\xff") or (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        decode = decode_with_pillow
    else:
        raise RequestError("bad_field", f"{path} is not a PNG, JPEG, TIFF or WebP picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged tag that does not matter is nothing to tell
            return _settled(decode(path, data))
    except VaporbrushError:
        raise
    except MemoryError:
        raise VaporbrushError("out_of_memory", f"{path} needs more memory than there is.") from None
    except Exception as error:  # noqa: BLE001 - decoders raise anything at all on damaged files
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise RequestError("bad_field", f"{path} is damaged and cannot be read ({reason}).") from None


def read_mask(path: Path, width: int, height: int, size: tuple[int, int] | None = None) -> Pixels:
    """A mask, (H, W) u8: white paints, black and transparent keep. It must be as large as the content.

    `size` (width, height) is what it is then reduced to.
    """
    picture = read(path)
    if (picture.width, picture.height) != (width, height):
        raise RequestError(
            "bad_field",
            f"The mask {path} is {picture.width}×{picture.height} pixels, but must be as large as the content,"
            f" {width}×{height}.",
        )
    pixels = unit(picture.pixels)
    gray = pixels[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709 luma
    if pixels.shape[2] == 4:
        gray = gray * pixels[..., 3]
    return scaled(resized(gray[..., None], *(size or (width, height)))[..., 0], np.dtype(np.uint8))


def read_recipe(path: Path) -> Mapping[str, Any]:
    """The recipe in a PNG that Vaporbrush painted, in a JSON file, or in what `stylize --json` printed."""
    data = _file_bytes(path)
    if data.startswith(png_chunks.SIGNATURE):
        found = recipe_in(data)
        if found is None:
            raise RequestError("bad_field", f"{path} holds no recipe: it is not a PNG that Vaporbrush painted.")
    else:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise RequestError("bad_field", f"{path} is neither a PNG with a recipe nor JSON.") from None
    if isinstance(found, dict) and isinstance(found.get("recipe"), dict):
        found = found["recipe"]
    if not isinstance(found, dict):
        raise RequestError("bad_field", f"{path} holds no recipe.")
    return found


def received(data: bytes, image: WireImage, like: Picture) -> Picture:
    """A painting as it came over the wire, with the profile and the EXIF of the content it was painted from."""
    pixels = np.frombuffer(data, DTYPES[image.depth]).reshape(image.height, image.width, -1)
    return Picture(pixels, like.profile, like.exif, transfer=image.transfer)


def recalled(data: bytes, image: WireImage) -> Picture:
    """A painting of the history, in whatever form its program wanted it: as sRGB, RGB or RGBA, at the depth it has; of
    linear light with 8 bits, 16 are made, or the shadows would band.
    """
    floats, _clipped = wire_pixels.decode(data, image)
    depth = "u16" if image.depth == "u8" and image.transfer == "linear" else image.depth
    form = WireImage("", image.width, image.height, "RGBA" if "A" in image.channels else "RGB", depth)
    return received(wire_pixels.encode(floats, form), form, Picture(floats))


def write(path: Path, picture: Picture, record: Mapping[str, Any] | None = None) -> None:
    """Write the picture in the format that the suffix names, all or nothing; `record` goes into a PNG as text.

    Depth is kept where the format can hold it: PNG has 8 and 16 bits, JPEG and WebP have 8, TIFF has all.
    JPEG has no transparency: there the picture is put on white.
    """
    data = _encode(path.suffix.lower(), picture, record)
    try:
        atomic.write(path, data, durable=True)  # somebody may have waited hours for it
    except OSError as error:
        raise RequestError("bad_field", f"{path} cannot be written: {error.strerror or error}.") from None


def reduced(picture: Picture, side: int) -> Picture:
    """The picture with its longest side `side` pixels long, antialiased; transparent pixels do not bleed."""
    factor = side / max(picture.width, picture.height)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    pixels = picture.pixels
    # Channel by channel: as floats all of them at once are sixteen bytes for each pixel of the file.
    machine.check_memory(f"Reducing {picture.width}×{picture.height} pixels", picture.width * picture.height * 16)
    alpha = unit(pixels[..., 3:]) if pixels.shape[2] == 4 else None
    planes = []
    for channel in range(3):
        plane = unit(pixels[..., channel : channel + 1])
        planes.append(resized(plane if alpha is None else plane * alpha, *size))
    if alpha is None:
        return replace(picture, pixels=scaled(np.concatenate(planes, axis=2), pixels.dtype))
    small = straight(np.concatenate([*planes, resized(alpha, *size)], axis=2))
    return replace(picture, pixels=scaled(small, pixels.dtype))


def adapted(style: Picture, content: Picture) -> Picture:
    """The style with its colours expressed in the content's space, so that they come out right under its profile."""
    if style.profile == content.profile:
        return style
    source, target = style.profile or SRGB, content.profile or SRGB
    if same_space(source, target):
        return replace(style, profile=content.profile, transfer=content.transfer)
    depth = style.pixels.dtype
    if content.transfer == "linear" and depth == np.uint8:
        depth = np.dtype(np.uint16)  # eight linear bits would band the shadows
    pixels = scaled(style.pixels, depth)
    colour = transform(pixels[..., :3], source, target)
    return Picture(np.concatenate([colour, pixels[..., 3:]], axis=2), content.profile, transfer=content.transfer)


def _file_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise RequestError("bad_field", f"{path} is a folder, not a picture.")
        if not path.is_file():  # a pipe would block, a device would not end
            raise RequestError("bad_field", f"{path} does not exist or is not an ordinary file.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RequestError("too_large", f"{path} is larger than {MAX_FILE_BYTES // 2**30} GiB.")
        return path.read_bytes()
    except OSError as error:
        raise RequestError("bad_field", f"{path} cannot be read: {error.strerror or error}.") from None


def _settled(found: Decoded) -> Picture:
    """From the file's colour model and orientation to an upright RGB or RGBA picture."""
    pixels, profile = found.pixels, found.profile
    colours = {"gray": 1, "rgb": 3, "cmyk": 4}[found.model]
    colour, alpha = pixels[..., :colours], pixels[..., colours : colours + 1]
    if profile and profile[16:20] != {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}[found.model]:
        profile = None  # a profile for another kind of picture says nothing about these numbers
    if found.model != "rgb":
        if profile:
            colour = transform(colour, profile, SRGB, found.model)
        elif found.model == "gray":
            colour = np.repeat(colour, 3, axis=2)
        else:
            ink = unit(colour)
            colour = scaled((1 - ink[..., :3]) * (1 - ink[..., 3:]), colour.dtype)
        profile = None
    transfer: Transfer = "linear" if profile and is_linear(profile) else "srgb"
    pixels = _upright(np.concatenate([colour, alpha], axis=2), found.orientation)
    return Picture(np.ascontiguousarray(pixels), profile, found.exif, found.recipe, transfer)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo EXIF orientation 1 to 8 (TIFF 6.0, tag 274): where row 0 and column 0 of the file are seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _encode(suffix: str, picture: Picture, record: Mapping[str, Any] | None) -> bytes:
    pixels, out = picture.pixels, io.BytesIO()
    if suffix not in WRITABLE:
        raise RequestError("bad_field", f"{suffix or 'No suffix'} is not a format to write; use {', '.join(WRITABLE)}.")
    if WRITABLE[suffix] == "PNG":
        chunks = []
        if picture.profile:
            chunks.append(png_chunks.profile_chunk(picture.profile))
        if picture.exif:
            chunks.append((b"eXIf", picture.exif.removeprefix(b"Exif\0\0")))
        if record is not None:
            chunks.append(png_chunks.text_chunk(KEYWORD, json.dumps(record, ensure_ascii=False, sort_keys=True)))
        wide = pixels if pixels.dtype.kind == "u" else scaled(pixels, np.dtype(np.uint16))
        return png_chunks.insert(bytes(imagecodecs.png_encode(np.ascontiguousarray(wide), level=6)), chunks)
    if WRITABLE[suffix] == "TIFF":
        tifffile.imwrite(
            out, pixels, photometric="rgb", compression="adobe_deflate", predictor=True, metadata=None,
            extrasamples=["unassalpha"] if pixels.shape[2] == 4 else None, iccprofile=picture.profile, software=KEYWORD,
        )  # fmt: skip
        return out.getvalue()
    narrow = scaled(pixels, np.dtype(np.uint8))
    extras = {name: value for name, value in (("icc_profile", picture.profile), ("exif", picture.exif)) if value}
    if WRITABLE[suffix] == "WebP":
        Image.fromarray(narrow).save(out, "WEBP", lossless=True, exact=True, quality=70, method=4, **extras)
        return out.getvalue()
    if narrow.shape[2] == 4:
        alpha = unit(narrow)[..., 3:]
        narrow = scaled(unit(narrow)[..., :3] * alpha + (1 - alpha), np.dtype(np.uint8))
    Image.fromarray(narrow).save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True, **extras)
    return out.getvalue()
