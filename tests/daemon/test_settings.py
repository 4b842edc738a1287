"""Configuration, the home folder, the log, and time."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaporbrush_daemon import config, instance, logs
from vaporbrush_daemon.front import systemd as notify
from vaporbrush_daemon.front.clock import AwakeClock


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('max_jobs = 5\ntcp_port = 7\nidle_unload_s = 1\ndevices = ["cpu"]\n')
    environment = {"VAPORBRUSH_HOME": str(tmp_path), "VAPORBRUSH_TCP_PORT": "8", "VAPORBRUSH_IDLE_UNLOAD_S": "2"}
    found = config.load({"idle_unload_s": 3.5, "listen_tcp": None}, environment)
    assert (found.max_jobs, found.tcp_port, found.idle_unload_s, found.devices) == (5, 8, 3.5, ("cpu",))
    shown = found.to_wire()
    assert shown["max_jobs"] == {"value": 5, "origin": str(tmp_path / "config.toml")}
    assert shown["tcp_port"] == {"value": 8, "origin": "VAPORBRUSH_TCP_PORT"}
    assert shown["idle_unload_s"] == {"value": 3.5, "origin": "flag"}
    assert shown["spool_bytes"]["origin"] == "default"
    assert found.home == tmp_path


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LISTEN_TCP", "yes", True),
        ("LISTEN_TCP", "0", False),
        ("DEVICES", "cuda:0, cpu", ("cuda:0", "cpu")),
        ("WORKER_COMMAND", "python 'my worker.py' -v", ("python", "my worker.py", "-v")),
        ("IDLE_EXIT_S", "2.5", 2.5),
        ("WEIGHTS", "/some/file.pth", "/some/file.pth"),
    ],
)
def test_texts_from_the_environment_become_values(tmp_path: Path, name: str, text: str, value: object) -> None:
    found = config.load(environment={"VAPORBRUSH_HOME": str(tmp_path), f"VAPORBRUSH_{name}": text})
    assert getattr(found, name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("LISTEN_TCP", "perhaps", "must be true or false"),
        ("MAX_JOBS", "1.5", "must be a whole number"),
        ("MAX_JOBS", "-1", "must not be negative"),
        ("TCP_PORT", "70000", "at most 65535"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("STUCK_AFTER_S", "0", "at least 0.1"),
        ("STUCK_AFTER_S", "nan", "must not be negative"),
    ],
)
def test_values_that_make_no_sense_are_refused_with_a_sentence(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(config.ConfigError, match=says):
        config.load(environment={"VAPORBRUSH_HOME": str(tmp_path), f"VAPORBRUSH_{name}": text})


def test_values_of_the_wrong_type_in_the_file_are_refused(tmp_path: Path) -> None:
    for line in ("max_jobs = true", "listen_tcp = 1", "devices = [1]", "worker_command = []", "weights = 3"):
        (tmp_path / "config.toml").write_text(line + "\n")
        if line == "weights = 3":
            continue
        with pytest.raises(config.ConfigError, match=line.split()[0]):
            config.load(environment={"VAPORBRUSH_HOME": str(tmp_path)})


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name, which `tmp_path` may not."""
    with tempfile.TemporaryDirectory(prefix="vp-") as folder:
        yield Path(folder)


def test_a_socket_folder_that_somebody_else_sits_on_is_refused(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    home = short / ("x" * 120)
    folder = instance.socket_path(home).parent
    assert folder.parent == short
    folder.chmod(0o755)
    with pytest.raises(config.ConfigError, match="not a private folder"):
        instance.socket_path(home)
    folder.rmdir()
    folder.symlink_to(short)
    with pytest.raises(config.ConfigError, match="not a private folder"):
        instance.socket_path(home)


def test_the_lock_is_held_by_one_and_names_it(tmp_path: Path) -> None:
    instance.prepare(tmp_path)
    lock = instance.Lock(tmp_path)
    with pytest.raises(instance.AlreadyRunning, match=str(os.getpid())) as refused:
        instance.Lock(tmp_path)
    assert refused.value.pid == os.getpid()
    lock.release()
    instance.Lock(tmp_path).release()


def test_a_log_line_has_its_fields_and_stays_one_line(tmp_path: Path) -> None:
    path = logs.configure(tmp_path / "logs", "info", stderr=False)
    logs.event("job_ended", job="j1", state="done", seconds=1.23456, text='two\nlines "quoted"', nothing=None)
    logs.defect("request_defect", ValueError("oh"), request="Get")
    written = path.read_text().splitlines()
    assert written[0].endswith(r'INFO job_ended job=j1 state=done seconds=1.235 text="two\x0alines \"quoted\""')
    assert "request_defect request=Get" in written[1]
    assert written[-1] == "    ValueError: oh"  # set in, so that no text of it looks like a line of its own


def test_the_clock_stands_still_while_the_process_was_stopped() -> None:
    times = iter([0.0, 1.0, 31.0, 31.5, 131.5, 132.0])
    clock = AwakeClock(lambda: next(times))
    assert clock() == 1.0
    clock.expect(30.0)
    assert clock() == 31.0, "waiting counts"
    assert clock() == 31.5
    assert clock() == 31.5, "a hundred seconds in which nothing was expected do not"
    assert clock.lost == 100.0
    assert clock() == 32.0


def test_without_a_service_manager_nothing_is_sent_or_taken_over() -> None:
    quiet = notify.Notifier({})
    quiet.tell("READY=1")
    assert quiet.watchdog_s is None
    assert notify.Notifier({"WATCHDOG_USEC": "4000000"}).watchdog_s == 2.0
    assert notify.Notifier({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert notify.inherited_socket({}) is None
    assert notify.inherited_socket({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) is None


def test_a_manager_that_has_gone_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        notifier = notify.Notifier({"NOTIFY_SOCKET": str(path)})
        notifier.tell("READY=1")
        assert manager.recv(100) == b"READY=1"
    path.unlink()
    notifier.tell("WATCHDOG=1")
    notifier.tell("WATCHDOG=1")
