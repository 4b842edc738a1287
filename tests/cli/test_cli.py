"""Looking, stopping, help: the command line as a person or a script meets it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import until
from support.program import PROGRAM, WAIT_S, begun, gone, vaporbrush
from vaporbrush_protocol.controls import CONTROLS


def test_the_daemon_is_served_shown_and_stopped(fake: Path) -> None:
    done = vaporbrush("serve")
    assert done.returncode == 0, done.stderr
    pid = int(re.search(r"process (\d+)", done.stdout)[1])
    assert "serves at" in vaporbrush("serve").stdout  # the same one
    assert "runs already" in vaporbrush("serve", "--listen-tcp").stderr
    shown = vaporbrush("status").stdout
    assert f"process {pid}" in shown
    assert "Setting devices" in shown
    state = json.loads(vaporbrush("status", "--json").stdout)
    assert state["pid"] == pid
    assert state["config"]["devices"]["origin"].endswith("config.toml")
    assert "serving" in vaporbrush("logs").stdout
    assert vaporbrush("logs", "-n", "1").stdout.count("\n") == 1
    done = vaporbrush("stop")
    assert done.returncode == 0
    until(lambda: gone(pid), "the process ends")


def test_jobs_are_listed_and_cancelled_by_the_first_letters_of_their_id(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    assert vaporbrush("serve").returncode == 0
    assert vaporbrush("jobs").stdout == "No jobs.\n"
    painting = begun(content, style, tmp_path / "out.png")
    listed = json.loads(vaporbrush("jobs", "--json").stdout)["jobs"]
    assert [(job["state"], job["label"]) for job in listed] == [("running", "content.png")]
    short = listed[0]["job"][:8]
    assert short in vaporbrush("jobs").stdout
    assert short in vaporbrush("status").stdout
    assert vaporbrush("cancel", short).returncode == 0
    _, stderr = painting.communicate(timeout=WAIT_S)
    assert painting.returncode == 130
    assert "cancelled" in stderr
    assert vaporbrush("cancel", "ffffffff").returncode == 2


def test_the_progress_bar_shows_scale_step_loss_and_time(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    text = on_a_terminal("stylize", content, style, "-o", tmp_path / "o.png", "--steps", "100", wanted="out of time")
    assert re.search(r"Painting .*step \d+ of 100 · loss 0\.\d+", text), text[-2000:]
    assert "100×" not in text
    assert "Painting 64×48 with" in text


def on_a_terminal(*arguments: str | Path, wanted: str) -> str:
    """What a person sees, until the command ends; Ctrl-C is pressed when `wanted` is on the screen."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    command = [*PROGRAM, *map(str, arguments)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as running:
        os.close(theirs)
        shown = ""
        while select.select([ours], [], [], WAIT_S)[0]:
            try:
                shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(ours, 65536).decode(errors="replace"))
            except OSError:  # the other side is closed
                break
            if wanted in shown:
                running.send_signal(signal.SIGINT)
        running.wait(WAIT_S)
    os.close(ours)
    return shown


