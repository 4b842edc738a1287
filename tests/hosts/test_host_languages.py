"""Krita's docker and GIMP's dialog in other languages: nothing is cut off. Screenshots go to build/looks/."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import QUICK, TITLE
from hosts.host import Desktop
from hosts.krita import Krita, cli, picture
from hosts.root import Root
from support.daemon import Daemon
from vaporbrush_daemon import packaged

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

KRITA_S = 600  # a start takes ten seconds on two free cores
LANGUAGES = ("de", "es", "fr", "ja", "pl", "pt", "zh_CN")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_cut_off_in_krita(root: Root, language: str) -> None:
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        folder = Path(name)
        picture(folder, "content", packaged.art() / "demo" / "content.jpg", (96, 72))
        picture(folder, "style", packaged.art() / "styles" / "impasto.jpg", (120, 96))
        daemon = Daemon(folder / "vh").start()
        try:
            with Desktop(root, folder) as desktop:
                krita = Krita(desktop)
                cli(daemon.home, "install", "krita", own=desktop.home)
                krita.start("languages", env={"VAPORBRUSH_HOME": str(daemon.home), "LANGUAGE": language})
                told = krita.wait(KRITA_S)
        finally:
            daemon.stop()
    told.played("the_docker")
    assert told["button"] != "Stylize"
    assert not told["cut"]
    assert not told["cut unfolded"]


@pytest.mark.parametrize("language", ["de", "pl"])
def test_the_dialog_fits_the_screen_in_gimp(root: Root, looks: Path, language: str) -> None:
    """In the languages with the longest words."""
    with gimp_on_screen(root, looks, f"gimp-{language}", real=False, extra={"LANGUAGE": language}) as screen:
        screen.forget_values(*QUICK)

        def search() -> None:
            """The menu's letters are others in each language."""
            screen.gimp.widgets.unlink(missing_ok=True)
            screen.focus_image()
            screen.keys("slash")
            screen.desktop.run(["xdotool", "sleep", "1", "type", "--delay", "60", "vaporbrush"])
            screen.desktop.run(["xdotool", "sleep", "2", "key", "Return"])

        screen.until_done(search, lambda: screen.desktop.windows(TITLE), "opening the dialog")
        screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
        screen.look("dialog")
        window = screen.desktop.windows(TITLE)[0]
        assert window.x >= 0
        assert window.x + window.width <= 1600
        assert window.y + window.height <= 1000
        assert screen.find("Label", "Strength") is None, "it speaks English"
        screen.keys("Escape")
        screen.gone()
