"""The command line as a person or a script meets it: a real program, a real daemon, the fake worker."""

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
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support import fake_worker
from support.daemon import Daemon, until
from vaporbrush_daemon.images import files as pictures
from vaporbrush_protocol import Connection, connect
from vaporbrush_protocol.controls import CONTROLS

PROGRAM = (sys.executable, "-m", "vaporbrush_daemon")
WAIT_S = 60


def vaporbrush(*arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=WAIT_S, **options)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has collected yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def fake(home: Path) -> Iterator[Path]:
    """A home whose daemon paints with the fake worker; whoever starts it, it is stopped."""
    Daemon(home)
    yield home
    done = vaporbrush("stop", "--now")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.png"
    pictures.write(path, pictures.Picture(np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)))
    return path


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "style.png"
    pictures.write(path, pictures.Picture(np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)))
    return path


def pixels(path: Path) -> np.ndarray:
    return pictures.read(path).pixels


# ── painting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_command_starts_the_daemon_and_paints(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    done = vaporbrush("stylize", content, style, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "Starting the daemon" in done.stderr
    assert str(out) in done.stdout
    np.testing.assert_array_equal(pixels(out), 255 - pixels(content))  # the fake worker paints the negative
    with connect() as client:
        assert client.jobs()[0].state == "done"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content.png", "out.png", "style.png"]


