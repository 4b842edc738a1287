"""Builds what is given away into dist/ and checks it: the wheel, the sdist, a zip of each plug-in, SHA256SUMS, an SBOM.

    python daemon/tools/release.py [FOLDER [--locks FOLDER]]      (`make dist`)

The same checkout gives the same bytes, whenever it is built. Krita's zip is for *Tools ▸ Scripts ▸ Import Python Plugin
from File*; GIMP's is unpacked into a plug-ins folder.
"""

from __future__ import annotations

import calendar
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

import painter_kit
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vaporbrush_daemon import packaged
from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import host_programs, vendor
from vaporbrush_daemon.install import krita as install_krita
from vaporbrush_protocol.version import __version__

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
EPOCH = (2026, 1, 1, 0, 0, 0)  # the same files make the same zip
PACKAGE = "vaporbrush_daemon"

IN_THE_WHEEL = (
    f"{PACKAGE}/cli/main.py",
    f"{PACKAGE}/models/vgg19-lite.safetensors",
    f"{PACKAGE}/art/styles/styles.toml",
    f"{PACKAGE}/art/styles/vaporwave.jpg",
    f"{PACKAGE}/art/demo/content.jpg",
    f"{PACKAGE}/templates/vaporbrush.service",
    f"{PACKAGE}/templates/vaporbrush.socket",
    f"{PACKAGE}/templates/org.vaporbrush.daemon.plist",
    f"{PACKAGE}/templates/vaporbrush-task.xml",
    f"{PACKAGE}/plugins/krita/vaporbrush.desktop",
    f"{PACKAGE}/plugins/gimp/vaporbrush/vaporbrush.py",
    f"{PACKAGE}/plugins/common/vaporbrush_host/ui_text.py",
    f"{PACKAGE}/py.typed",
    "vaporbrush_protocol/client.py",
    f"vaporbrush-{__version__}.dist-info/licenses/LICENSE",
    f"vaporbrush-{__version__}.dist-info/licenses/THIRD_PARTY.md",
)
IN_THE_SDIST = ("pyproject.toml", "Makefile", "README.md", "LICENSE", "protocol/SPEC.md", "tests/conftest.py")
NEVER = ("__pycache__", ".pyc", ".venv", ".git/")


def main() -> None:
    """Build and check; the first thing that is wrong ends it."""
    dist = Path(sys.argv[1]) if sys.argv[1:] else DIST
    locks = Path(sys.argv[3]) if sys.argv[2:3] == ["--locks"] else painter_kit.LOCKS
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    build(ROOT, dist)
    wheel = only(dist.glob("*.whl"))
    sdist = only(dist.glob("*.tar.gz"))
    check(wheel, names_of_zip(wheel), IN_THE_WHEEL)
    with tarfile.open(sdist) as archive:
        prefix = f"vaporbrush-{__version__}/"
        check(sdist, {name.removeprefix(prefix) for name in archive.getnames()}, IN_THE_SDIST)
    check_same_wheel(sdist, wheel)
    made = [*plugin_zips(dist, painter_kit.contents(wheel, locks)), wheel, sdist, write_sbom(dist)]
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(made)]
    (dist / "SHA256SUMS").write_text("".join(sums), encoding="ascii")
    for path in made:
        print(path, path.stat().st_size)


def build(source: Path, target: Path, *what: str) -> None:
    """Build with the tools of this environment: nothing is downloaded."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), *what, str(source)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(calendar.timegm(EPOCH))},
    )


def write_sbom(dist: Path) -> Path:
    """What the wheel brings along, in CycloneDX: the versions that CI tested, of the packages that it needs."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    needed = runtime_packages()
    locked = "\n".join(entry for entry in entries if canonicalize_name(re.split("[ =;]", entry)[0]) in needed)
    path = dist / f"vaporbrush-{__version__}.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--of", "JSON", "-o", str(path), "-"]
    subprocess.run(command, cwd=ROOT, input=locked, text=True, check=True)
    return path


def runtime_packages() -> set[str]:
    """The names of all that the wheel needs, and what those need, as installed here."""
    names: set[str] = set()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if name not in names and (need.marker is None or need.marker.evaluate({"extra": ""})):
            names.add(name)
            waiting += map(Requirement, metadata.requires(name) or [])
    return names


def plugin_zips(dist: Path, kit: dict[str, bytes]) -> tuple[Path, Path]:
    """One zip for each host program, complete with its libraries and with what installs the painter."""
    krita = vendor.contents(packaged.plugins() / "krita", install_krita.LIBRARIES)
    krita |= {str(install_krita.LIBRARIES.parent / name): data for name, data in kit.items()}
    gimp = {**vendor.contents(packaged.plugins() / "gimp" / install_gimp.NAME, install_gimp.LIBRARIES), **kit}
    made = (
        write_zip(dist / f"vaporbrush-krita-{__version__}.zip", krita),
        write_zip(
            dist / f"vaporbrush-gimp-{__version__}.zip",
            {str(PurePosixPath(install_gimp.NAME) / name): data for name, data in gimp.items()},
        ),
    )
    check(made[0], names_of_zip(made[0]), ("vaporbrush.desktop", "vaporbrush/", "vaporbrush/__init__.py"))
    check(made[1], names_of_zip(made[1]), (f"{install_gimp.NAME}/{install_gimp.ENTRY}",))
    for path in made:
        found = names_of_zip(path)
        for wanted in (
            "vaporbrush_protocol/client.py",
            "_vendor/msgpack/fallback.py",
            "_vendor/msgpack/COPYING",
            "painter/kit.json",
        ):
            if not any(name.endswith(wanted) for name in found):
                sys.exit(f"{path.name} lacks {wanted}")
        if any(name.endswith(host_programs.START_FILE) for name in found):
            sys.exit(f"{path.name} names an interpreter of this machine")
    return made


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """A zip that depends on its files only. GIMP runs its entry, which therefore is executable."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted({**dict.fromkeys(folders(files), b""), **files}.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (0o100755 if name.endswith(f"/{install_gimp.ENTRY}") else 0o100644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def folders(files: Iterable[str]) -> Iterator[str]:
    """Every folder that files are in, as zips name them: Krita's importer looks for that entry of the module's."""
    for name in files:
        yield from (f"{folder}/" for folder in PurePosixPath(name).parents if folder.name)


def check_same_wheel(sdist: Path, wheel: Path) -> None:
    """The sdist builds the wheel, file for file."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        build(only(Path(folder).iterdir()), Path(folder) / "out", "--wheel")
        again = only((Path(folder) / "out").glob("*.whl"))
        if contents(again) != contents(wheel):
            differing = sorted(set(contents(again).items()) ^ set(contents(wheel).items()))
            sys.exit(f"The sdist builds another wheel; they differ in {sorted({name for name, _ in differing})[:10]}")


def contents(wheel: Path) -> dict[str, int]:
    """Name and checksum of every file."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def names_of_zip(path: Path) -> set[str]:
    """Every file in a zip or wheel."""
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def check(path: Path, names: set[str], wanted: Iterable[str]) -> None:
    """Everything that is needed is there, and nothing that must not be."""
    for name in wanted:
        if name not in names:
            sys.exit(f"{path.name} lacks {name}")
    for name in names:
        if any(part in name for part in NEVER):
            sys.exit(f"{path.name} contains {name}")


def only(paths: Iterable[Path]) -> Path:
    """The one path that there is."""
    (path,) = paths
    return path


if __name__ == "__main__":
    main()
