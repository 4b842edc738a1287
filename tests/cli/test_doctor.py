"""`vaporbrush doctor`: each kind of trouble is one failed line with its cure, and nothing private is shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from support.daemon import Daemon
from vaporbrush_daemon.cli import doctor, finding
from vaporbrush_daemon.install import torch_builds, vendor
from vaporbrush_daemon.pip_command import pip_install
from vaporbrush_protocol import Connection
from vaporbrush_protocol.installation import Installation
from vaporbrush_protocol.version import __version__


def found(name: str) -> doctor.Finding:
    """The first line of this name, without the checks that ask torch."""
    return findings(name)[0]


def findings(name: str) -> list[doctor.Finding]:
    checks = {key: check for key, check in doctor.CHECKS.items() if key != "PyTorch"}
    before, doctor.CHECKS = doctor.CHECKS, checks
    try:
        every = list(doctor.examine())
    finally:
        doctor.CHECKS = before
    assert all(one.cure for one in every if one.state == "failed"), "a failed line says what to do"
    return [one for one in every if one.name.startswith(name)]


def test_a_healthy_machine_passes_and_programs_can_read_it(home: Path) -> None:
    command = [sys.executable, "-m", "vaporbrush_daemon", "doctor"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=200, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 0, told
    assert told["ok"]
    names = [check["name"] for check in told["checks"]]
    for name in (
        "Python",
        "PyTorch",
        "Device cpu",
        "libzmq",
        "msgpack",
        "Disk",
        "Memory",
        "Daemon",
        "Service",
        "Krita",
        "GIMP",
    ):
        assert name in names
    assert all(check["state"] in ("fine", "note", "failed") for check in told["checks"])


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be deleted there")
def test_from_a_folder_that_was_deleted_torch_is_found_all_the_same(home: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = [sys.executable, "-P", "-m", "vaporbrush_daemon", "doctor", "--json"]
    leaving = ["sh", "-c", 'rmdir "$PWD" && exec "$0" "$@"', *command]
    done = subprocess.run(leaving, cwd=gone, capture_output=True, text=True, timeout=200, check=False)
    states = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert not gone.exists()
    assert states["PyTorch"]["state"] == "fine", states["PyTorch"]
    assert states["Device cpu"]["state"] == "fine"


def test_nothing_private_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAPORBRUSH_HOME", f"{os.environ['HOME']}/secret-name/vp")
    daemon = Daemon(Path(os.environ["VAPORBRUSH_HOME"])).start()
    try:
        shown = " ".join(f"{one.text} {one.cure}" for one in findings(""))
        assert Connection.read().token not in shown
        assert os.environ["HOME"] not in shown
        assert "~" in shown
    finally:
        daemon.stop()


def test_a_connection_file_that_others_can_read_is_found(home: Path) -> None:
    daemon = Daemon(home).start()
    try:
        assert found("Daemon").state == "fine"
        assert [one.state for one in findings("Access")] == ["fine", "fine"]
        (home / "connection.json").chmod(0o644)
        bad = found("Access")
        assert bad.state == "failed"
        assert bad.cure.startswith("chmod 600 ")
    finally:
        daemon.stop()


def test_a_daemon_of_another_version_is_found(home: Path) -> None:
    program = (
        "from vaporbrush_protocol import version; version.__version__ = '0.0.9';"
        "from vaporbrush_daemon.front import serve; serve.main()"
    )
    daemon = Daemon(home)
    daemon.process = daemon.launch(sys.executable, "-c", program)
    daemon.process.stderr.readline()
    try:
        old = found("Daemon")
        assert old.state == "failed"
        assert "0.0.9" in old.text
        assert "vaporbrush stop" in old.cure
    finally:
        daemon.process.terminate()
        daemon.process.communicate(timeout=60)


def test_missing_weights_that_somebody_named_are_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAPORBRUSH_WEIGHTS", "/nowhere/vgg.pth")
    bad = found("Model vgg19")
    assert bad.state == "failed"
    assert "/nowhere/vgg.pth" in bad.cure
    monkeypatch.delenv("VAPORBRUSH_WEIGHTS")
    assert found("Model vgg19").state == "note"
    assert "weights fetch" in found("Model vgg19").cure


def test_a_damaged_configuration_is_found(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("colour = 'pink'")
    bad = found("Settings")
    assert bad.state == "failed"
    assert "colour" in bad.text
    assert "config.toml" in bad.cure


def test_plug_ins_are_found_old_damaged_and_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "GIMP3_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    own = Path(os.environ["HOME"])
    krita, gimp = own / ".local" / "share" / "krita", own / ".config" / "GIMP" / "3.0"
    krita.mkdir(parents=True)
    gimp.mkdir(parents=True)
    assert found("Krita").cure == "vaporbrush install krita"
    assert found("GIMP").cure == "vaporbrush install gimp"
    for host, target in (("Krita", krita / "pykrita"), ("GIMP", gimp / "plug-ins" / "vaporbrush")):
        target.mkdir(parents=True)
        manifest = target / vendor.MANIFEST
        manifest.write_text(json.dumps({"version": "0.0.1", "files": {}}))
        assert "0.0.1" in found(host).text
        assert found(host).state == "failed"
        manifest.write_text(json.dumps({"version": "0.0.1", "files": {"a.py": "0" * 64}}))
        assert "1 are gone" in found(host).text
        manifest.write_text("{")
        assert "damaged" in found(host).text
        subprocess.run(
            [sys.executable, "-m", "vaporbrush_daemon", *found(host).cure.split()[1:]], check=True, timeout=60
        )
        assert found(host).state == "fine"


def test_a_painter_that_a_plug_in_installs_is_known_before_in_the_middle_and_afterwards(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Path(os.environ["HOME"]) / ".local/share/krita/pykrita/vaporbrush/painter/kit.json"
    kit.parent.mkdir(parents=True)
    kit.write_text('{"version": "0.3.0"}')
    home.mkdir(mode=0o700)
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setenv("XDG_DATA_HOME", f"{os.environ['HOME']}/.local/share")
    assert found("Krita").text.endswith("it has installed no painter, and this one never ran")
    assert "vaporbrush serve" in found("Krita").cure
    Connection(("ipc:///nowhere",), "token", start=(sys.executable, "-m", "vaporbrush_daemon")).write(home)
    assert found("Krita").text == "plug-in from the zip, 0.3.0; it has installed no painter and uses this one"

    begun = home / "installing.json"
    begun.write_text('{"step": "packages", "done": 120000000, "total": 257000000}')
    assert found("Krita").text.endswith("the painter is not whole yet: packages, 120 MB of 257 MB")
    begun.write_text('{"step": "stopped", "done": 0, "total": 0}')
    assert found("Krita").text.endswith("the painter is not whole yet: stopped")
    begun.write_text("[")
    assert "uses this one" in found("Krita").text
    begun.unlink()

    python = painter_of_a_plug_in(home, "0.3.0")
    assert found("Krita").state == "fine"
    assert "painter installed at" in found("Krita").text
    assert found("Krita").text.endswith("(0.3.0, cpu)")
    begun.write_text('{"step": "environment", "done": 0, "total": 0}')
    assert found("Krita").state == "note"
    assert found("Krita").text.endswith("(0.3.0, cpu); an install is not finished: environment")
    begun.unlink()
    python.unlink()
    assert found("Krita").state == "failed"
    assert found("Krita").cure == "Press Repair in Krita."


def painter_of_a_plug_in(home: Path, version: str) -> Path:
    """As a plug-in has installed it. Returns its Python."""
    environment = home / "painter" / "environments" / "one"
    (environment / "lib/python3.13/site-packages/vaporbrush_daemon").mkdir(parents=True)
    (environment / "bin").mkdir()
    python = environment / "bin" / "python"
    python.write_bytes(b"")
    Installation(home / "painter", environment, python, version, "cpu").write(home)
    return python


def test_a_plug_in_from_the_zip_that_uses_a_painter_of_uvs_says_which(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(os.environ["HOME"])
    kit = own / ".config/GIMP/3.0/plug-ins/vaporbrush/painter/kit.json"
    kit.parent.mkdir(parents=True)
    kit.write_text('{"version": "0.3.0"}')
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "GIMP3_DIRECTORY", "UV_TOOL_DIR"):
        monkeypatch.delenv(name, raising=False)
    tool = own / ".local/share/uv/tools/vaporbrush"
    (tool / "lib/python3.13/site-packages/vaporbrush_daemon").mkdir(parents=True)
    (tool / "bin").mkdir()
    (tool / "bin" / "python").write_bytes(b"")
    where = "~/.local/share/uv/tools/vaporbrush/bin/python"
    assert found("GIMP").text == f"plug-in from the zip, 0.3.0; it has installed no painter and uses the one of {where}"


@pytest.mark.parametrize("host", ["Krita", "GIMP"])
def test_a_plug_in_that_the_command_line_copied_says_which_painter_it_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "GIMP3_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    own = Path(os.environ["HOME"])
    (own / ".local/share/krita").mkdir(parents=True)
    (own / ".config/GIMP/3.0").mkdir(parents=True)
    home.mkdir(mode=0o700)
    python = painter_of_a_plug_in(home, __version__)
    command = [sys.executable, "-m", "vaporbrush_daemon", "install", host.lower()]

    said = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
    assert f"It starts the painter that a plug-in installed at {home}/painter ({__version__}, cpu)" in said
    assert found(host).text.startswith(f"has the plug-in, {__version__}, painter installed at ")
    python.unlink()
    assert (found(host).state, found(host).cure) == ("failed", f"vaporbrush install {host.lower()}")
    assert "is damaged" in found(host).text
    (home / "painter.json").unlink()
    assert "was removed" in found(host).text

    subprocess.run([*command], check=True, timeout=60)
    assert found(host).text == f"has the plug-in, {__version__}"
    monkeypatch.setattr(sys, "executable", "/opt/other/bin/python")
    assert "starts the painter of " in found(host).text


def test_the_command_line_keeps_to_its_own_painter_where_that_is_asked_for_or_the_other_is_old(home: Path) -> None:
    for version, asked in ((__version__, ["--own"]), ("0.0.1", [])):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        painter_of_a_plug_in(home, version)
        (Path(os.environ["HOME"]) / ".local/share/krita").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "vaporbrush_daemon", "install", "krita", *asked]
        said = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
        assert "It starts the painter of this command" in said
        assert found("Krita").text == f"has the plug-in, {__version__}"


def test_a_plug_in_in_a_flatpak_that_cannot_reach_the_daemon_is_found(home: Path) -> None:
    target = Path(os.environ["HOME"]) / ".var" / "app" / "org.kde.krita" / "data" / "krita" / "pykrita"
    target.mkdir(parents=True)
    assert findings("Flatpak") == [], "nothing is installed there"
    target.joinpath(vendor.MANIFEST).write_text(json.dumps({"version": "0.0.1", "files": {}}))
    assert "listen_tcp" in found("Flatpak").cure
    home.mkdir()
    (home / "config.toml").write_text("listen_tcp = true")
    assert found("Flatpak").state == "fine"


def test_a_cure_is_a_command_that_works_without_the_name_of_the_persons_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann lee")
    command = pip_install("torch", python="/home/ann lee/env/bin/python", system="linux")
    assert finding.discreet_command(command, "linux") == command.replace("'/home/ann lee/", "~/'")
    assert finding.discreet_command("Do it: /home/ann lee/x -m pip", "linux") == "Do it: ~/x -m pip"
    command = pip_install("torch<2.15", python="/home/ann lee/python.exe", system="win32")
    assert (
        finding.discreet_command(command, "win32")
        .replace('"%USERPROFILE%/python.exe"', "PYTHON")
        .endswith('PYTHON -m pip install "torch<2.15"')
    )


def test_a_gpu_that_this_torch_cannot_use_comes_with_the_command_that_gets_the_right_build() -> None:
    old = torch_builds.Gpu("NVIDIA", "NVIDIA GeForce GTX 1080", (6, 1), 580)
    finding = doctor.gpu_finding(torch_builds.Machine("Linux", (3, 12), (old,)))
    assert (finding.state, finding.text) == ("failed", "NVIDIA GeForce GTX 1080: this torch cannot use it")
    assert "/whl/cu126" in finding.cure
    assert doctor.gpu_finding(torch_builds.Machine("Linux", (3, 12))).state == "note"
    stale = replace(old, driver=470)
    assert "update the driver" in doctor.gpu_finding(torch_builds.Machine("Linux", (3, 12), (stale,))).text
