"""A kit whose painter is small: real uv, real environments, real hashes, but wheels of a few kilobytes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from support.daemon import Daemon
from support.package_index import PackageIndex, sha256, write_wheel
from vaporbrush_daemon.cli import doctor
from vaporbrush_daemon.cli.doctor import Finding
from vaporbrush_host.installer import kit as kits
from vaporbrush_host.installer import places, plan
from vaporbrush_host.installer.places import Want
from vaporbrush_host.installer.work import Install, Report
from vaporbrush_protocol.installation import Installation, installed
from vaporbrush_protocol.launcher import clean_environment

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

MAIN = """
import json, os, sys, pathlib
if "doctor" in sys.argv:
    import torch_build
    names = ["Python", "Vaporbrush", "libzmq", "msgpack", "PyTorch", "Model vgg19-lite", f"Device {torch_build.DEVICE}"]
    state = "failed" if os.environ.get("SMALL_PAINTER_ILL") else "fine"
    print("a warning that something printed")
    print(json.dumps({"ok": True, "checks": [{"name": n, "state": state, "text": n, "cure": ""} for n in names]}))
"""


def uv_wheel(folder: Path) -> Path:
    """uv's wheel, as this machine's own uv makes it."""
    import uv

    name = "uv.exe" if os.name == "nt" else "uv"
    program = Path(uv.find_uv_bin()).read_bytes()
    return write_wheel(folder, "uv", "0.13.9", {f"uv-0.13.9.data/scripts/{name}": program}, "py3-none-any")


@dataclass
class SmallPainter:
    """Wheels in `wheels`, a plug-in folder with its kit in `plugin`, and a home."""

    base: Path
    uv: Path
    version: str = "1.0.0"
    payload: bytes = b"x" * 400_000
    system: str = field(default_factory=kits.this_system)
    longest_name: int = 0  # as the locks for Windows say one
    wheels: Path = field(init=False)
    plugin: Path = field(init=False)
    home: Path = field(init=False)

    def __post_init__(self):
        self.wheels, self.home = self.base / "wheels", self.base / "home" / ".local" / "share" / "vaporbrush"
        self.wheels.mkdir(exist_ok=True)
        if not (self.wheels / self.uv.name).exists():
            os.link(self.uv, self.wheels / self.uv.name)
        self.plugin = self.release(self.version)

    def release(self, version: str) -> Path:
        """The plug-in folder of one version."""
        plugin = self.base / f"plugin-{version}"
        folder = plugin / "painter"
        (folder / "locks").mkdir(parents=True)
        ours = write_wheel(folder, "vaporbrush", version, {
            "vaporbrush_daemon/__init__.py": b"", "vaporbrush_daemon/__main__.py": MAIN.encode(),
        })  # fmt: skip
        shared = write_wheel(self.wheels, "brushes", "2.0", {"brushes/__init__.py": b"", "brushes/data": self.payload})
        for backend in ("cpu", "cuda"):
            code = f'DEVICE = "{backend}:0"\n'.encode()
            torch = write_wheel(self.wheels, f"torch-build-{backend}", "3.0", {"torch_build.py": code})
            files = [self._file("brushes", "2.0", shared), self._file(f"torch-build-{backend}", "3.0", torch)]
            lock = {"system": self.system, "backend": backend, "pythons": [PYTHON], "files": files}
            lock |= {"longest_name": self.longest_name}
            (folder / "locks" / f"{self.system}-{backend}.json").write_text(json.dumps(lock))
        kit = {
            "version": version,
            "wheel": self._file("vaporbrush", version, ours),
            "uv": {self.system: self._file("uv", "0.13.9", self.wheels / self.uv.name)},
        }
        (folder / "kit.json").write_text(json.dumps(kit))
        return plugin

    @staticmethod
    def _file(project: str, version: str, path: Path) -> dict[str, object]:
        about = {"project": project, "version": version, "name": path.name, "sha256": sha256(path)}
        return {**about, "size": path.stat().st_size, "pythons": [PYTHON], "url": f"http://127.0.0.1:9/{path.name}"}

    def kit(self, plugin: Path | None = None) -> kits.Kit:
        """The kit of a plug-in folder."""
        found = kits.read(plugin or self.plugin)
        assert found is not None
        return found

    def install(self, index: str, *, backend: str = "cpu", plugin: Path | None = None, **more):
        """Install in this process, to its end. Returns the last report and all of them."""
        reports: list[Report] = []
        want = {name: more.pop(name) for name in ("root", "proxy", "bundle") if name in more}
        want = {"root": self.home / "painter", **want}
        kit = self.kit(plugin)
        install = Install(
            kit,
            Want(version=kit.version, backend=backend, index=index, **want),
            self.system,
            self.home,
            lambda report: reports.append(report) or self._step_told(reports),
            by="a test",
            **more,
        )
        state(self, plugin)
        install.run()
        state(self, plugin)
        return reports[-1], reports

    def _step_told(self, reports: list[Report]) -> None:
        """At each step's beginning, doctor knows of it."""
        last = reports[-1]
        if last.stage == "running" and last.line.endswith("…") and last.line == f"{plan.STEPS[last.step]}…":
            check_middle(said(self.doctor()), last.step, there(self.home))

    def doctor(self) -> Finding:
        """What doctor says of a Krita with the plug-in from this zip."""
        own = self.base / "home"
        kit = own / ".local/share/krita/pykrita/vaporbrush/painter/kit.json"
        if not kit.exists():
            kit.parent.mkdir(parents=True)
            kit.write_bytes((self.plugin / "painter" / "kit.json").read_bytes())
        return asked_doctor(own, self.home)

    def child(
        self,
        index: str,
        *,
        backend: str = "cpu",
        plugin: Path | None = None,
        prefix: tuple[str, ...] = (),
        fill_at: str = "",
        root: Path | None = None,
    ):
        """Install in a process of its own, that prints its reports line by line; several backends ("cpu,cuda") one
        after the other. At the last one's step `fill_at` the home's disk becomes full; when that has ended, there is
        room again, and it is done once more. Doctor is asked before, at each step and at the end, on that disk.
        """
        self.doctor()  # so that the plug-in is there
        root = root or self.home / "painter"
        arguments = [
            str(plugin or self.plugin),
            str(self.home),
            index,
            backend,
            str(root),
            fill_at,
            self.system,
            str(self.base / "home"),
        ]
        path = os.pathsep.join(str(ROOT / one) for one in ("tests", "protocol", "daemon", "plugins/common"))
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "support.small_painter", *arguments],
            stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip


