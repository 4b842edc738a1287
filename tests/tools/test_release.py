"""What people install: everything that `make dist` makes, away from the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from conftest import skip
from hosts.root import find_root
from vaporbrush_daemon import packaged
from vaporbrush_daemon.install import host_programs, vendor
from vaporbrush_daemon.install import krita as install_krita

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 280


def run(*command: str | Path, **options) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), check=False, capture_output=True, text=True, timeout=WAIT_S, env=environment, **options
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel, the sdist and the zips, which the script that builds them has checked."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    run(sys.executable, ROOT / "daemon" / "tools" / "release.py", folder)
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel; what it depends on is borrowed from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = next(dist.glob("*.whl"))
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    # A path in a .pth file is added as it is: this environment's own .pth files, which name the checkout, are not read.
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def test_kritas_own_importer_takes_the_plug_ins_zip(dist: Path, tmp_path: Path) -> None:
    """*Tools ▸ Scripts ▸ Import Python Plugin from File* is this script; what it leaves is what an install leaves."""
    found = find_root()
    if found is None:
        skip("There is no Krita here: run `make hosts`.")
    importer = found.path / "usr" / "share" / "krita" / "pykrita" / "plugin_importer" / "plugin_importer.py"
    assert "Imported plugin: Vaporbrush" in run(sys.executable, importer, next(dist.glob("*krita*.zip")), tmp_path)
    wanted = set(vendor.contents(packaged.plugins() / "krita", install_krita.LIBRARIES)) - {install_krita.ACTION}
    pykrita = tmp_path / "pykrita"
    left = {str(path.relative_to(pykrita)) for path in pykrita.rglob("*") if path.is_file()}
    kit = {name for name in left if name.startswith("vaporbrush/painter/")}  # with which it installs the painter
    assert {"vaporbrush/painter/kit.json", "vaporbrush/painter/locks/windows-x86_64-cpu.json"} < kit
    assert left - kit == wanted
    assert (tmp_path / "actions" / install_krita.ACTION).is_file()
    host_programs.check(pykrita / install_krita.LIBRARIES)


def test_everything_works_from_the_wheel(
    installed: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, python = installed / "vaporbrush", installed / "python"
    where = run(python, "-c", "import vaporbrush_daemon as d, vaporbrush_protocol as p; print(d.__file__, p.__file__)")
    assert str(ROOT) not in where

    told = json.loads(run(program, "doctor", "--json", cwd=tmp_path))
    assert told["ok"], told
    assert "@vaporwave" in run(program, "styles", cwd=tmp_path)
    assert "The picture: " in run(program, "demo", "--size", "64", cwd=tmp_path)
    assert (tmp_path / "vaporbrush-demo.png").stat().st_size > 1000

    own = Path(os.environ["HOME"])
    (own / ".local" / "share" / "krita").mkdir(parents=True)
    (own / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "GIMP3_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    run(program, "install", "krita", cwd=tmp_path)
    run(program, "install", "gimp", cwd=tmp_path)
    assert (own / ".local/share/krita/pykrita/vaporbrush.desktop").is_file()
    assert os.access(own / ".config/GIMP/3.0/plug-ins/vaporbrush/vaporbrush.py", os.X_OK)
    run(program, "uninstall", "krita", cwd=tmp_path)
    run(program, "uninstall", "gimp", cwd=tmp_path)
    assert not list((own / ".local/share/krita").rglob("*.py"))
    assert not list((own / ".config/GIMP").rglob("*.py"))

    unit = run(
        python, "-c", "from vaporbrush_daemon.install import service as s; print(s.unit(s.SERVE, {}, on_demand=False))"
    )
    assert f'ExecStart="{python}" "-P" "-m" "vaporbrush_daemon" "serve" "--foreground"' in unit


def test_the_same_checkout_gives_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    again = tmp_path / "dist"
    run(sys.executable, ROOT / "daemon" / "tools" / "release.py", again)
    assert (again / "SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()


def test_every_file_is_summed_and_the_bill_of_materials_names_what_the_wheel_needs(dist: Path) -> None:
    sums = dict(reversed(line.split("  ")) for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
    bill = json.loads(next(dist.glob("*.cdx.json")).read_text())
    named = {part["name"]: part for part in bill["components"]}
    assert {"torch", "pyzmq", "msgpack", "pillow"} <= set(named)
    assert "pytest" not in named
    assert any(one["hashes"] for one in named["pyzmq"]["externalReferences"])
