"""The log: whatever somebody else has named, it stays on its line and does nothing to the terminal that shows it."""

from __future__ import annotations

import os
from pathlib import Path

from vaporbrush_daemon import logs

HOSTILE = "\x1b[2J\x1b]0;X\x07 \x9b31m \u202etxt.exe \udce9 \n2026 INFO forged"


def test_hostile_names_are_shown_as_what_they_are(tmp_path: Path) -> None:
    log = logs.configure(tmp_path, "info", stderr=False)
    logs.event("style_not_read", style=HOSTILE, path="plain", reason='he said "no"', seconds=1.5, nothing=None)
    logs.defect("request_defect", ValueError(HOSTILE), request=HOSTILE)
    text = log.read_bytes().decode("utf-8")
    assert not set(text) & set("\x1b\x07\x9b\u202e")
    first = text.splitlines()[0]
    shown = r"\x1b[2J\x1b]0;X\x07 \x9b31m \u202etxt.exe \xe9 \x0a2026 INFO forged"
    assert first.endswith(f'style_not_read style="{shown}" path=plain reason="he said \\"no\\"" seconds=1.500')
    assert not [line for line in text.splitlines() if line.startswith("2026 INFO")]
    assert "    ValueError: " in text


def test_a_home_whose_name_is_not_utf8_is_logged_and_shown(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/h\xe9me"))
    logs.configure(folder, "info", stderr=False)
    logs.event("serving", home=folder)
    assert rb"h\xe9me" in (folder / "daemon.log").read_bytes()
    assert logs.path().endswith(r"h\xe9me/daemon.log")