def test_the_second_run_finds_the_daemon_and_the_pictures_there(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    told = []
    for name in ("a.png", "b.png"):
        done = vaporbrush("stylize", content, style, "-o", tmp_path / name, "--json")
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    assert told[0]["daemon"]["started"]
    assert told[0]["uploaded"]["blobs"] == 2
    assert not told[1]["daemon"]["started"]
    assert told[1]["uploaded"] == {"blobs": 0, "bytes": 0}
    assert told[1]["reused"] == {"blobs": 2, "bytes": 64 * 48 * 3 + 40 * 40 * 3}
    assert told[1]["cached"]["blobs"]
    assert told[0]["daemon"]["boot"] == told[1]["daemon"]["boot"]
    assert told[1]["recipe"]["outside"] == "content"
    assert {"decode", "connect", "upload", "encode", "all"} <= set(told[1]["seconds"])


def test_every_option_reaches_the_recipe(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    pictures.write(mask, pictures.Picture(np.full((48, 64, 3), 255, np.uint8)))
    options = (
        "--size 32 --quality draft --strength 50 --style-scale 0.5 --style-weights 1,3 --color luma --blend 0.5"
        " --tileable --init noise --steps 7 --optimizer adam --layer-weights 1,2,3,4,5 --pool avg --tv 0.1"
        " --model vgg19 --device cpu"
    )
    done = vaporbrush(
        *("stylize", content, style, "@vaporwave", "-o", tmp_path / "o.png", "--json", *shlex.split(options)),
        *("--mask", mask, "--style-mask", mask, "--style-mask", mask),
    )
    assert done.returncode == 0, done.stderr
    recipe = json.loads(done.stdout)["recipe"]
    wanted = {
        "size": 32, "quality": "draft", "strength": 50, "style_scale": 0.5, "color": "luma", "blend": 0.5,
        "tileable": True, "start": "noise", "steps": 7, "optimizer": "adam", "layer_weights": [1, 2, 3, 4, 5],
        "pool": "avg", "tv": 0.1, "model": "vgg19", "device": "cpu",
    }  # fmt: skip
    assert {name: recipe[name] for name in wanted} == wanted
    assert [one["weight"] for one in recipe["styles"]] == [1, 3]
    assert recipe["mask"]["channels"] == "GRAY"
    assert all(one["mask"]["blob"] == recipe["mask"]["blob"] for one in recipe["styles"])


def test_a_named_size_is_the_size_of_the_file_and_auto_is_the_contents(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    for name, size, wanted in (("a.png", "32", (24, 32)), ("b.png", "auto", (48, 64)), ("c.png", "500", (48, 64))):
        assert vaporbrush("stylize", content, style, "-o", tmp_path / name, "--size", size).returncode == 0
        assert pixels(tmp_path / name).shape[:2] == wanted
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "d.png", "--recipe", tmp_path / "a.png")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(pixels(tmp_path / "d.png"), pixels(tmp_path / "a.png"))


def test_a_painting_repeats_from_the_recipe_that_it_carries(
    fake: Path, content: Path, style: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert vaporbrush("stylize", content, style, "-o", first, "--strength", "77", "--steps", "5").returncode == 0
    done = vaporbrush("stylize", content, style, "-o", second, "--recipe", first, "--steps", "6", "--json")
    assert done.returncode == 0, done.stderr
    recipe = json.loads(done.stdout)["recipe"]
    assert (recipe["strength"], recipe["steps"]) == (77, 6)  # what the command says wins
    saved = tmp_path / "recipe.json"
    saved.write_text(done.stdout)
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "c.png", "--recipe", saved, "--json")
    assert json.loads(done.stdout)["recipe"] == recipe


def test_painting_goes_on_from_a_file_and_from_a_job(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "a.png", "--strength", "9", "--json")
    first = json.loads(done.stdout)
    for start in (tmp_path / "a.png", first["job"][:8]):
        done = vaporbrush("stylize", content, style, "-o", tmp_path / "b.png", "--continue", start, "--json")
        assert done.returncode == 0, done.stderr
        recipe = json.loads(done.stdout)["recipe"]
        assert recipe["strength"] == 9
        assert recipe["start_image"]["width"] == 64
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "b.png", "--continue", "nothing")
    assert done.returncode == 2
    assert "`nothing`" in done.stderr


def test_a_bundled_style_brings_the_strength_that_suits_it(fake: Path, content: Path, tmp_path: Path) -> None:
    listed = {one["name"]: one for one in json.loads(vaporbrush("styles", "--json").stdout)["styles"]}
    assert "vaporwave" in listed
    own = fake / "styles"
    own.mkdir(exist_ok=True)
    pictures.write(own / "my-own.png", pictures.Picture(np.full((32, 32, 3), 90, np.uint8)))
    assert "@my-own" in vaporbrush("styles").stdout
    for name, given, wanted in (("vaporwave", (), listed["vaporwave"]["strength"]), ("my-own", ("--strength", "3"), 3)):
        done = vaporbrush("stylize", content, f"@{name}", "-o", tmp_path / "o.png", "--json", *given)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["recipe"]["strength"] == wanted
    done = vaporbrush("stylize", content, "@nothing", "-o", tmp_path / "o.png")
    assert done.returncode == 2
    assert "vaporwave" in done.stderr


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_16_bit_picture_comes_back_with_16_bits(fake: Path, style: Path, tmp_path: Path, suffix: str) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    content = tmp_path / f"ramp{suffix}"
    pictures.write(content, pictures.Picture(np.stack([levels] * 3, axis=-1)))
    done = vaporbrush("stylize", content, style, "-o", tmp_path / f"out{suffix}")
    assert done.returncode == 0, done.stderr
    out = pixels(tmp_path / f"out{suffix}")
    assert out.dtype == np.uint16
    assert len(np.unique(out)) == 65536


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────


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


def begun(content: Path, style: Path, out: Path) -> subprocess.Popen[str]:
    """A command whose painting would never end, as soon as it paints."""
    command = [*PROGRAM, "stylize", str(content), str(style), "-o", str(out), "--seed", str(fake_worker.ENDLESS)]
    painting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if vaporbrush("status").returncode == 3:
        until(lambda: vaporbrush("status").returncode == 0, "the daemon runs")
    with connect() as client:
        until(lambda: any(job.state == "running" and job.progress for job in client.jobs()), "it paints")
    return painting


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


def test_a_running_daemon_with_other_weights_is_told(fake: Path, content: Path, style: Path, tmp_path: Path) -> None:
    assert vaporbrush("serve").returncode == 0
    other = {**os.environ, "VAPORBRUSH_WEIGHTS": str(style)}
    done = vaporbrush("stylize", content, style, "-o", tmp_path / "o.png", env=other)
    assert done.returncode == 0
    assert f"not VAPORBRUSH_WEIGHTS={style}" in done.stderr
    assert "vaporbrush stop" in done.stderr


def test_a_daemon_from_before_an_update_is_told(home: Path, content: Path, style: Path, tmp_path: Path) -> None:
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


# ── looking and stopping ────────────────────────────────────────────────────────────────────────────────────────────


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


# ── the program itself ──────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_shell_that_cannot_be_served_is_told(home: Path) -> None:
    done = vaporbrush("--install-completion", env={**os.environ, "SHELL": "/bin/tcsh"})
    assert done.returncode == 2
    assert "SHELL is 'tcsh'" in done.stderr
