"""Starting the daemon from a host program: real processes, detached, with a clean environment."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import until
from vaporbrush_protocol import connect
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RemoteError
from vaporbrush_protocol.installation import Installation
from vaporbrush_protocol.launcher import clean_environment, in_flatpak, start_daemon

SCRIPT = str(Path(__file__).resolve().parents[1] / "support" / "scripted_daemon.py")


def command(mode: str) -> tuple[str, ...]:
    return (sys.executable, SCRIPT, mode)


@pytest.fixture
def home(folder: Path) -> Iterator[Path]:
    yield folder / "home"
    path = folder / "home" / "environment.json"
    pid = Connection.read(folder / "home").pid if (folder / "home" / "connection.json").exists() else 0
    if path.exists() and pid:
        try:
            until(lambda: gone(pid), "the daemon that was told to end has ended")
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            raise


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_daemon_is_started_and_answers_and_outlives_nothing_but_its_shutdown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/host/python")
    monkeypatch.setenv("QT_PLUGIN_PATH", "/host/qt")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with connect(start=command("slow"), home=home) as client:
        assert client.daemon["daemon"] == "scripted 0"
        assert client.connection.path == home / "connection.json"
        client.shutdown()
    environment = json.loads((home / "environment.json").read_text())
    assert environment["VAPORBRUSH_HOME"] == str(home)
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert not {"PYTHONPATH", "QT_PLUGIN_PATH"} & set(environment)
    assert environment["sid"] != os.getsid(0)  # closing the host's terminal does not end it
    assert environment["cwd"] == str(home)
    assert "serving" in (home / "logs" / "daemon.log").read_text()


def test_a_running_daemon_is_not_started_again(home: Path) -> None:
    with connect(start=command("serve"), home=home) as first, connect(start=command("fail"), home=home) as second:
        assert first.hello()["boot"] == second.hello()["boot"]
        first.shutdown()


def test_a_daemon_that_has_ended_is_started_by_the_command_in_the_file(home: Path) -> None:
    with connect(start=command("serve"), home=home) as client:
        client.shutdown()
    pid = Connection.read(home).pid
    until(lambda: gone(pid), "it has ended")
    with pytest.raises(LinkError) as failure:
        connect(home=home)
    assert failure.value.code == "no_daemon"
    with connect(start=True, home=home) as client:
        assert client.connection.pid != pid
        client.shutdown()


def test_a_daemon_that_listens_before_it_has_written_its_file_is_not_taken_for_the_one_before(home: Path) -> None:
    with connect(start=command("serve"), home=home) as client:
        client.shutdown()
    old = Connection.read(home)
    until(lambda: gone(old.pid), "it has ended")
    new = start_daemon(old, command("unwritten"), home)
    assert new.pid != old.pid
    assert new == Connection.read(home)
    with connect(home=home) as client:
        client.shutdown()


def test_without_a_connection_file_and_a_command_the_sentence_says_what_to_do(folder: Path) -> None:
    for start in (False, True):
        with pytest.raises(LinkError, match=r"has not run here yet .*vaporbrush serve") as failure:
            connect(start=start, home=folder)
        assert failure.value.code == "no_daemon"
    with pytest.raises(LinkError, match="How to start the daemon is not known"):
        start_daemon(None, home=folder)


def test_a_daemon_that_ends_at_once_is_reported_with_the_last_line_of_its_log(home: Path) -> None:
    with pytest.raises(LinkError, match=r"exit status 78\): event=refused .*config.toml.* Log: .*daemon\.log"):
        start_daemon(None, command("fail"), home)
    (home / "logs" / "daemon.log").unlink()
    with pytest.raises(LinkError, match=r"exit status 1\): its log is empty"):
        start_daemon(None, command("silent"), home)


def test_a_daemon_that_loses_the_race_is_no_error_when_another_answers(home: Path) -> None:
    with connect(start=command("serve"), home=home) as client:
        connection = start_daemon(Connection.read(home), command("silent"))
        assert connection.pid == client.connection.pid
        client.shutdown()


def test_a_daemon_that_never_answers_is_given_up(home: Path) -> None:
    with pytest.raises(LinkError, match=r"did not answer within 0\.3 s") as failure:
        start_daemon(None, command("hang"), home, timeout_s=0.3)
    assert failure.value.code == "no_daemon"


def test_a_command_that_cannot_run_is_reported(folder: Path) -> None:
    with pytest.raises(LinkError, match="could not be started with `/no/such/python -m x`: No such file"):
        start_daemon(None, ("/no/such/python", "-m", "x"), folder)


def test_a_log_that_cannot_be_read_is_reported(home: Path) -> None:
    log = home / "logs" / "daemon.log"
    moved = (sys.executable, "-c", f"import os; os.remove({str(log)!r})")
    with pytest.raises(LinkError, match="its log cannot be read"):
        start_daemon(None, moved, home)


def test_a_flatpak_cannot_start_it_and_says_what_to_run_outside(folder: Path) -> None:
    assert not in_flatpak(folder)
    (folder / ".flatpak-info").touch()
    assert in_flatpak(folder)
    known = Connection((), "", start=("/opt/my python", "-m", "vaporbrush_daemon"))
    with pytest.raises(LinkError, match=r"Flatpak.*terminal: '/opt/my python' -m vaporbrush_daemon") as failure:
        start_daemon(known, flatpak=True)
    assert failure.value.code == "no_daemon"
    with pytest.raises(LinkError, match="terminal: vaporbrush serve"):
        start_daemon(None, flatpak=True)


def test_the_connection_is_closed_when_the_daemon_refuses_the_greeting(home: Path) -> None:
    with connect(start=command("serve"), home=home) as client:
        wrong = Connection(client.connection.endpoints, "wrong", pid=client.connection.pid)
        wrong.write(home)
        with pytest.raises(LinkError, match=r"refused the token in .*connection\.json"):
            connect(start=True, home=home)
        client.shutdown()


def test_a_greeting_that_is_refused_is_raised_by_connect(folder: Path) -> None:
    from support.router import Router
    from vaporbrush_protocol.errors import VaporbrushError

    with Router(folder) as router:
        router.answers["hello"] = VaporbrushError("unsupported_version", "Update.")
        router.connection.write(folder)
        with pytest.raises(RemoteError, match="Update"):
            connect(home=folder)


def test_what_a_host_sets_for_its_own_libraries_is_dropped() -> None:
    host = {
        "PYTHONHOME": "/tmp/.mount_krita/usr",
        "PYTHONPATH": "/x",
        "PythonUserBase": "/x",
        "LD_LIBRARY_PATH": "/tmp/.mount_krita/usr/lib:/opt/cuda/lib64:/tmp/.mount_krita",
        "LD_PRELOAD": "/x.so",
        "QT_PLUGIN_PATH": "/x",
        "QML2_IMPORT_PATH": "/x",
        "GI_TYPELIB_PATH": "/x",
        "GEGL_PATH": "/x",
        "BABL_PATH": "/x",
        "GTK_PATH": "/x",
        "GIMP3_DIRECTORY": "/x",
        "SSL_CERT_FILE": "/x",
        "DYLD_LIBRARY_PATH": "/x",
        "VIRTUAL_ENV": "/x",
        "APPDIR": "/tmp/.mount_krita/",
        "XDG_DATA_DIRS": "/tmp/.mount_krita/usr/share",
        "PATH": "/tmp/.mount_krita/usr/bin:/usr/bin:/bin",
        "HOME": "/home/ada",
        "LANG": "it_IT.UTF-8",
        "VAPORBRUSH_WEIGHTS": "/w.pth",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    assert clean_environment(host) == {
        "LD_LIBRARY_PATH": "/opt/cuda/lib64",
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/ada",
        "LANG": "it_IT.UTF-8",
        "VAPORBRUSH_WEIGHTS": "/w.pth",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    outside = {"LD_LIBRARY_PATH": "/opt/cuda/lib64:", "PATH": "/usr/bin", "APPDIR": ""}
    assert clean_environment(outside) == {"LD_LIBRARY_PATH": "/opt/cuda/lib64:", "PATH": "/usr/bin"}


def painter(home: Path, **more: str) -> None:
    """A painter that a plug-in installed: its daemon is the scripted one."""
    python = home.parent / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {SCRIPT} fast\n")
    python.chmod(0o700)
    Installation(home / "painter", home / "painter", python, "1", "cpu", **more).write(home)


def test_a_painter_that_a_plug_in_installed_is_started_where_nothing_else_ever_ran(
    home: Path,
) -> None:
    painter(home)
    with connect(start=True, home=home) as client:
        assert client.daemon["daemon"] == "scripted 0"
        client.shutdown()


def test_what_ran_last_is_gone_after_an_update_and_its_successor_is_started(home: Path) -> None:
    painter(home)
    gone = Connection(("ipc:///nowhere",), "token", start=("/gone/python", "-m", "vaporbrush_daemon"))
    start_daemon(gone, home=home)
    with connect(home=home) as client:
        client.shutdown()


def test_a_painter_made_in_the_flatpak_is_started_in_it(home: Path) -> None:
    painter(home, confined="flatpak")
    start_daemon(None, home=home, flatpak=True)
    with connect(home=home) as client:
        client.shutdown()
