"""What the command line says and does when something is wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import fake_worker
from support.daemon import Daemon, until
from support.program import PROGRAM, WAIT_S, begun, vaporbrush
from vaporbrush_protocol import Connection, connect


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("stylize", "Missing argument 'CONTENT'"),
        ("stylize content.png style.png", "Missing option '-o'"),
        ("stylize nothing.png style.png -o o.png", "nothing.png does not exist"),
        ("stylize content.png nothing.png -o o.png", "nothing.png does not exist"),
        ("stylize text.png style.png -o o.png", "text.png is not a PNG, JPEG, TIFF or WebP"),
        ("stylize content.png style.png -o o.gif", "no suffix of a format"),
        ("stylize content.png style.png -o none/o.png", "folder none does not exist"),
        ("stylize content.png style.png -o content.png", "one of the inputs"),
        ("stylize content.png style.png -o .", "no suffix"),
        ("stylize content.png style.png -o o.png --size huge", "--size is 'huge'"),
        ("stylize content.png style.png -o o.png --strength 0", "`strength` is 0.0"),
        ("stylize content.png style.png -o o.png --strength much", "Invalid value for '--strength'"),
        ("stylize content.png style.png -o o.png --color pink", "`color` is 'pink'"),
        ("stylize content.png style.png -o o.png --style-weights 1,2", "2 numbers for 1 styles"),
        ("stylize content.png style.png -o o.png --layer-weights a,b", "--layer-weights is 'a,b'"),
        ("stylize content.png style.png -o o.png --mask style.png", "must be as large as the content"),
        ("stylize content.png style.png -o o.png --recipe text.png", "neither a PNG with a recipe nor JSON"),
        ("paint", "No such command 'paint'. See `vaporbrush --help`"),
        ("logs --bad", "No such option '--bad'. See `vaporbrush logs --help`"),
        ("demo --size large", "'large' is not a valid integer. See `vaporbrush demo --help`"),
        ("weights import nothing.pth", "nothing.pth does not exist"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2_and_starts_no_daemon(
    home: Path, content: Path, style: Path, tmp_path: Path, arguments: str, sentence: str
) -> None:
    (tmp_path / "text.png").write_text("hello")
    done = vaporbrush(*shlex.split(arguments), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("vaporbrush: ")
    assert done.stdout == ""
    assert not (home / "run").exists()


@pytest.mark.parametrize("command", ["status", "jobs", "cancel 123", "logs"])
def test_without_a_daemon_the_status_is_3(home: Path, command: str) -> None:
    done = vaporbrush(*command.split())
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "daemon" in done.stderr


def test_a_socket_that_accepts_before_its_daemon_has_started_is_waited_for(fake: Path) -> None:
    assert vaporbrush("serve").returncode == 0
    daemon = Connection.read().pid
    os.kill(daemon, signal.SIGSTOP)  # as a daemon that takes longer than the greeting's 2 seconds to start
    with subprocess.Popen([*PROGRAM, "jobs"], stdout=subprocess.PIPE, text=True) as command:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                command.wait(4)
        finally:
            os.kill(daemon, signal.SIGCONT)
        assert command.wait(WAIT_S) == 0


def test_stopping_what_does_not_run_is_no_failure(home: Path) -> None:
    done = vaporbrush("stop")
    assert (done.returncode, done.stdout) == (0, "No daemon runs.\n")


def test_a_job_that_fails_says_why_and_writes_nothing(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_text("precious")
    done = vaporbrush("stylize", content, style, "-o", out, "--seed", str(fake_worker.DIVERGES))
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("The loss became NaN at step 2.")
    assert "Traceback" not in done.stderr
    assert out.read_text() == "precious"


def test_ctrl_c_cancels_the_job_and_the_status_is_130(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        painting = begun(content, style, tmp_path / "out.png")
        painting.send_signal(number)
        _, stderr = painting.communicate(timeout=WAIT_S)
        assert painting.returncode == 130
        assert "Cancelled" in stderr
        assert "Traceback" not in stderr
        with connect() as client:
            until(lambda: [job.state for job in client.jobs()][-1] == "cancelled", "the job is cancelled")
    assert not (tmp_path / "out.png").exists()


def test_a_second_ctrl_c_ends_at_once_even_if_the_daemon_hangs(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    painting = begun(content, style, tmp_path / "out.png")
    daemon = Connection.read().pid
    os.kill(daemon, signal.SIGSTOP)
    try:
        painting.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            painting.wait(1)
        painting.send_signal(signal.SIGINT)
        painting.communicate(timeout=8)  # the request would wait for 10 s
        assert painting.returncode == 130
    finally:
        os.kill(daemon, signal.SIGCONT)


def test_a_killed_command_leaves_no_job_behind(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    painting = begun(content, style, tmp_path / "out.png")
    painting.kill()
    painting.communicate()
    with connect() as client:
        until(lambda: client.jobs()[-1].state == "cancelled", "the lease ends", 45)


def test_a_running_daemon_with_other_weights_is_reported(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    assert vaporbrush("serve").returncode == 0
    other = {**os.environ, "VAPORBRUSH_WEIGHTS": str(style)}
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "o.png", env=other)
    assert done.returncode == 0
    assert f"not VAPORBRUSH_WEIGHTS={style}" in done.stderr
    assert "vaporbrush stop" in done.stderr


def test_a_daemon_from_before_an_update_is_reported(home: Path, content: Path, style: Path, tmp_path: Path) -> None:
    program = (
        "from vaporbrush_protocol import version; version.__version__ = '0.0.9';"
        "from vaporbrush_daemon.front import serve; serve.main()"
    )
    with Daemon(home).launch(sys.executable, "-c", program) as process:
        process.stderr.readline()
        done = vaporbrush("stylize", content, style, "-o", tmp_path / "o.png")
        process.terminate()
        process.stderr.read()
    assert done.returncode == 0, done.stderr
    assert "The running daemon is vaporbrush 0.0.9" in done.stderr


def test_a_damaged_configuration_is_named(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("max_jobs = many")
    for command in ("weights list", "serve --foreground"):
        done = vaporbrush(*command.split())
        assert done.returncode in (2, 78)
        assert "config.toml" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_relative_weights_path_means_the_same_in_the_daemon(
    home: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    Daemon(home, weights="")
    environment = {**os.environ, "VAPORBRUSH_WEIGHTS": "some/where.pth"}
    vaporbrush("serve", env=environment, cwd=tmp_path)
    try:
        found = json.loads(vaporbrush("status", "--json").stdout)["config"]["weights"]
        assert found["value"] == str(tmp_path / "some" / "where.pth")
    finally:
        assert vaporbrush("stop").returncode == 0
