"""The help in the language of whoever asks: every text of every command, which is in English where it belongs.

The commands' help is docstrings, the settings' is made from the table of controls; so it is translated in the finished
commands, whole text by whole text. `daemon/tools/translations.py` collects the texts in the same way.
"""

from __future__ import annotations

import gettext
import inspect
from collections.abc import Callable

import rich_click as click

from vaporbrush_daemon.texts import DOMAIN, LOCALE, _, speech

ENGLISH = ("conformance",)  # for programmers: one line of it is read
TITLES = ("arguments_panel_title", "options_panel_title", "commands_panel_title")


def speak(command: click.Command, look: click.RichHelpConfiguration) -> None:
    """Have a command, all below it, and click itself speak the person's language."""
    speech.be_the_persons()
    gettext.bindtextdomain(DOMAIN, str(LOCALE))
    gettext.textdomain(DOMAIN)  # click asks for its own texts without saying whose they are
    reword(command, _)
    for title in TITLES:
        setattr(look, title, _(getattr(look, title)))
    look.default_string = rf"\[{_('default: {}')}]"
    look.required_long_string = rf"\[{_('required')}]"


def reword(command: click.Command, say: Callable[[str], str]) -> None:
    """Put `say(text)` in place of every text that the help of a command, and of all below it, has."""
    if command.help:
        command.help = say(flowing(command.help))
    if command.name in ENGLISH:
        return
    for panel in getattr(command, "panels", ()):
        panel.name = say(panel.name)
    for parameter in command.params:
        for part in ("help", "panel", "show_default"):
            text = getattr(parameter, part, None)
            is_value = part == "show_default" and " " not in str(text)  # to be written as it stands: auto, lbfgs, 0
            if text and isinstance(text, str) and not is_value:
                setattr(parameter, part, say(flowing(text)))
    if isinstance(command, click.Group):
        for each in command.commands.values():
            reword(each, say)


def flowing(text: str) -> str:
    """A text without the ends of the lines in which the code has it; an empty line still parts paragraphs."""
    return "\n\n".join(part.replace("\n", " ") for part in inspect.cleandoc(text).split("\n\n"))
