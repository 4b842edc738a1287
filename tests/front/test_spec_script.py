"""The script that the specification prints, run as it stands there, against a real daemon."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.daemon import negative, serving

SPEC = Path(__file__).resolve().parents[2] / "protocol" / "SPEC.md"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    found = re.search(r"```python\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    path = tmp_path / "client.py"
    path.write_text(found[1], encoding="utf-8")
    return path


def run(script: Path, user: Path, *arguments: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VAPORBRUSH_")}
    environment |= variables
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env={**environment, "HOME": str(user)}
    )


def test_a_stranger_s_thirty_lines_stylize_a_picture(home: Path, script: Path, tmp_path: Path) -> None:
    user = home.parent / "user"
    content, style, made = tmp_path / "content.png", tmp_path / "style.png", tmp_path / "made.png"
    noise = os.urandom(700 * 600 * 3)  # more than one chunk
    Image.frombytes("RGB", (700, 600), noise).save(content)
    Image.new("RGB", (64, 64), (200, 40, 90)).save(style)
    with serving(user / ".local" / "share" / "vaporbrush"):
        done = run(script, user, content, style, made)
        assert done.returncode == 0, done.stderr
        with Image.open(made) as picture:
            assert picture.size == (700, 600)
            assert picture.tobytes() == negative(noise)  # what the fake worker paints


def test_the_script_ends_with_the_daemon_s_sentence_when_it_is_refused(
    home: Path, script: Path, tmp_path: Path
) -> None:
    user = home.parent / "user"
    content = tmp_path / "content.png"
    Image.new("RGB", (64, 64)).save(content)
    wrong = script.with_name("wrong.py")
    wrong.write_text(script.read_text(encoding="utf-8").replace('"size": 384', '"size": "huge"'), encoding="utf-8")
    with serving(user / ".local" / "share" / "vaporbrush"):
        done = run(wrong, user, content, content, tmp_path / "made.png")
        assert done.returncode == 1
        assert done.stderr.strip() == "`size` is 'huge', but must be one of full, auto."


def test_the_script_finds_a_daemon_whose_home_was_moved(home: Path, script: Path, tmp_path: Path) -> None:
    content = tmp_path / "content.png"
    Image.new("RGB", (64, 64)).save(content)
    with serving(home):
        done = run(script, tmp_path, content, content, tmp_path / "made.png", VAPORBRUSH_HOME=str(home))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("trouble", ["no daemon", "another token"])
def test_the_script_ends_with_a_sentence_where_nobody_answers(
    home: Path, script: Path, tmp_path: Path, trouble: str
) -> None:
    content = tmp_path / "content.png"
    Image.new("RGB", (64, 64)).save(content)
    impatient = script.read_text(encoding="utf-8").replace("10_000", "1_000")
    script.write_text(impatient, encoding="utf-8")
    with serving(home):
        found = json.loads((home / "connection.json").read_text(encoding="utf-8"))
        moved = tmp_path / "moved"
        moved.mkdir()
        wrong = {"token": "0" * 64} if trouble == "another token" else {"endpoints": [f"ipc://{tmp_path}/nobody"]}
        (moved / "connection.json").write_text(json.dumps({**found, **wrong}), encoding="utf-8")
        done = run(script, tmp_path, content, content, tmp_path / "made.png", VAPORBRUSH_HOME=str(moved))
    assert done.returncode == 1
    assert done.stderr.startswith("No answer from ")
    assert done.stderr.count("\n") == 1
