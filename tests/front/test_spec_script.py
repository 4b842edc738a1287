"""The script that the specification prints, run as it stands there, against a real daemon."""

from __future__ import annotations

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


def run(script: Path, user: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VAPORBRUSH_")}
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env={**environment, "HOME": str(user)}
    )


def test_a_stranger_s_twenty_lines_stylize_a_picture(home: Path, script: Path, tmp_path: Path) -> None:
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
