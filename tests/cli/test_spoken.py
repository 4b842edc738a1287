"""The command line's language: its own texts are in that of the person, and what a program reads is English."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon, until
from support.program import vaporbrush
from support.tool import tool
from vaporbrush_daemon.remotes import book

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "daemon" / "vaporbrush_daemon"
FILES = [
    *(file for file in sorted((PACKAGE / "cli").glob("*.py")) if file.name != "conformance.py"),  # `spoken.ENGLISH`
    *(PACKAGE / "remotes" / f"{name}.py" for name in ("book", "keys", "ssh")),
    *(PACKAGE / "studio" / f"{name}.py" for name in ("authority", "launch_files", "lines", "members", "node")),
    PACKAGE / "guests.py",
]
SAID = {"say": 0, "_say": 0, "tell": 0, "complain": 0, "GuestError": 0}  # which argument
SAID |= {"RequestError": 1, "VaporbrushError": 1, "LinkError": 1}
WORDS = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
NAMED_BY = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def speaking(**environment: str) -> dict[str, str]:
    """Surroundings that name no language but what is given."""
    return {**{name: value for name, value in os.environ.items() if name not in NAMED_BY}, **environment}


def unwrapped(file: Path) -> Iterator[str]:
    """What a file says to people without asking for a translation."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = SAID.get(name)
        text = node.args[place] if place is not None and len(node.args) > place else None
        parts = text.values if isinstance(text, ast.JoinedStr) else [text]
        words = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
        if text is not None and WORDS.search(words):
            yield f"{file.name}:{node.lineno}: {words}"


def test_every_sentence_asks_for_its_translation() -> None:
    assert not [found for file in FILES for found in unwrapped(file)]


def test_a_sentence_that_does_not_is_found(tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    file.write_text(
        "terminal.say(f'{name} is gone for ever')\nterminal.say(_('All is well'))\nterminal.tell(f'{a}: {b}')\n"
    )
    assert list(unwrapped(file)) == ["new.py:1: {} is gone for ever"]


def test_the_translators_get_every_text_of_the_help() -> None:
    (texts,) = (each.template() for each in tool("translations").CATALOGUES if each.whose == "command line")
    for text in ("Cancel a job.", "Masks and beginnings", "Stay in this terminal.", "Press Repair in {program}."):
        assert text in texts, "a command, a panel, an option, a sentence"
    strength = next(str(each.id) for each in texts if str(each.id).startswith("How far the picture moves"))
    assert "{content}" not in strength


@pytest.mark.parametrize("language", ["de", "es", "fr", "ja", "pl", "pt", "zh_CN"])
def test_the_help_is_in_the_language_of_the_surroundings(language: str) -> None:
    english = vaporbrush("stylize", "--help", env=speaking(LANG="C.UTF-8"))
    assert "Advanced" in english.stdout
    for named in ({"LANGUAGE": language, "LANG": "C.UTF-8"}, {"LANG": f"{language}.UTF-8"}):
        done = vaporbrush("stylize", "--help", env=speaking(**named, PYTHONUTF8="1"), encoding="utf-8")
        assert done.returncode == 0, done.stderr
        assert "Advanced" not in done.stdout
        assert "--style-mask" in done.stdout


@pytest.mark.parametrize("command", ["remote", "guest", "studio"])
def test_what_goes_on_between_computers_is_told_in_the_language_of_the_surroundings(home: Path, command: str) -> None:
    wrong = (command, "remove", "nobody")
    english, german = (speaking(LANGUAGE=language, LANG="C.UTF-8", PYTHONUTF8="1") for language in ("en", "de"))
    known, told = vaporbrush(*wrong, env=english), vaporbrush(*wrong, env=german, encoding="utf-8")
    assert (known.returncode, told.returncode) == (2, 2)
    assert known.stderr.startswith("vaporbrush: No ") or "There is no guest" in known.stderr
    assert re.search(r"\b(nicht|kein|keine|keinen)\b", told.stderr), told.stderr


def test_the_daemon_speaks_english_to_everybody(home: Path) -> None:
    daemon = Daemon(home)
    (home / book.FILE).write_text("{")
    (home / book.FILE).chmod(0o600)
    home.chmod(0o700)
    in_german = {"LANGUAGE": "de", "LANG": "C.UTF-8"}
    daemon.start((sys.executable, "-m", "vaporbrush_daemon", "serve", "--foreground"), env=in_german)
    try:
        until(lambda: "remotes_not_read" in daemon.log(), "it has looked at the list of machines")
    finally:
        daemon.stop()
    assert "is damaged. Delete it" in daemon.log()


def test_what_a_program_reads_is_english(home: Path) -> None:
    german = speaking(LANGUAGE="de", LANG="C.UTF-8", PYTHONUTF8="1")
    english = vaporbrush("history", "--json", "--recall", "1", env=speaking(LANG="C.UTF-8"))
    assert vaporbrush("history", "--json", "--recall", "1", env=german).stderr == english.stderr
    done = vaporbrush("presets", "list", "--json", env=german)
    assert json.loads(done.stdout) == {"presets": []}


def test_in_an_unknown_language_it_is_english() -> None:
    english = vaporbrush("--help", env=speaking(LANG="C.UTF-8")).stdout
    assert vaporbrush("--help", env=speaking(LANGUAGE="tlh", LANG="C.UTF-8")).stdout == english
