"""From a plug-in's zip to the first painting, in the real Krita and GIMP, in a root with neither pip nor torch.

The network is an index on loopback. Imported by the host's own importer, clicked, painted with a bundled style.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Picture

from hosts.gimp import Gimp
from hosts.gimp_screen import TITLE, Screen
from hosts.host import PATH, Desktop
from hosts.krita import Krita, picture
from hosts.root import Root
from support import wheelhouse
from support.package_index import PackageIndex, serving
from vaporbrush_daemon import packaged
from vaporbrush_protocol.installation import installed

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
KRITA_S = 900
MOST_BYTES = 300 * 10**6
MOST_CLICKS = 6


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> tuple[Path, PackageIndex]:
    """The zips of this checkout, whose locks name what the index serves."""
    folder = tmp_path_factory.mktemp("release")
    locks = wheelhouse.fill(folder, PYTHON)
    command = [sys.executable, ROOT / "daemon/tools/release.py", folder / "dist", "--locks", locks]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    with serving(folder / "wheels") as index:
        yield folder, index


@pytest.fixture
def desktop(root: Root) -> Iterator[Desktop]:
    """A desktop whose root has a Python of its own, and no pip."""
    with tempfile.TemporaryDirectory(prefix="vi-") as name:
        folder = Path(name)
        wheelhouse.copy_of_this_python(folder / "python")
        with Desktop(root, folder) as desktop:
            yield desktop
            stop(desktop)


def python_of(desktop: Desktop) -> dict[str, str]:
    """The environment in which that Python is found, and finds its library."""
    own = desktop.folder / "python"
    return {"PATH": f"{own}/bin:{PATH}", "LD_LIBRARY_PATH": f"{own}/lib"}


def stop(desktop: Desktop) -> None:
    """The daemon that the host started ends with the desktop, whose processes are killed; its files go first."""
    found = installed(desktop.home / ".local/share/vaporbrush")
    if found is not None:
        desktop.run(
            [str(found.python), "-m", "vaporbrush_daemon", "stop", "--now"], env=python_of(desktop), check=False
        )


def settings(desktop: Desktop, index: PackageIndex) -> None:
    """The person's own index, as *Network…* writes it."""
    home = desktop.home / ".local/share/vaporbrush"
    home.mkdir(parents=True)
    (home / "hosts.json").write_text(json.dumps({"installer": {"index": f"{index.url}/simple"}}))


def four_pictures(looks: Path) -> None:
    """The README's: the docker's first page, its progress, the docker as it is then, and all of Krita, painted."""
    shots = [Picture.open(path).convert("RGB") for path in sorted(looks.glob("install-krita-[1-4]-*.png"))]
    parts = [shot.crop((1330, 590, 1600, 1000)) for shot in shots[:3]]
    parts.append(shots[3].resize((656, 410)))
    sheet = Picture.new("RGB", (sum(part.width + 6 for part in parts), 410), "white")
    left = 0
    for part in parts:
        sheet.paste(part, (left, 0))
        left += part.width + 6
    sheet.save(looks / "install.jpg", quality=88)


def test_from_kritas_zip_to_a_painting(release, desktop: Desktop, looks: Path) -> None:
    folder, index = release
    zipped = next((folder / "dist").glob("vaporbrush-krita-*.zip"))
    krita = Krita(desktop)
    settings(desktop, index)
    picture(desktop.folder, "content", packaged.art() / "demo" / "content.jpg", (320, 240))
    (desktop.folder / zipped.name).write_bytes(zipped.read_bytes())
    importer = "/usr/share/krita/pykrita/plugin_importer/plugin_importer.py"
    said = desktop.run(["python3", importer, str(desktop.folder / zipped.name), str(krita.data)]).stdout
    assert "Imported plugin: Vaporbrush" in said
    krita.kritarc.write_text(krita.kritarc.read_text() + "enable_vaporbrush=true\n")  # what the importer's Yes does
    began = time.time()
    krita.start("installing", env=python_of(desktop))
    told = krita.wait(KRITA_S)
    told.played("from_zip_to_painting")
    assert "about" in told["page"]["action"]
    assert "free" in told["page"]["text"]
    assert " of " in told["progress"]
    assert told["painted"]["stage"] == "done", told["painted"]
    assert len(told["layers"]) == 3
    sent = sum(one.sent for one in index.served)
    assert sent <= MOST_BYTES
    found = installed(desktop.home / ".local/share/vaporbrush")
    assert found is not None
    assert found.whole
    doctor = desktop.run(
        [str(found.python), "-m", "vaporbrush_daemon", "doctor"], env=python_of(desktop), check=False
    ).stdout
    assert "painter installed at" in doctor
    report = {
        "bytes": sent,
        "seconds installing": told["installed"]["seconds"],
        "steps": told["steps"],
        "seconds in all": time.time() - began,
    }
    (looks / "install-krita.json").write_text(json.dumps(report, indent=1))
    four_pictures(looks)


def test_from_gimps_package_to_a_painting(release, desktop: Desktop, looks: Path) -> None:
    folder, index = release
    index.served.clear()
    package = desktop.folder / "package.zip"
    package.write_bytes(next((folder / "dist").glob("vaporbrush-gimp-*.zip")).read_bytes())
    for name, source, size in (("scene", "demo/content", (320, 240)), ("style", "styles/watercolour", (160, 120))):
        picture = Picture.open(packaged.art() / f"{source}.jpg").convert("RGB").resize(size)
        picture.save(desktop.folder / f"{name}.png")
    home = desktop.home / ".local/share/vaporbrush"
    settings(desktop, index)
    gimp = Gimp(desktop, home, package=package)
    gimp.environment = python_of(desktop)
    screen = Screen(gimp, None, looks, "install-gimp")
    screen.last_values('(quality "draft")', '(size "256")')
    screen.until_done(screen.call_from_menu, lambda: desktop.windows(TITLE), "opening the dialog")
    offer = screen.wait(
        lambda: next((one for one in screen.all("Button") if "Install" in (one["text"] or "")), None), "offer"
    )
    assert "about" in offer["text"]
    screen.look("1-page")
    began = time.monotonic()
    screen.click("Button", offer["text"])
    screen.wait_text(" of ")
    screen.look("2-progress")
    screen.wait(lambda: installed(home), "the painter")
    seconds = time.monotonic() - began
    screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
    screen.look("3-ready")
    screen.choose("Bundled", "Risograph")
    screen.click("Button", "OK")
    assert len(screen.until_layers(2)) == 2
    screen.look("4-painted")
    sent = sum(one.sent for one in index.served)
    assert sent <= MOST_BYTES
    (looks / "install-gimp.json").write_text(json.dumps({"bytes": sent, "seconds installing": seconds}, indent=1))
    screen.process.kill()
    screen.process.wait()
