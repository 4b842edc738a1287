"""`vaporbrush install krita`: every profile, nothing lost, and exactly that taken away again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.daemon import environment
from support.store_krita import StoreKrita
from vaporbrush_daemon.install import krita as install_krita
from vaporbrush_daemon.install.krita import with_key, without_key


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A HOME with a space and an umlaut, in which Krita has run."""
    own = tmp_path / "Jörg Müller"
    (own / ".local/share/krita").mkdir(parents=True)
    return own


def run(user: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**environment(user / "vh"), "HOME": str(user)}
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        env.pop(name, None)
    command = [sys.executable, "-m", "vaporbrush_daemon", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_plug_in_is_installed_enabled_and_complete(user: Path) -> None:
    done = run(user, "install", "krita")
    assert done.returncode == 0, done.stderr
    data = user / ".local/share/krita"
    assert "Settings ▸ Dockers ▸ Vaporbrush" in done.stdout
    assert "enable_vaporbrush=true" in (user / ".config/kritarc").read_text().split("[python]")[1]
    assert (data / "actions/vaporbrush.action").is_file()
    assert (data / "pykrita/vaporbrush.desktop").is_file()
    for package in ("vaporbrush_protocol", "vaporbrush_host"):
        assert (data / "pykrita/vaporbrush/vendor" / package / "__init__.py").is_file()
    start = json.loads((data / "pykrita/vaporbrush/installed.json").read_text())["start"]
    assert start[0] == sys.executable
    assert "serve" in start


def test_installing_twice_changes_nothing(user: Path) -> None:
    run(user, "install", "krita")
    before = files(user)
    done = run(user, "install", "krita")
    assert "is up to date" in done.stdout
    assert files(user) == before


def test_an_older_plug_in_is_updated(user: Path) -> None:
    run(user, "install", "krita")
    docker = user / ".local/share/krita/pykrita/vaporbrush/docker.py"
    docker.write_text("# old\n")
    assert run(user, "install", "krita").returncode == 0
    assert "class VaporbrushDocker" in docker.read_text()


def test_uninstalling_leaves_what_was_there_before(user: Path) -> None:
    (user / ".local/share/krita/pykrita/other").mkdir(parents=True)
    (user / ".local/share/krita/pykrita/other/__init__.py").write_text("# somebody else's\n")
    settings = user / ".config/kritarc"
    settings.parent.mkdir()
    settings.write_text("[General]\nx=1\n\n[python]\nenable_other=true\n\n[theme]\nTheme=Krita dark\n")
    before = files(user)
    run(user, "install", "krita")
    assert "enable_vaporbrush=true" in settings.read_text()
    done = run(user, "uninstall", "krita")
    assert done.returncode == 0, done.stderr
    assert files(user) == before
    assert "was not installed" in run(user, "uninstall", "krita").stdout


def test_where_there_was_nothing_nothing_is_left(user: Path) -> None:
    before = files(user)
    run(user, "install", "krita")
    run(user, "uninstall", "krita")
    assert files(user) == before


def test_a_flatpak_gets_its_own_copy_and_tcp(user: Path) -> None:
    sandbox = user / ".var/app/org.kde.krita"
    sandbox.mkdir(parents=True)
    done = run(user, "install", "krita")
    assert (sandbox / "data/krita/pykrita/vaporbrush/docker.py").is_file()
    assert "enable_vaporbrush=true" in (sandbox / "config/kritarc").read_text()
    assert "127.0.0.1" in done.stdout
    assert "listen_tcp = true" in (user / "vh/config.toml").read_text()
    assert run(user, "install", "krita").stdout.count("127.0.0.1") == 0
    assert run(user, "uninstall", "krita").stdout.count("was removed") == 2


def test_a_decision_about_tcp_is_respected(user: Path) -> None:
    (user / ".var/app/org.kde.krita").mkdir(parents=True)
    (user / "vh").mkdir()
    (user / "vh/config.toml").write_text("listen_tcp = false\n")
    assert run(user, "install", "krita").returncode == 0
    assert (user / "vh/config.toml").read_text() == "listen_tcp = false\n"


def test_without_krita_nothing_is_installed(tmp_path: Path) -> None:
    if install_krita.shutil.which("krita"):
        pytest.skip("this system has a Krita for every user")
    done = run(tmp_path, "install", "krita")
    assert done.returncode == 2
    assert "No Krita was found" in done.stderr
    assert files(tmp_path) == {}


def test_a_running_krita_is_not_touched(user: Path, tmp_path: Path) -> None:
    program = tmp_path / "krita"
    program.symlink_to(Path("/bin/sleep").resolve())
    process = subprocess.Popen([program, "60"], env={"HOME": str(user)})
    try:
        deadline = time.monotonic() + 30
        while Path(f"/proc/{process.pid}/comm").read_text().strip() != "krita":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        done = run(user, "install", "krita")
        assert done.returncode == 1
        assert "Krita is running" in done.stderr
        assert not (user / ".local/share/krita/pykrita").exists()
        elsewhere = user / "elsewhere"
        (elsewhere / ".local/share/krita").mkdir(parents=True)
        assert run(elsewhere, "install", "krita").returncode == 0  # that Krita has another HOME
    finally:
        process.kill()
        process.wait()
    assert run(user, "install", "krita").returncode == 0


def test_a_folder_that_cannot_be_written_gets_a_sentence(user: Path) -> None:
    (user / ".local/share/krita/pykrita").write_text("a file where a folder belongs")
    done = run(user, "install", "krita")
    assert done.returncode == 1
    assert "pykrita" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_krita_keeps_its_files_on_each_system(tmp_path: Path) -> None:
    own = {"HOME": str(tmp_path)}
    for folder in (".local/share/krita", "Library/Application Support/krita", "Roaming/krita", "data/krita"):
        (tmp_path / folder).mkdir(parents=True)
    linux = install_krita.profiles(own, "linux")[0]
    assert (linux.data, linux.settings) == (tmp_path / ".local/share/krita", tmp_path / ".config/kritarc")
    moved = {**own, "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert install_krita.profiles(moved, "linux")[0].settings == tmp_path / "config/kritarc"
    mac = install_krita.profiles(own, "darwin")[0]
    assert mac.settings == tmp_path / "Library/Preferences/kritarc"
    windows = {**own, "APPDATA": str(tmp_path / "Roaming"), "LOCALAPPDATA": str(tmp_path / "Local")}
    assert install_krita.profiles(windows, "win32")[0].settings == tmp_path / "Local/kritarc"


def test_a_krita_from_the_microsoft_store_is_found_where_windows_keeps_its_folders(tmp_path: Path) -> None:
    store = StoreKrita(tmp_path)
    assert [one.name for one in install_krita.profiles(store.environment, "win32")] == ["Krita (Microsoft Store)"]
    (one,) = install_krita.profiles(store.environment, "win32")
    assert (one.pykrita, one.settings) == (store.cache / "Roaming/krita/pykrita", store.cache / "Local/kritarc")
    (store.roaming / "krita").mkdir()
    assert [one.name for one in install_krita.profiles(store.environment, "win32")] == [
        "Krita", "Krita (Microsoft Store)",
    ]  # fmt: skip
    assert install_krita.profiles({**store.environment, "HOME": str(tmp_path)}, "darwin") == []


lines = st.lists(
    st.sampled_from(["[python]", "[theme]", "a=1", "enable_vaporbrush=false", "enable_other=true", "", "x"])
)


@given(lines.map(lambda some: "\n".join(some) + "\n"))
def test_enabling_touches_one_line_only(text: str) -> None:
    enabled = with_key(text, "[python]", "enable_vaporbrush", "true")
    assert with_key(enabled, "[python]", "enable_vaporbrush", "true") == enabled
    assert "enable_vaporbrush=true" in enabled.split("[python]\n", 1)[1].split("\n[", 1)[0]
    kept = [line for line in enabled.splitlines() if not line.startswith("enable_vaporbrush")]
    was = [line for line in text.splitlines() if not line.startswith("enable_vaporbrush")]
    assert [line for line in kept if line] == [line for line in was if line] + (
        [] if "[python]" in was else ["[python]"]
    )


def test_disabling_undoes_enabling() -> None:
    for text in ("", "[General]\nx=1\n", "[python]\nenable_other=true\n", "[a]\nb=1\n\n[python]\nc=2\n\n[d]\n"):
        enabled = with_key(text, "[python]", "enable_vaporbrush", "true")
        assert without_key(enabled, "[python]", "enable_vaporbrush").strip("\n") == text.strip("\n")
