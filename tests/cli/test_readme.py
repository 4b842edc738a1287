"""What the README tells people to run, runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.daemon import Daemon
from vaporbrush_daemon.images import files as pictures

ROOT = Path(__file__).resolve().parents[2]
MAX_PICTURE_BYTES = 400_000
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_program_paints(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Daemon(home)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for seed, name in enumerate(("photo.jpg", "painting.jpg")):
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
        pictures.write(tmp_path / name, pictures.Picture(pixels))
    (program,) = blocks("python")
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert pictures.read(tmp_path / "out.png").width == 64
    finally:
        subprocess.run([sys.executable, "-m", "vaporbrush_daemon", "stop", "--now"], check=True, timeout=60)


def test_every_command_and_option_exists() -> None:
    lines = [line.partition("#")[0] for block in blocks("sh") for line in block.splitlines()]
    lines += re.findall(r"`(vaporbrush [^`]+)`", README)
    called = [words[1:] for line in lines if len(words := line.split()) > 1 and words[0].endswith("vaporbrush")]
    words_of: dict[str, set[str]] = {}
    for name, *rest in called:  # an option in the place of a command is one of the program itself
        command, words = ("", [name, *rest]) if name.startswith("-") else (name, rest)
        words_of.setdefault(command, set()).update(word.strip(",") for word in words)
    assert {"stylize", "doctor", "install", "weights", "status"} <= words_of.keys()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    for command, words in sorted(words_of.items()):
        done = subprocess.run(
            [sys.executable, "-m", "vaporbrush_daemon", *([command] if command else []), "--help"],
            check=False, capture_output=True, text=True, timeout=60, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, command
        for option in (word for word in words if word.startswith("--")):
            assert option in done.stdout, f"{command} {option}"


def test_the_messages_that_it_explains_are_really_said() -> None:
    rows = README.partition("## When something is wrong")[2].partition("\n## ")[0]
    sources = [path for folder in ("protocol", "daemon", "plugins") for path in (ROOT / folder).rglob("*.py")]
    said = "".join(path.read_text(encoding="utf-8") for path in sources)
    quoted = re.findall('"([^"]+)"', rows)
    assert len(quoted) >= 4
    for message in quoted:
        for part in re.split(r"…|\d+", message):  # what differs each time
            assert part.strip() in said, message


def test_its_pictures_load_quickly() -> None:
    pictures_of_it = list((ROOT / "docs").iterdir())
    assert pictures_of_it
    assert all(path.stat().st_size < MAX_PICTURE_BYTES for path in pictures_of_it)


def test_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "THIRD_PARTY.md", "CHANGELOG.md"):
        for target in re.findall(r"""(?:\]\(|src=")(?!https?:)([^)#"]+)""", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page} → {target}"
    targets = {
        line.partition(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if re.match(r"\w+:", line)
    }
    for page in (README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        assert set(re.findall(r"\bmake (demo|test|check|hosts|bench|dist)\b", page)) <= targets
