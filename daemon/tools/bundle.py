"""The offline bundle: all that a plug-in would fetch to install the painter, for computers without a network.

    python daemon/tools/bundle.py [SYSTEM-BACKEND [PYTHON]] [--index URL]     (`make bundle`) into dist/

One file that *From a file…* in the plug-in takes. It is made for one system, build and Python: this machine's, unless
you say. The files come from the addresses in the locks, or from a package index of your own.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import painter_kit

from vaporbrush_host.installer import kit as kits
from vaporbrush_host.installer.download import Web
from vaporbrush_host.installer.index import Index
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.version import __version__

ROOT = Path(__file__).resolve().parents[2]


def bundle(wheel: Path, target: str, python: str, dist: Path, locks: Path, index: str = "") -> Path:
    """Fetch everything for one system, build and Python, each file by its hash, into one zip."""
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder)
        for name, data in painter_kit.contents(wheel, locks).items():
            (plugin / name).parent.mkdir(parents=True, exist_ok=True)
            (plugin / name).write_bytes(data)
        kit = kits.read(plugin)
        system, _dash, backend = target.rpartition("-")
        lock = kit.lock(system, backend) if kit else None
        if kit is None or lock is None or python not in lock.pythons:
            known = ", ".join(f"{one.system}-{one.backend} {'/'.join(one.pythons)}" for one in kit.locks) if kit else ""
            sys.exit(f"There is no lock for {target}, Python {python}; there are: {known}")
        path = dist / f"vaporbrush-{__version__}-offline-{target}-python{python}.zip"
        source, whole = Web(Index(index)), plugin / path.name  # a bundle that lacks something gets no name in dist
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
            for file in (kit.uv[system], *lock.wheels(python)):
                fetched = plugin / file.name
                source.fetch(file, fetched, lambda _done: None, lambda: False)
                archive.write(fetched, file.name)
                fetched.unlink()
                print(file.name, flush=True)
        shutil.move(whole, path)
    return path


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", default=f"{kits.this_system()}-cpu", metavar="SYSTEM-BACKEND")
    parser.add_argument("python", nargs="?", default=f"{sys.version_info.major}.{sys.version_info.minor}")
    parser.add_argument("--index", default="", help="a package index instead of the addresses in the locks")
    given = parser.parse_args()
    wheels = sorted((ROOT / "dist").glob(f"vaporbrush-{__version__}-*.whl"))
    if not wheels:
        sys.exit("dist/ has no wheel yet: make dist")
    try:
        print(bundle(wheels[-1], given.target, given.python, ROOT / "dist", painter_kit.LOCKS, given.index))
    except VaporbrushError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
