"""From a plug-in's zip to the first painting, in the real Krita and GIMP, in a root with neither pip nor torch.

The network is an index on a loopback of the desktop's own. Imported by the host's own importer, clicked with the mouse,
painted with a bundled style.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from hosts.gimp import Gimp
from hosts.gimp_acts import remove_painter
from hosts.gimp_screen import TITLE, Screen
from hosts.host import PATH, Desktop
from hosts.krita import Krita, Told, picture
from hosts.root import Root
from support import wheelhouse
from support.daemon import until
from support.package_index import PackageIndex, serving
from vaporbrush_daemon import packaged
from vaporbrush_daemon.daemon_client import has_ended
from vaporbrush_host.installer import places
from vaporbrush_protocol.installation import installed

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
IMPORT_S, INSTALL_S = 300, 1200  # on a machine that does much else
PATIENT = bool(os.environ.get("VAPORBRUSH_PICTURES"))  # for the README's: the painting is to be looked at, too
SIZE = (512, 384) if PATIENT else (320, 240)
VALUES = {"quality": "standard", "size": "full"} if PATIENT else {"quality": "draft"}  # the installing is what is tried
FIRST_S = 60.0  # for the dialog's first opening on a busy machine: trying again too early would open a second one
MOST_BYTES = 300 * 10**6
SHEET_HEIGHT, GAP = 378, 6  # px of the README's picture
MOST_CLICKS = 6  # from the host's first start with the plug-in to the painting
PACE_S = 0.003  # per block of 64 KiB, so that Krita is seen to fetch
LOST_BYTES = 32 * 2**20  # what may be on its way from the index when Krita dies: the sockets' buffers
LEAST_CHANGE, LEAST_LIKENESS = 8.0, 0.3  # of a painting to its content: mean difference of 255, correlation of grey


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """The zips of this checkout, whose locks name what the index serves."""
    folder = tmp_path_factory.mktemp("release")
    locks = wheelhouse.fill(folder, PYTHON)
    command = [sys.executable, ROOT / "daemon/tools/release.py", folder / "dist", "--locks", locks]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder


@pytest.fixture
def desktop(root: Root) -> Iterator[Desktop]:
    """A desktop without a network, whose root has a Python of its own, and no pip."""
    with tempfile.TemporaryDirectory(prefix="vi-") as name:
        folder = Path(name)
        wheelhouse.copy_of_this_python(folder / "python")
        with Desktop(root, folder, alone=True) as desktop:
            yield desktop


@pytest.fixture
def network(release: Path, desktop: Desktop) -> Iterator[PackageIndex]:
    """All that the desktop's network has."""
    with serving(release / "wheels", desktop.pid) as index:
        yield index


@pytest.fixture
def index(network: PackageIndex, desktop: Desktop) -> PackageIndex:
    """It is the person's own index, as *Network…* writes that down."""
    remember(desktop, index=f"{network.url}/simple")
    return network


@pytest.fixture
def proxy(network: PackageIndex, desktop: Desktop) -> PackageIndex:
    """It is a proxy, by which the addresses in the locks are reached: the page names those."""
    remember(desktop, proxy=network.url)
    return network


def remember(desktop: Desktop, **setting: str) -> None:
    """A setting of the person's."""
    home = desktop.home / ".local/share/vaporbrush"
    home.mkdir(parents=True)
    (home / "hosts.json").write_text(json.dumps({"installer": setting}))


def python_of(desktop: Desktop) -> dict[str, str]:
    """The environment in which that Python is found, and finds its library."""
    own = desktop.folder / "python"
    return {"PATH": f"{own}/bin:{PATH}", "LD_LIBRARY_PATH": f"{own}/lib"}


def clicks(told: Told, scene: str) -> int:
    """How often the mouse was pressed in a scene."""
    asked = [line["value"]["what"] for line in told.lines if line["name"] == "ask" and line["scene"] == scene]
    return asked.count("click")


def looks_painted(painting: Picture.Image, content: Picture.Image) -> None:
    """Fail unless a picture shows what the content shows, but not in its pixels."""
    new, old = (np.asarray(one.convert("RGB"), np.float32) for one in (painting, content))
    assert new.shape == old.shape
    assert float(np.abs(new - old).mean()) > LEAST_CHANGE
    likeness = float(np.corrcoef(new.mean(2).ravel(), old.mean(2).ravel())[0, 1])
    assert likeness > LEAST_LIKENESS


def doctor(desktop: Desktop, **more: str) -> str:
    """What the installed painter's own doctor says; `more` of the environment is what the host has."""
    found = installed(desktop.home / ".local/share/vaporbrush")
    assert found is not None
    assert found.whole
    command = [str(found.python), "-m", "vaporbrush_daemon", "doctor"]
    return desktop.run(command, env={**python_of(desktop), **more}, check=False).stdout


