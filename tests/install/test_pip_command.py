"""What doctor and the plug-ins tell a person to type: the command that works in that environment."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from vaporbrush_daemon.pip_command import OF_PIPX, OF_UV_TOOL, pip_install


def test_in_an_ordinary_environment_it_is_its_own_python_s_pip() -> None:
    assert pip_install("torch<2.15") == f"{sys.executable} -m pip install 'torch<2.15'"


def test_on_windows_it_is_typed_as_its_shells_take_it(tmp_path: Path) -> None:
    def command(python: str, *packages: str) -> str:
        return pip_install(*packages, environment=tmp_path, python=python, system="win32")

    plain = r"C:\Users\Zoë\.vaporbrush\painter\Scripts\python.exe"
    words = ["--upgrade", "torch", "vaporbrush[studio]", "--index-url", "https://download.pytorch.org/whl/cu130"]
    assert command(plain, *words) == f"{plain} -m pip install {' '.join(words)}"
    spaced = r"C:\Program Files\Python312\python.exe"
    assert command(spaced, "torch<2.15") == f'"{spaced}" -m pip install "torch<2.15"'


@pytest.mark.parametrize(
    ("file", "command"),
    [
        (OF_UV_TOOL, "uv pip install --python /own/bin/python --upgrade torch"),
        (OF_PIPX, "pipx runpip vaporbrush install --upgrade torch"),
    ],
)
def test_what_uv_and_pipx_have_installed_is_changed_by_them(tmp_path: Path, file: str, command: str) -> None:
    environment = tmp_path / "vaporbrush"
    environment.mkdir()
    (environment / file).touch()
    assert pip_install("--upgrade", "torch", environment=environment, python="/own/bin/python") == command


def test_where_there_is_no_pip_it_is_uvs(tmp_path: Path) -> None:
    """As in the environment that a plug-in has made."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    module = Path(sys.modules["vaporbrush_daemon.pip_command"].__file__ or "").parent.parent
    code = f"import sys; sys.path.insert(0, {str(module)!r})\nfrom vaporbrush_daemon.pip_command import pip_install\n"
    done = subprocess.run(
        [python, "-I", "-c", f"{code}print(pip_install('torch'))"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"uv pip install --python {python} torch\n"