# What doctor says in each state: how the line stands, and what is in it.
DOCTOR_SAYS = {
    "absent": ("note", "it has installed no painter"),
    "unfinished": ("note", "the painter is not whole yet: "),
    "ready": ("fine", "painter installed at "),
    "outdated": ("fine", "painter installed at "),
    "damaged": ("failed", "is damaged"),
    "elsewhere": ("note", "it has installed no painter and uses "),
    "impossible": ("note", "it has installed no painter"),
}


def said(finding: Finding) -> str:
    """A finding as one text."""
    return f"{finding.state}: {finding.text}"


def check_middle(said: str, step: str, there: str = "") -> None:
    """Fail unless doctor said that an install is at this step, and which painter works meanwhile ("1.0.0, cpu")."""
    words = f"({there}); an install is not finished: {step}" if there else f"; the painter is not whole yet: {step}"
    assert said.startswith("note: plug-in from the zip, "), said
    assert words in said, said


def there(home: Path) -> str:
    """The painter that works, as doctor calls it."""
    found = installed(home)
    return f"{found.version}, {found.backend}" if found is not None and found.whole else ""


def asked_doctor(own: Path, home: Path) -> Finding:
    """What doctor says of the one Krita of this person's."""
    names = {"HOME": str(own), "VAPORBRUSH_HOME": str(home), "PATH": os.defpath}
    with patch.dict(os.environ, names):
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "UV_TOOL_DIR", "PIPX_HOME"):
            os.environ.pop(name, None)
        (finding,) = doctor.CHECKS["Krita"]()
    return finding


def state(painter: SmallPainter, plugin: Path | None = None) -> str:
    """What the installer makes of what is on the disk; doctor says the same."""
    found = plan.state_of(places.look(painter.home, painter.kit(plugin), painter.system))
    finding, (stands, words) = painter.doctor(), DOCTOR_SAYS[found]
    if found == "unfinished" and there(painter.home):
        words = f"({there(painter.home)}); an install is not finished: "
    assert finding.state == stands, (found, finding)
    assert words in finding.text, (found, finding)
    return found


def simple(index: PackageIndex) -> str:
    """The address of the index."""
    return f"{index.url}/simple"


def ready(painter: SmallPainter, backend: str = "cpu") -> Installation:
    """The painter in force works, and nothing else lies around."""
    found = installed(painter.home)
    assert found is not None
    assert found.whole
    assert found.backend == backend
    out = subprocess.run(
        [found.python, "-m", "vaporbrush_daemon", "doctor"],
        capture_output=True, text=True, check=True, env=clean_environment(os.environ),
    )  # fmt: skip
    assert f"{backend}:0" in out.stdout
    assert [one.name for one in places.environments(found.root).iterdir()] == [found.environment.name]
    assert not (found.root / "downloads").exists()
    assert places.journal(painter.home) is None
    assert state(painter) == "ready"
    return found


def main() -> None:
    """What `child` runs."""
    plugin, home, index, backend, root, fill_at, system, own = sys.argv[1:9]
    kit = kits.read(Path(plugin))
    *before, backend = backend.split(",")
    filler = Path(home) / "filler"

    def told(stage, **more):
        line = {"stage": stage, "step": "", "line": "", "doctor": said(asked_doctor(Path(own), Path(home)))}
        print(json.dumps({**line, **more}), flush=True)

    def tell(report):
        if report.step == fill_at and not filler.exists():
            fill(filler)
        code = report.error.code if report.error else ""
        told(report.stage, step=report.step, line=report.line, code=code)

    def install(backend, tell):
        want = Want(version=kit.version, backend=backend, root=Path(root), index=index)
        Install(kit, want, system, Path(home), tell, by="a child", free=lambda _path: 10**12).run()

    for one in before:
        install(one, lambda _report: None)
    told("before")
    install(backend, tell)
    if fill_at:
        filler.unlink()
        fill_at = ""
        found = installed(Path(home))
        works = found.backend if found is not None and found.whole else ""
        told("room again", works=works)
        install(backend, tell)


@contextlib.contextmanager
def installed_and_served(painter: SmallPainter, index: PackageIndex) -> Iterator[Daemon]:
    """The painter is installed, and a daemon runs that says it is of that environment."""
    painter.install(simple(index))
    daemon = Daemon(painter.home).start()
    path, start = painter.home / "connection.json", installed(painter.home).start
    path.write_text(json.dumps({**json.loads(path.read_text()), "start": list(start)}))
    try:
        yield daemon
    finally:
        daemon.stop()


def fill(path):
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):  # no room for a piece of this size
                while file.write(bytes(size)) == size:
                    pass


if __name__ == "__main__":
    main()