def test_the_status_can_be_watched_until_ctrl_c(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    painting = begun(content, style, tmp_path / "out.png")
    shown = on_a_terminal("status", "--watch", wanted="content.png")
    assert "running" in shown
    assert "Worker cpu" in shown
    painting.send_signal(signal.SIGINT)
    painting.communicate(timeout=WAIT_S)


def test_a_reader_that_has_seen_enough_is_no_traceback(fake: Path) -> None:
    assert vaporbrush("serve").returncode == 0
    shell = f"{shlex.join(PROGRAM)} status --json | true"
    done = subprocess.run(["sh", "-c", shell], check=False, capture_output=True, text=True, timeout=WAIT_S)
    assert done.stderr == ""


def test_no_command_imports_torch_and_only_painting_imports_numpy(home: Path) -> None:
    program = (
        "import sys, runpy; sys.argv = ['vaporbrush', *{arguments!r}]\n"
        "try: runpy.run_module('vaporbrush_daemon', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({{'torch', 'numpy', 'PIL', 'zmq'}} & set(sys.modules)), file=sys.stderr)"
    )
    for arguments, wanted in (
        (["--version"], "[]"),
        (["status"], "[]"),
        (["weights", "list"], "[]"),
        (["install", "service", "--help"], "[]"),
        (["stylize", "a.png", "b.png", "-o", "c.png"], "['PIL', 'numpy']"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program.format(arguments=arguments)],
            check=False, capture_output=True, text=True, timeout=WAIT_S,
        )  # fmt: skip
        assert done.stderr.splitlines()[-1] == wanted, arguments


def test_help_has_every_command_and_option_of_the_contract() -> None:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    shown = vaporbrush("--help", env=environment).stdout
    for name in [
        "stylize",
        "styles",
        "demo",
        "serve",
        "stop",
        "status",
        "jobs",
        "cancel",
        "logs",
        "weights",
        "install",
        "uninstall",
        "doctor",
    ]:
        assert name in shown
    shown = vaporbrush("stylize", "--help", env=environment).stdout
    options = (
        "size quality strength style-scale style-weights color blend mask style-mask tileable init steps optimizer"
        " layer-weights pool tv seed model device recipe continue json out"
    )
    for name in options.split():
        assert f"--{name}" in shown
    assert "<" not in shown, "a painter need not know Python's types"
    assert vaporbrush("stylize", "-h", env=environment).stdout == shown
    told = " ".join(shown.split())
    for control in CONTROLS:
        if control.recipe and control.default not in (None, False):
            usual = f"{control.default:g}" if isinstance(control.default, float) else control.default
            flag = "--" + (control.option or control.name).replace("_", "-")
            assert re.search(rf"{flag} .*?\[default: \((.*?)[,)]", told)[1] == str(usual)
    assert vaporbrush("--version").stdout.startswith("vaporbrush 0.")


@pytest.mark.parametrize("command", [(), ("weights",), ("install",)])
def test_a_command_that_is_only_begun_shows_what_may_follow(command: tuple[str, ...]) -> None:
    done = vaporbrush(*command)
    assert done.returncode == 2
    assert done.stdout == vaporbrush(*command, "--help").stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/completions/vaporbrush.fish")]
)
def test_the_shell_completes_after_it_was_asked_to(home: Path, shell: str, file: str) -> None:
    path = home.parent / "user" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# mine")
    environment = {**os.environ, "SHELL": f"/bin/{shell}"}
    for _ in range(2):  # once is enough, twice does no harm
        done = vaporbrush("--install-completion", env=environment)
        assert done.returncode == 0, done.stderr
    lines = path.read_text().splitlines()
    assert lines[0] == "# mine"
    assert len(lines) == 2
    assert f"_VAPORBRUSH_COMPLETE={shell}_source vaporbrush" in lines[1]
    assert "_VAPORBRUSH_COMPLETE" in vaporbrush("--show-completion", env=environment).stdout
    if shell == "fish":
        asked = {"COMP_WORDS": "vaporbrush sty", "COMP_CWORD": "sty"}
    else:
        asked = {"COMP_WORDS": "vaporbrush sty", "COMP_CWORD": "1"}
    found = vaporbrush(env={**environment, **asked, "_VAPORBRUSH_COMPLETE": f"{shell}_complete"}).stdout
    assert "stylize" in found
    assert "styles" in found


def test_a_shell_that_cannot_be_served_is_reported(home: Path) -> None:
    done = vaporbrush("--install-completion", env={**os.environ, "SHELL": "/bin/tcsh"})
    assert done.returncode == 2
    assert "SHELL is 'tcsh'" in done.stderr


def test_help_beside_it_wins_and_nothing_is_installed(home: Path) -> None:
    done = vaporbrush("--install-completion", "--help", env={**os.environ, "SHELL": "/bin/bash"})
    assert done.returncode == 0
    assert done.stdout == vaporbrush("--help").stdout
    assert list((home.parent / "user").iterdir()) == []
