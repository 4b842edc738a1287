"""What a person does in GIMP in several tests: search for an action, repeat the last filter, remove the painter."""

from __future__ import annotations

from pathlib import Path

from hosts.gimp_screen import Screen
from vaporbrush_host.installer import removal

SEARCH_S = 2  # in which a busy machine has found the action


def search(screen: Screen, words: str, shot: Path | None = None) -> None:
    """Call the first action that GIMP finds by these words, after a screenshot of what it found."""
    screen.gimp.widgets.unlink(missing_ok=True)
    screen.focus_image()
    screen.keys("slash")
    screen.desktop.type(words, after_s=1)
    screen.desktop.run(["xdotool", "sleep", str(SEARCH_S)])
    if shot is not None:
        screen.desktop.shot(shot)
    screen.keys("Return")


def repeat(screen: Screen) -> None:
    """Filters ▸ Repeat."""
    screen.gimp.widgets.unlink(missing_ok=True)
    screen.focus_image()
    screen.keys("ctrl+f")


def remove_painter(screen: Screen, first: str, second: str) -> None:
    """By the open dialog, under Advanced; the words are those of two screenshots."""
    screen.unfold_advanced()
    screen.wait_text("The painter is in ")
    screen.look(first)
    screen.click("Button", removal.ACTION)
    screen.wait_text(removal.QUESTION)
    screen.look(second)
    screen.click("Button", removal.KEEP)
    screen.wait_text("The painter is gone.")
