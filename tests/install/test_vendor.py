"""A vendored plug-in works in a bare Python, and uninstalling takes away exactly what was brought."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from vaporbrush_daemon import packaged
from vaporbrush_daemon.install import vendor
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.version import __version__


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "plugin"
    (folder / "vaporbrush").mkdir(parents=True)
    (folder / "vaporbrush.desktop").write_text("[Desktop Entry]\n")
    (folder / "vaporbrush" / "__init__.py").write_text("NAME = 'plug-in'\n")
    (folder / "vaporbrush" / "__pycache__").mkdir()
    (folder / "vaporbrush" / "__pycache__" / "x.pyc").write_bytes(b"stale")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "host" / "pykrita"


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def in_bare_python(target: Path, program: str) -> str:
    """Run by an interpreter without site-packages, PYTHON* variables and user site, as a host's may be."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {program}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_vendored_protocol_works_in_a_bare_python(plugin: Path, target: Path) -> None:
    vendor.install(plugin, target)
    out = in_bare_python(
        target / "vaporbrush",
        "import vaporbrush_protocol as p; from vaporbrush_protocol import codec;"
        "from vaporbrush_protocol._vendor import msgpack;"
        "header, _ = codec.decode(codec.encode({'id': 1, 'request': 'ping'}));"
        "foreign = sorted(set(sys.modules) & {'numpy', 'zmq', 'torch'});"
        "print(header['request'], msgpack.Packer.__module__, p.__file__, foreign)",
    )
    assert "ping" in out
    assert "_vendor.msgpack.fallback" in out
    assert str(target / "vaporbrush" / "vaporbrush_protocol") in out
    assert "[]" in out


def test_every_shared_module_imports_in_a_bare_python(plugin: Path, target: Path) -> None:
    vendor.install(plugin, target)
    names = [path.stem for path in (target / "vaporbrush" / "vaporbrush_host").glob("*.py") if path.stem != "__init__"]
    assert names
    imports = ", ".join(f"vaporbrush_host.{name}" for name in names)
    assert in_bare_python(target / "vaporbrush", f"import {imports}; print('fine')").strip() == "fine"


def test_msgpack_comes_with_its_licence_and_without_its_extension(plugin: Path, target: Path) -> None:
    vendor.install(plugin, target)
    names = {path.name for path in (target / "vaporbrush/vaporbrush_protocol/_vendor/msgpack").iterdir()}
    assert {"__init__.py", "fallback.py", "COPYING"} <= names
    assert not {name for name in names if name.endswith((".so", ".pyd"))}


def test_the_manifest_lists_every_file_and_nothing_stale_is_copied(plugin: Path, target: Path) -> None:
    installed = vendor.install(plugin, target)
    assert installed.version == __version__
    assert everything(target) == {*installed.files, vendor.MANIFEST}
    assert not any("__pycache__" in name for name in installed.files)
    assert vendor.read(target) == installed


def test_uninstalling_leaves_what_was_there_before(plugin: Path, target: Path) -> None:
    (target / "other").mkdir(parents=True)
    (target / "other.desktop").write_text("someone else's")
    (target / "other" / "__init__.py").write_text("")
    before = everything(target)
    vendor.install(plugin, target)
    in_bare_python(target / "vaporbrush", "sys.dont_write_bytecode = False; import vaporbrush_protocol")
    assert vendor.uninstall(target) == []
    assert everything(target) == before
    assert not (target / "vaporbrush").exists()
    assert vendor.uninstall(target) == []


def test_files_that_the_person_made_or_changed_stay(plugin: Path, target: Path) -> None:
    vendor.install(plugin, target)
    mine, changed = target / "vaporbrush" / "notes.txt", target / "vaporbrush" / "__init__.py"
    mine.write_text("mine")
    changed.write_text("NAME = 'patched'\n")
    assert vendor.uninstall(target) == [changed]
    assert everything(target) == {"vaporbrush/notes.txt", "vaporbrush/__init__.py"}


def test_installing_again_brings_the_new_files_and_removes_the_old(plugin: Path, target: Path) -> None:
    (plugin / "vaporbrush" / "gone.py").write_text("old = 1\n")
    vendor.install(plugin, target)
    (plugin / "vaporbrush" / "gone.py").unlink()
    (plugin / "vaporbrush" / "new.py").write_text("new = 1\n")
    installed = vendor.install(plugin, target)
    assert not (target / "vaporbrush" / "gone.py").exists()
    assert everything(target) == {*installed.files, vendor.MANIFEST}


def test_an_upgrade_that_broke_off_can_still_be_removed(plugin: Path, target: Path) -> None:
    (plugin / "vaporbrush" / "old.py").write_text("old = 1\n")
    vendor.install(plugin, target)
    (plugin / "vaporbrush" / "old.py").unlink()
    (target / "vaporbrush" / "z.py").mkdir()  # in the way of a file of the new version
    (plugin / "vaporbrush" / "z.py").write_text("z = 1\n")
    with pytest.raises(VaporbrushError, match="cannot be changed"):
        vendor.install(plugin, target)
    (target / "vaporbrush" / "z.py").rmdir()
    vendor.uninstall(target)
    assert everything(target) == set()


def test_a_manifest_cannot_reach_outside_of_its_folder(plugin: Path, target: Path) -> None:
    vendor.install(plugin, target)
    for name in ("../precious", "/etc/precious", "a/../../precious"):
        (target / vendor.MANIFEST).write_text(json.dumps({"version": "1", "files": {name: "0" * 64}}))
        with pytest.raises(VaporbrushError, match="damaged"):
            vendor.uninstall(target)


def test_the_real_plug_ins_are_complete() -> None:
    for host in ("krita", "gimp"):
        folder = packaged.plugins() / host
        if any(folder.glob("**/*.py")):
            files = vendor.contents(folder, PurePosixPath("vaporbrush"))
            assert f"vaporbrush/{'__init__' if host == 'krita' else 'vaporbrush'}.py" in files
            assert "vaporbrush/vaporbrush_protocol/client.py" in files
            assert "vaporbrush/vaporbrush_host/ui_text.py" in files
