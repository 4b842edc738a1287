"""Krita's docker and GIMP's dialog in other languages: nothing is cut off. Screenshots go to build/looks/."""

from __future__ import annotations

import gettext
import tempfile
from pathlib import Path

import pytest

from hosts.gimp import GIMPRC, Gimp
from hosts.gimp_acts import search
from hosts.gimp_console import pictures
from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import QUICK, TITLE
from hosts.host import Desktop
from hosts.krita import Krita, cli, picture
from hosts.root import Root
from support.daemon import Daemon
from vaporbrush_daemon import packaged

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

KRITA_S = 600  # a start takes ten seconds on two free cores
START_S = 600
LOCALE = Path(__file__).parents[2] / "plugins" / "common" / "vaporbrush_host" / "locale"
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
        # the menu's letters are others in each language
        screen.until_done(
            lambda: search(screen, "vaporbrush"), lambda: screen.desktop.windows(TITLE), "opening the dialog"
        )
        screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
        screen.look("dialog")
        window = screen.desktop.windows(TITLE)[0]
        assert window.x >= 0
        assert window.x + window.width <= 1600
        assert window.y + window.height <= 1000
        assert screen.find("Label", "Strength") is None, "it speaks English"
        screen.keys("Escape")
        screen.gone()


def test_gimp_shows_our_entries_in_its_language_and_asks_anew_when_that_changes(root: Root) -> None:
    """The menus' labels and what the procedures are for; by the surroundings, and by GIMP's own preferences."""
    with tempfile.TemporaryDirectory(prefix="vp-gimp-") as name, Desktop(root, Path(name)) as desktop:
        gimp = Gimp(desktop, Path(name) / "vh")
        pictures(Path(name))

        def shown(language: str) -> list[list[str]]:
            gimp.report.write_text("")
            process = gimp.drive(
                "gimp-console", "console_labels.py", "-i", "-d", "--quit", extra={"LANGUAGE": language}
            )
            found = gimp.wait_for("shown", process, START_S)
            process.wait(START_S)
            return found

        polish = shown("pl")
        (gimp.profile / "gimprc").write_text(GIMPRC + '(language "de")\n')
        german = shown("")
        (gimp.profile / "gimprc").write_text(GIMPRC)
        english = shown("en")
    assert [label for label, _blurb, _help in english] == [
        "_Vaporbrush...",
        "Vaporbrush: _Restylize...",
        "All frames (Vaporbrush)...",
    ]
    for language, told in (("pl", polish), ("de", german)):
        say = gettext.translation("vaporbrush", LOCALE, [language]).gettext
        restylize, frames = told[1][0], told[2][0]
        assert restylize == say("Vaporbrush: _Restylize...") != english[1][0]
        assert frames == f"{say('All frames')} (Vaporbrush)..."
        for ours, original in zip(told, english, strict=True):
            assert ours[1:] == [say(text) for text in original[1:]]
            assert set(ours[1:]).isdisjoint(original[1:])
