"""The painter in GIMP's dialog: where it is, and how it is removed. (test_installing.py installs one.)"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hosts.gimp_acts import remove_painter
from hosts.gimp_screen import Screen
from vaporbrush_host.installer import removal
from vaporbrush_host.installer.kit import this_system
from vaporbrush_host.request import StyleRef
from vaporbrush_protocol.installation import Installation, installed

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]


STYLES = json.dumps([StyleRef("bundled", "mosaic").to_json()]).replace('"', '\\"')
KIT = {"version": "0.1.0", "wheel": {"project": "vaporbrush", "version": "0.1.0", "name": "v.whl", "sha256": ""}}


def painter(home: Path) -> Path:
    """As a plug-in has installed it. Returns its Python."""
    environment = home / "painter" / "environments" / "one"
    (environment / "lib/python3.13/site-packages/vaporbrush_daemon").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.parent.mkdir()
    python.write_bytes(b"")
    Installation(home / "painter", environment, python, "0.1.0", "cpu").write(home)
    return python


def test_a_damaged_painter_is_offered_for_repair_and_ok_does_not_pretend(screen: Screen) -> None:
    """Though the style of last time is chosen, with which OK would paint."""
    home = screen.gimp.vaporbrush
    package = screen.gimp.profile / "plug-ins" / "vaporbrush" / "painter"
    (package / "locks").mkdir(parents=True)
    uv = {**KIT["wheel"], "project": "uv", "name": "uv.whl"}
    (package / "kit.json").write_text(json.dumps({**KIT, "uv": {this_system(): uv}}))
    lock = {"system": this_system(), "backend": "cpu", "pythons": ["3.13"], "files": [{**uv, "pythons": ["3.13"]}]}
    (package / "locks" / "one.json").write_text(json.dumps(lock))
    python = painter(home)
    screen.last_values(f'(last-styles "{STYLES}")')
    try:
        screen.open(screen.call_from_menu)
        screen.wait(lambda: (ok := screen.find("Button", "OK")) and ok["sensitive"], "OK can be pressed")
        screen.click("Button", "Cancel")
        screen.gone()
        python.unlink()
        screen.last_values(f'(last-styles "{STYLES}")')
        screen.open(screen.call_from_menu)
        screen.wait_text("The painter is damaged")
        screen.wait(lambda: (ok := screen.find("Button", "OK")) and not ok["sensitive"], "OK cannot be pressed")
        screen.look("damaged")
    finally:
        shutil.rmtree(package)
        shutil.rmtree(home / "painter")
        (home / "painter.json").unlink()
        screen.forget_values()


def test_the_painter_that_a_plug_in_installed_is_removed_under_advanced(screen: Screen) -> None:
    home = screen.gimp.vaporbrush
    painter(home)
    screen.open(screen.call_from_menu)
    remove_painter(screen, "remove", "remove-question")
    screen.look("removed")
    assert installed(home) is None
    assert not (home / "painter").exists()
    assert screen.daemon.answers()  # it is somebody else's
    screen.click("Button", "Close")
    screen.wait(lambda: "The painter is gone." not in screen.texts(), "it has been read")
    assert screen.find("Button", removal.ACTION) is None
