"""`vaporbrush install gimp`: every profile, nothing else, and away again without a trace."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vaporbrush_daemon import config, packaged
from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import host_programs
from vaporbrush_daemon.install.gimp import Profile, profiles
from vaporbrush_protocol import RequestError

OLDEST = (3, 10)  # GIMP's macOS bundle


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home folder in which GIMP has never run."""
    for name in ("GIMP3_DIRECTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Path(os.environ["HOME"])


def profile(user: Path, *parts: str) -> Path:
    folder = user.joinpath(*parts)
    folder.mkdir(parents=True)
    return folder


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_every_version_s_profile_gets_the_plug_in(user: Path) -> None:
    folders = [profile(user, ".config", "GIMP", version) for version in ("3.0", "3.2")]
    profile(user, ".config", "GIMP", "2.10")
    said = install_gimp.install()
    for folder in folders:
        entry = folder / "plug-ins" / "vaporbrush" / "vaporbrush.py"
        assert os.access(entry, os.X_OK), "GIMP runs only what may be executed"
        assert (entry.parent / "vaporbrush_protocol" / "_vendor" / "msgpack" / "fallback.py").is_file()
        assert (entry.parent / "vaporbrush_host" / "ui_text.py").is_file()
    assert not (user / ".config" / "GIMP" / "2.10" / "plug-ins").exists()
    assert sum("installed in" in sentence for sentence in said) == 2
    assert any("Filters ▸ Artistic" in sentence for sentence in said)


def test_gimp3_directory_is_the_only_profile_where_it_is_set(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(user, ".config", "GIMP", "3.0")
    monkeypatch.setenv("GIMP3_DIRECTORY", str(user / "Mein Gimp ü"))
    install_gimp.install()
    assert (user / "Mein Gimp ü" / "plug-ins" / "vaporbrush" / "vaporbrush.py").is_file()
    assert not (user / ".config" / "GIMP" / "3.0" / "plug-ins").exists()


def test_installing_twice_changes_nothing(user: Path) -> None:
    folder = profile(user, ".config", "GIMP", "3.0")
    install_gimp.install()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = install_gimp.install()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert len(said) == 1
    assert "up to date" in said[0]


def test_uninstalling_removes_exactly_what_was_installed(user: Path) -> None:
    folder = profile(user, ".config", "GIMP", "3.0")
    (folder / "plug-ins" / "another").mkdir(parents=True)
    (folder / "plug-ins" / "another" / "another.py").write_text("pass\n")
    before = everything(folder)
    install_gimp.install()
    target = folder / "plug-ins" / "vaporbrush"
    # what Python leaves behind when GIMP runs it goes too
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(target / "vaporbrush_host")], check=True)
    said = install_gimp.uninstall()
    assert everything(folder) == before
    assert "removed" in said[0]
    assert install_gimp.uninstall() == ["Vaporbrush was not installed in GIMP."]


def test_what_somebody_put_beside_it_stays(user: Path) -> None:
    folder = profile(user, ".config", "GIMP", "3.0")
    install_gimp.install()
    note = folder / "plug-ins" / "vaporbrush" / "note.txt"
    note.write_text("mine\n")
    install_gimp.uninstall()
    assert note.read_text() == "mine\n"


def test_the_flatpak_gets_it_and_the_daemon_listens_for_it(user: Path, home: Path) -> None:
    folder = profile(user, ".var", "app", "org.gimp.GIMP", "config", "GIMP", "3.0")
    said = install_gimp.install()
    assert (folder / "plug-ins" / "vaporbrush" / "vaporbrush.py").is_file()
    assert config.load().listen_tcp
    assert any("Flatpak" in sentence and "127.0.0.1" in sentence for sentence in said)


def test_a_flatpak_that_shares_the_native_profile_is_noticed(user: Path) -> None:
    profile(user, ".config", "GIMP", "3.0")
    profile(user, ".var", "app", "org.gimp.GIMP", "cache")
    install_gimp.install()
    assert config.load().listen_tcp


def test_a_snap_is_reported_with_the_reason(user: Path) -> None:
    profile(user, "snap", "gimp", "current", ".config", "GIMP", "3.0")
    said = install_gimp.install()
    assert len(said) == 1
    assert "not supported" in said[0]
    assert "hidden folders" in said[0]
    assert not config.load().listen_tcp


def test_without_gimp_the_sentence_says_what_to_do(user: Path) -> None:
    with pytest.raises(RequestError, match="Start GIMP 3 once"):
        install_gimp.install()


def test_the_other_systems_profiles_are_known(tmp_path: Path) -> None:
    windows, mac = tmp_path / "Roaming", tmp_path / "mac"
    (windows / "GIMP" / "3.0").mkdir(parents=True)
    (mac / "Library" / "Application Support" / "GIMP" / "3.2").mkdir(parents=True)
    assert profiles({"APPDATA": str(windows), "HOME": str(tmp_path)}, "win32") == [
        Profile("GIMP 3.0", windows / "GIMP" / "3.0")
    ]
    assert profiles({"HOME": str(mac)}, "darwin") == [
        Profile("GIMP 3.2", mac / "Library" / "Application Support" / "GIMP" / "3.2")
    ]


def test_a_gimp_from_the_microsoft_store_is_found_where_windows_keeps_its_folders(tmp_path: Path) -> None:
    cache = tmp_path / "Local" / "Packages" / "GIMP.43237F745C88_kd82hyz8eb4dk" / "LocalCache"
    (cache / "Roaming" / "GIMP" / "3.2").mkdir(parents=True)
    found = profiles({"APPDATA": str(tmp_path / "Roaming"), "LOCALAPPDATA": str(tmp_path / "Local")}, "win32")
    assert found == [Profile("GIMP 3.2 (Microsoft Store)", cache / "Roaming" / "GIMP" / "3.2")]


def test_the_plug_in_knows_how_to_start_the_daemon(user: Path) -> None:
    folder = profile(user, ".config", "GIMP", "3.0")
    install_gimp.install()
    start = json.loads((folder / "plug-ins" / "vaporbrush" / host_programs.START_FILE).read_text())["start"]
    assert Path(start[0]).is_file()
    assert "vaporbrush_daemon" in start


def test_the_sources_are_python_of_the_oldest_gimp() -> None:
    sources = list((packaged.plugins() / "gimp").rglob("*.py"))
    assert len(sources) > 5
    for source in sources:
        ast.parse(source.read_text(encoding="utf-8"), str(source), feature_version=OLDEST)
