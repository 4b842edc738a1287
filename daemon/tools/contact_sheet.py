"""A contact sheet to judge the bundled styles by: each beside what it makes of the demo's picture and of others.

python daemon/tools/contact_sheet.py photo.jpg                          into build/looks/styles.png
python daemon/tools/contact_sheet.py --only woodcut,ink --model vgg19 --strength 4000 --out build/looks/lines.png
python daemon/tools/contact_sheet.py photo.jpg --grid docs/styles.jpg     also the README's: the demo's picture only
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vaporbrush_daemon import packaged
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_protocol.endpoint import home

ROOT = Path(__file__).resolve().parents[2]
GAP, WHITE, INK = 8, (255, 255, 255), (20, 20, 20)
SMALL, LARGE = 14, 26  # pixels; the README shows the grid at half its size
STYLE_SIDE = 256  # pixels of the style's own picture


def main() -> None:
    """Paint and compose."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contents", nargs="*", type=Path, help="pictures to paint over, besides the demo's")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "looks" / "styles.png")
    parser.add_argument("--size", type=int, default=384, help="longest side in pixels (default: %(default)s)")
    parser.add_argument("--model", default="vgg19-lite", help="(default: %(default)s)")
    parser.add_argument("--quality", default="standard", help="(default: %(default)s)")
    parser.add_argument("--only", help="names with commas between (default: all)")
    parser.add_argument("--strength", type=float, help="instead of each style's own")
    parser.add_argument("--style-scale", type=float, help="instead of each style's own")
    parser.add_argument("--grid", type=Path, help="where the paintings of the demo's picture go, four a row")
    given = parser.parse_args()
    contents = [next(packaged.art().glob("demo/content.*")), *given.contents]
    styles = [
        style for style in StyleLibrary.of(home()).files() if not given.only or style.name in given.only.split(",")
    ]
    options = [f"--size={given.size}", f"--model={given.model}", f"--quality={given.quality}"]
    options += [f"--strength={given.strength}"] if given.strength else []
    options += [f"--style-scale={given.style_scale}"] if given.style_scale else []
    rows, demo = [], []
    with tempfile.TemporaryDirectory() as folder:
        for style in styles:
            row = [labelled(thumbnail(style.path), f"@{style.name}")]
            for content in contents:
                out = Path(folder) / f"{style.name}-{content.stem}.png"
                told = paint(content, style.name, out, options)
                recipe = told["recipe"]
                label = f"{told['model']}, strength {recipe['strength']:g}, scale {recipe['style_scale']:g}"
                row.append(labelled(Image.open(out).convert("RGB"), label))
            rows.append(row)
            first = Image.open(Path(folder) / f"{style.name}-{contents[0].stem}.png").convert("RGB")
            demo.append(labelled(first, f"@{style.name}", LARGE))
    page(rows, given.out)
    print(given.out)
    if given.grid:
        page([demo[start : start + 4] for start in range(0, len(demo), 4)], given.grid)
        print(given.grid)


def paint(content: Path, style: str, out: Path, options: list[str]) -> dict:
    """One painting by the command line; what `--json` told."""
    command = [sys.executable, "-m", "vaporbrush_daemon", "stylize", content, f"@{style}", "-o", out, "--json"]
    done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def thumbnail(path: Path) -> Image.Image:
    """A style's own picture, small."""
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((STYLE_SIDE, STYLE_SIDE))
    return picture


def labelled(picture: Image.Image, text: str, letters: int = SMALL) -> Image.Image:
    """The picture with a line of text below it."""
    cell = Image.new("RGB", (picture.width, picture.height + letters + 8), WHITE)
    cell.paste(picture)
    ImageDraw.Draw(cell).text((2, picture.height + 3), text, INK, ImageFont.load_default(letters))
    return cell


def page(rows: list[list[Image.Image]], out: Path) -> None:
    """Rows of cells; columns as wide as their widest cell."""
    widths = [max(cell.width for cell in column if cell) for column in zip_longest(*rows)]
    heights = [max(cell.height for cell in row) for row in rows]
    sheet = Image.new("RGB", (sum(widths) + GAP * (len(widths) + 1), sum(heights) + GAP * (len(heights) + 1)), WHITE)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for cell, width in zip(row, widths, strict=False):
            sheet.paste(cell, (left, top))
            left += width + GAP
        top += height + GAP
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, quality=65, optimize=True, progressive=True)  # a JPEG of twelve paintings in under 400 kB


if __name__ == "__main__":
    main()
