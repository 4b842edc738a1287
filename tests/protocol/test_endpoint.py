"""Where the daemon is found."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vaporbrush_protocol.endpoint import FILE, Connection, home, new_token
from vaporbrush_protocol.errors import LinkError

CONNECTION = Connection(
    ("ipc:///run/vaporbrush/socket", "tcp://127.0.0.1:4711"),
    new_token(),
    ("/usr/bin/python3", "-m", "vaporbrush_daemon"),
    "/home/ada/log",
    4711,
    "0.1.0",
)


def test_the_home_is_under_the_user_s_home_wherever_xdg_points() -> None:
    flatpak = {"HOME": "/home/ada", "XDG_DATA_HOME": "/home/ada/.var/app/org.kde.krita/data"}
    assert home(flatpak) == Path("/home/ada/.local/share/vaporbrush")


def test_a_variable_moves_the_home() -> None:
    assert home({"HOME": "/home/ada", "VAPORBRUSH_HOME": "/srv/vb"}) == Path("/srv/vb")
    assert home({"VAPORBRUSH_HOME": "vb"}) == Path.cwd() / "vb"
    assert home({"HOME": "/home/ada", "VAPORBRUSH_HOME": ""}) == Path("/home/ada/.local/share/vaporbrush")


def test_without_a_variable_the_user_s_own_is_taken() -> None:
    assert home({}) == Path.home() / ".local" / "share" / "vaporbrush"


def test_on_windows_it_is_where_the_store_s_programs_see_the_same_as_all_others() -> None:
    ada = {"USERPROFILE": "/c/Users/ada", "LOCALAPPDATA": "/c/Users/ada/AppData/Local"}
    assert home(ada, "win32") == Path("/c/Users/ada/.vaporbrush")
    assert home({}, "win32") == Path.home() / ".vaporbrush"


def test_the_environment_is_asked_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAPORBRUSH_HOME", "/srv/vb")
    assert home() == Path("/srv/vb")


def test_what_is_written_is_read_again_and_only_the_owner_can_read_it(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        path = CONNECTION.write(tmp_path / "new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = Connection.read(tmp_path / "new")
    assert read == Connection(**{**{f: getattr(CONNECTION, f) for f in CONNECTION.__slots__}, "path": path})
    CONNECTION.write(tmp_path / "new")  # replaced, never half
    assert [one.name for one in (tmp_path / "new").iterdir()] == [FILE]


def test_the_usual_home_is_read_and_written_where_no_folder_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAPORBRUSH_HOME", str(tmp_path))
    assert CONNECTION.write() == tmp_path / FILE
    assert Connection.read().token == CONNECTION.token


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(OSError):
        CONNECTION.write(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_tokens_are_long_and_different() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(bytes.fromhex(new_token())) == 32


def test_the_token_is_never_shown() -> None:
    assert CONNECTION.token not in repr(CONNECTION)
    assert repr(CONNECTION) == "Connection(ipc:///run/vaporbrush/socket, tcp://127.0.0.1:4711, pid=4711)"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '"text"',
        '{"endpoints": "ipc://x", "token": "t"}',
        '{"endpoints": [1], "token": "t"}',
        '{"endpoints": ["ipc://x"]}',
        '{"endpoints": ["ipc://x"], "token": 5}',
        '{"endpoints": ["ipc://x"], "token": "t", "pid": "1"}',
        '{"endpoints": ["ipc://x"], "token": "t", "start": [null]}',
        "[" * 60_000,
        '{"endpoints": ["ipc://x"], "token": "t", "log": "' + "x" * 70_000 + '"}',
        "\udcff",
    ],
    ids=range(14),
)
def test_a_damaged_file_is_reported_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(LinkError, match=r"connection\.json is damaged. Delete it and start the daemon") as failure:
        Connection.read(tmp_path)
    assert failure.value.code == "no_daemon"


def test_fields_of_a_newer_daemon_are_ignored(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"endpoints": ["ipc://x"], "token": "t", "colour": "teal"}')
    assert Connection.read(tmp_path).endpoints == ("ipc://x",)


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(LinkError, match="cannot be read: Is a directory"):
        Connection.read(tmp_path)
