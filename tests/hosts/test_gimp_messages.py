"""What GIMP's dialog says when something is wrong, on a virtual screen. Screenshots go to build/looks/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import ENDLESS, QUICK, TITLE, Screen, painting
from hosts.root import Root
from support.router import Router
from vaporbrush_protocol import RemoteError

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
SMALL_SCREEN = "1280x800x24"


def test_what_cannot_be_painted_is_said_before_the_dialog(screen: Screen) -> None:
    """A message of ours with what to do, never GIMP's “plug-in crashed”."""
    screen.forget_values(*QUICK)
    screen.ask("image.get_layers()[0].add_alpha() and None")
    screen.ask("Gimp.edit_copy(image.get_layers()) and None")
    screen.ask("Gimp.edit_paste(image.get_layers()[0], True) and None")
    _refused(screen, "floating", "anchor it")
    screen.ask("Gimp.floating_sel_remove(image.get_floating_sel()) and None")


def _refused(screen: Screen, name: str, says: str) -> None:
    screen.until_done(screen.call_again, lambda: screen.find("Button", "Copy details"), "the message")
    assert says in screen.texts()
    screen.look(f"message-{name}")
    screen.leave()


def test_an_error_says_what_to_do_and_leaves_the_dialog_open(screen: Screen) -> None:
    screen.daemon.kill()
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.wait_text("Vaporbrush did not start")  # inside the root there is no Python that has it
    assert "vaporbrush doctor" in screen.texts()  # what to do next
    screen.look("dialog-no-daemon")
    screen.choose("Layers", "style")
    screen.click("Button", "Preview")
    screen.wait(lambda: "Connecting" not in screen.texts(), "the attempt is over")
    screen.look("dialog-error")
    assert screen.texts().count("could not be started") == 1
    assert screen.find("Button", "Copy details")
    screen.daemon.start()
    screen.wait(lambda: "did not start" not in screen.texts(), "the daemon is noticed")
    screen.about_to_paint()
    screen.keys("alt+p")
    screen.job(painting, "the next attempt paints")
    screen.wait(lambda: screen.find("Button", "Keep this")["sensitive"], "there is something to keep")
    screen.look("dialog-recovered")
    screen.keys("alt+k")
    screen.until_layers(2)
    screen.gone()


def test_a_daemon_that_dies_while_it_paints_is_said(screen: Screen) -> None:
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.choose("Layers", "style")
    screen.about_to_paint()
    screen.keys("alt+o")
    screen.job(painting, "it paints")
    screen.daemon.kill()
    screen.wait(lambda: screen.find("Button", "Copy details"), "the error")
    screen.wait_text("Vaporbrush ended while it painted this. Preview or OK starts it anew.")
    screen.look("dialog-daemon-died")
    assert screen.desktop.windows(TITLE)
    screen.leave()
    assert len(screen.layers) == 1
    screen.daemon.start()


@pytest.fixture
def newer_daemon(screen: Screen) -> Iterator[None]:
    """A daemon that speaks another version, in place of ours."""
    connection, kept = screen.daemon.home / "connection.json", screen.gimp.folder / "ours.json"
    folder = screen.gimp.folder / "router"
    folder.mkdir()
    shutil.copy(connection, kept)
    with Router(folder) as router:
        router.answers["hello"] = RemoteError("unsupported_version", "This daemon speaks version 2; you speak 1.")
        shutil.copy(router.connection.write(folder), connection)
        yield
        shutil.copy(kept, connection)


@pytest.mark.usefixtures("newer_daemon")
def test_a_daemon_of_another_version_is_said(screen: Screen) -> None:
    screen.open()
    screen.wait_text("This daemon speaks version 2")
    assert "vaporbrush install gimp" in screen.texts()
    assert "pip install --upgrade vaporbrush" in screen.texts()
    assert screen.texts().count("This daemon speaks version 2") == 1
    screen.click("RadioButton", "Bundled")
    screen.wait_text("Layers and picture files can be chosen as styles meanwhile.")
    screen.look("dialog-other-version")
    screen.leave()


def test_the_dialog_fits_a_small_screen(root: Root, looks: Path) -> None:
    with gimp_on_screen(root, looks, "gimp-small", screen=SMALL_SCREEN) as screen:
        screen.forget_values(*QUICK)
        screen.open(screen.call_from_menu)
        screen.choose("Bundled", "Mosaic")
        screen.click("Button", "Add another style")
        screen.choose("Bundled", "Woodcut")
        screen.wait_text("Takes ")
        screen.look("dialog")
        dialog = screen.desktop.windows(TITLE)[0]
        assert dialog.y >= 0
        assert dialog.y + dialog.height <= 800
        screen.leave()
