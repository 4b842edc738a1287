"""The process that decodes style pictures: `python -m vaporbrush_daemon.images.style_decoder SIDE OUT PATH…`.

It says one JSON object for each picture: the blob that it wrote into OUT, or why there is none.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageCms, ImageOps
from PIL.Image import Image as PillowImage

from vaporbrush_daemon import children, machine
from vaporbrush_daemon.styles import THUMB_SIDE
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import Image

ORIENTATION = 0x0112  # EXIF: from 5 on, the picture lies on its side
BYTES_PER_PIXEL = 12  # as decoded, turned upright and converted: three copies of four channels
MAX_BYTES = 4 * 1024**3  # of memory for one picture; the largest one that the wire allows, 16384², needs 3.2 GB


def decode(path: Path, side: int, out: Path) -> dict[str, object]:
    """Read a picture, upright and in sRGB, at most `side` pixels long, and write its pixels as a blob."""
    with Pillow.open(path) as opened:
        width, height = opened.size
        opened.draft("RGB", (side, side))  # a JPEG is read smaller at no cost
        machine.check_memory(f"A picture of {width}×{height} pixels", opened.width * opened.height * BYTES_PER_PIXEL)
        if opened.getexif().get(ORIENTATION, 1) >= 5:
            width, height = height, width
        image = _srgb(ImageOps.exif_transpose(opened))
    image.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    if side == THUMB_SIDE:
        image = image.convert("RGB")
    data = image.tobytes()
    blob = hashlib.sha256(data).hexdigest()
    atomic.write(out / blob, data, mode=0o600)
    made = Image(blob, image.width, image.height, "RGBA" if image.mode == "RGBA" else "RGB")
    return {"image": made.to_wire(), "width": width, "height": height}


def _srgb(image: PillowImage) -> PillowImage:
    """The picture as RGB or, where it has transparency, RGBA, in sRGB."""
    profile = image.info.get("icc_profile")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
        except ImageCms.PyCMSError as error:
            sys.stderr.write(f"profile ignored: {error}\n")
        else:
            return made if made is not None else image.convert(mode)
    return image.convert(mode)


def main() -> None:
    """The process."""
    children.end_with_parent()
    children.limit_memory(MAX_BYTES)
    side, out, *paths = sys.argv[1:]
    for path in paths:
        try:
            answer = decode(Path(path), int(side), Path(out))
        except VaporbrushError as error:
            answer = {"error": error.message}
        except MemoryError:
            answer = {"error": f"it needs more than {MAX_BYTES / 1e9:.1f} GB of memory"}
        except Exception as error:  # noqa: BLE001 -- Pillow's decoders raise whatever they like
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