def report(looks: Path, host: str, index: PackageIndex, **facts: object) -> None:
    """Seconds and bytes of each part, for people."""
    parts = {"bytes": sum(one.sent for one in index.served)}
    parts |= {f"bytes of {name}": index.sent(name) for name in ("torch", "uv", "imagecodecs", "numpy")}
    (looks / f"install-{host}.json").write_text(json.dumps({**parts, **facts}, indent=1))


def four_pictures(looks: Path, told: Told) -> None:
    """The README's: the docker's first page, its progress, the docker as it is then, and with what it has painted."""
    shots = [Picture.open(path).convert("RGB") for path in sorted(looks.glob("install-krita-[1-4]-*.png"))]
    parts = [cut(shot, place) for shot, place in zip(shots, told.all("docker"), strict=True)]
    height = min(SHEET_HEIGHT, max(part.height for part in parts))
    canvas = cut(shots[3], told["canvas"])
    parts.insert(3, canvas.resize((canvas.width * height // canvas.height, height), Picture.Resampling.LANCZOS))
    sheet = Picture.new("RGB", (sum(part.width + GAP for part in parts) - GAP, height), "white")
    left = 0
    for part in parts:
        sheet.paste(part.crop((0, 0, part.width, min(part.height, height))), (left, 0))
        left += part.width + GAP
    sheet.save(looks / "install.jpg", quality=88)


def cut(shot: Picture.Image, place: list[int]) -> Picture.Image:
    """What a widget shows."""
    left, top, width, height = place
    return shot.crop((left, top, left + width, top + height))


def test_from_kritas_zip_to_a_painting(release: Path, desktop: Desktop, proxy: PackageIndex, looks: Path) -> None:
    krita = Krita(desktop)
    content = packaged.art() / "demo" / "content.jpg"
    picture(desktop.folder, "content", content, SIZE)
    shutil.copy(next((release / "dist").glob("vaporbrush-krita-*.zip")), desktop.folder / "vaporbrush.zip")

    krita.start("importing")
    imported = krita.wait(IMPORT_S, {"keys": lambda names: desktop.keys(*names)})
    imported.played("import_the_zip")
    assert "Vaporbrush" in imported["question"]

    krita.start("installing", env={**python_of(desktop), "INSTALL_VALUES": json.dumps(VALUES)})
    told = krita.wait(INSTALL_S)
    told.played("from_the_first_page_to_a_painting")
    assert "about" in told["page"][2]
    assert "from PyPI and PyTorch" in told["page"][1]
    assert "free" in told["page"][1]
    assert " of " in told["progress"]
    assert told["painted"]["stage"] == "done", told["painted"]
    _left, _top, width, height = told["painting"]["box"]
    pixels = (desktop.folder / told["painting"]["file"]).read_bytes()
    painting = Picture.frombytes("RGBA", (width, height), pixels, "raw", "BGRA")
    painting.save(looks / "install-krita-painting.png")
    looks_painted(painting, Picture.open(content).resize(SIZE))
    assert sum(one.sent for one in proxy.served) <= MOST_BYTES
    pressed = clicks(told, "from_the_first_page_to_a_painting")
    assert 0 < pressed <= MOST_CLICKS
    told.played("the_painter_is_removed_by_the_menu")
    assert told["removed"][0] == "The painter is gone."
    assert "Install the painter" in told["removed"][1]
    removed(desktop.home / ".local/share/vaporbrush")
    times = {name: told[name] for name in ("steps", "installed", "ready after", "painted", "seconds")}
    importing = clicks(imported, "import_the_zip")
    report(looks, "krita", proxy, clicks=pressed, clicks_of_the_importer=importing, **times)
    four_pictures(looks, told)


def test_krita_killed_while_it_fetches_and_while_it_unpacks_goes_on_at_the_next_start(
    release: Path, desktop: Desktop, index: PackageIndex
) -> None:
    krita, home = Krita(desktop), desktop.home / ".local/share/vaporbrush"
    imported(krita, next((release / "dist").glob("vaporbrush-krita-*.zip")))
    index.pace_s = PACE_S
    told = killed_at(krita, "Fetching:", click=True)
    assert " of " in told["seen"][1]
    assert installed(home) is None
    assert places.journal(home).step == "packages"
    index.pace_s = 0.0
    told = killed_at(krita, "Unpacking", while_it_runs="uv")
    assert told["seen"][0] == "Installing the painter"
    assert installed(home) is None
    assert places.journal(home).step == "environment"
    krita.start("interruption", env={**python_of(desktop), "INSTALL_CLICK": "", "INSTALL_KILL_AT": ""})
    told = krita.wait(INSTALL_S)
    told.played("an_install_goes_on")
    assert not told["page"]
    assert told.all("ask") == [one for one in told.all("ask") if one["what"] == "shot"]  # nobody has clicked
    assert "painter installed at" in doctor(desktop)
    wheels = sum(one.stat().st_size for one in (release / "wheels").iterdir())
    assert sum(one.sent for one in index.served) <= wheels + LOST_BYTES  # nothing was fetched twice


def imported(krita: Krita, package: Path) -> None:
    """The plug-in as Krita's importer leaves it (which another test here clicks through), and enabled."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(krita.pykrita)
    krita.kritarc.write_text(krita.kritarc.read_text() + "enable_vaporbrush=true\n")


def killed_at(krita: Krita, step: str, *, click: bool = False, while_it_runs: str = "krita") -> Told:
    """Start Krita, and kill it when its page says that the install has come to this step, and this program runs."""

    def kill(_step: str) -> None:
        until(lambda: while_it_runs in {one.name() for one in krita.programs()}, f"{while_it_runs} runs")
        krita.kill()

    pressed = {"INSTALL_CLICK": "1" if click else "", "INSTALL_KILL_AT": step}
    krita.start("interruption", env={**python_of(krita.desktop), **pressed})
    return krita.wait(INSTALL_S, {"kill": kill})


def test_from_gimps_zip_to_a_painting(release: Path, desktop: Desktop, index: PackageIndex, looks: Path) -> None:
    package = desktop.folder / "vaporbrush.zip"
    shutil.copy(next((release / "dist").glob("vaporbrush-gimp-*.zip")), package)
    content = Picture.open(packaged.art() / "demo" / "content.jpg").convert("RGB").resize(SIZE)
    content.save(desktop.folder / "scene.png")
    Picture.open(packaged.art() / "styles" / "watercolour.jpg").convert("RGB").save(desktop.folder / "style.png")
    home = desktop.home / ".local/share/vaporbrush"
    gimp = Gimp(desktop, home, package=package)
    gimp.environment = python_of(desktop)
    screen = Screen(gimp, None, looks, "install-gimp")
    screen.last_values('(quality "draft")', '(size "256")')  # the installing is what is tried, not patience

    began = time.monotonic()
    screen.until_done(screen.call_from_menu, lambda: desktop.windows(TITLE), "opening the dialog", FIRST_S)
    offer = screen.wait(
        lambda: next((one for one in screen.all("Button") if "Install" in (one["text"] or "")), None), "offer"
    )
    assert "about" in offer["text"]
    assert "free" in screen.texts()
    screen.look("1-page")
    pressed = time.monotonic()
    screen.click("Button", offer["text"])
    screen.wait_text(" of ")
    screen.look("2-progress")
    until_installed(screen, home)
    installing = time.monotonic() - pressed
    screen.wait(lambda: screen.find("Tile", "Vaporwave"), "the bundled styles")
    ready = time.monotonic() - pressed
    screen.look("3-ready")
    screen.until_done(lambda: screen.click("Tile", "Vaporwave"), lambda: chosen(screen, "Vaporwave"), "choosing")
    painting = time.monotonic()
    screen.click("Button", "OK")
    until(lambda: len(screen.layers) == 2, "the painting", INSTALL_S)
    screen.look("4-painted")
    done = time.monotonic()
    saved = desktop.folder / "painting.png"
    file = f"__import__('gi.repository.Gio').repository.Gio.File.new_for_path({str(saved)!r})"
    screen.ask(f"Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, {file}, None) and None")
    shutil.copy(saved, looks / "install-gimp-painting.png")
    looks_painted(Picture.open(saved), content)
    assert sum(one.sent for one in index.served) <= MOST_BYTES
    assert 0 < len(screen.acts) <= MOST_CLICKS, screen.acts
    report(
        looks, "gimp", index, installing=installing, ready=ready, painting=done - painting, seconds=done - began,
        clicks=screen.acts,
    )  # fmt: skip
    told = doctor(desktop, GIMP3_DIRECTORY=str(gimp.profile))
    (looks / "install-gimp-doctor.txt").write_text(told)
    assert "painter installed at" in told
    remove(screen, home)
    screen.process.kill()
    screen.process.wait()


def remove(screen: Screen, home: Path) -> None:
    """By the dialog, under Advanced: when the page says that it is gone, it is, and its daemon too."""
    screen.gone()
    screen.open(screen.call_from_menu)
    screen.wait(lambda: not has_ended(home), "the dialog has started the daemon")
    remove_painter(screen, "5-remove", "6-question")
    removed(home)
    screen.look("7-removed")
    assert any("Install the painter" in (one["text"] or "") for one in screen.all("Button"))
    screen.wait(
        lambda: not screen.find("Button", "OK")["sensitive"], "OK waits for a painter, though a style is chosen"
    )


def removed(home: Path) -> None:
    """Fail unless there is no painter any more, and nothing that could still use it; the rest stays."""
    assert has_ended(home)
    assert installed(home) is None
    assert not (home / "painter").exists()
    assert (home / "hosts.json").exists()


def chosen(screen: Screen, title: str) -> bool:
    """Whether a bundled style is the one to paint with."""
    tile = screen.find("Tile", title)
    return tile is not None and tile["active"]


def until_installed(screen: Screen, home: Path) -> None:
    """Wait for the painter; what the page says in the end is the error if there is one."""
    deadline = time.monotonic() + INSTALL_S
    while installed(home) is None:
        assert "⚠" not in screen.texts(), screen.texts()
        assert time.monotonic() < deadline, screen.texts()
        time.sleep(0.5)
