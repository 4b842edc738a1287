"""One run of gimp-console with many calls of the plug-in, and what the command line gives for the same pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from hosts.gimp import Gimp, floats, value_of
from hosts.host import Desktop
from hosts.root import Root
from support.daemon import Daemon, environment, until
from support.router import Router
from vaporbrush_daemon import packaged
from vaporbrush_protocol import RemoteError

WIDTH, HEIGHT = 64, 48
QUICK = ("--size", "64", "--steps", "3", "--quality", "draft")
RUN_S = 1200  # the whole console run; it takes two minutes where the machine is free


def pictures(folder: Path) -> None:
    """Small real pictures: a piece of the demo scene, one with a soft edge, and a bundled style."""
    scene = Image.open(next((packaged.art() / "demo").glob("content.*"))).convert("RGB").resize((WIDTH, HEIGHT))
    scene.save(folder / "content.png")
    faded = np.dstack([np.asarray(scene), np.tile(np.linspace(0, 255, WIDTH).astype("u1"), (HEIGHT, 1))])
    Image.fromarray(faded, "RGBA").save(folder / "alpha.png")
    for name, style in (("style", "watercolour"), ("other", "woodcut")):
        Image.open(packaged.art() / "styles" / f"{style}.jpg").convert("RGB").resize((80, 60)).save(
            folder / f"{name}.png"
        )
    (folder / "notes.txt").write_text("This is no picture.\n")


# Colours put into a grey buffer and read back as the tests read every layer, inside the root.
GREY = """
import gi
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl
Gegl.init(None)
area = Gegl.Rectangle.new(0, 0, {w}, {h})
buffer = Gegl.Buffer.new({layer!r}, 0, 0, {w}, {h})
buffer.set(area, {colours!r}, open({given!r}, "rb").read())
open({got!r}, "wb").write(buffer.get(area, 1.0, "Y'A float", Gegl.AbyssPolicy.NONE))
"""


@dataclass
class Session:
    """What the one run told, and what the command line gives for the same pictures."""

    folder: Path
    told: dict[str, Any]
    gimp: Gimp
    daemon: Daemon
    content: NDArray[np.float32]  # (48, 64, 4), what was painted
    cli: NDArray[np.float32]  # the same, what came out

    def __getitem__(self, name: str) -> Any:
        return value_of(self.told, name)

    def pixels(self, name: str, width: int = WIDTH, height: int = HEIGHT, channels: int = 4) -> NDArray[np.float32]:
        return floats(self.folder / f"{name}.raw", width, height, channels)

    def by_cli(self, content: str, *words: str) -> NDArray[np.float32]:
        """What the command line paints of a file of the folder, as floats."""
        out = self.folder / f"cli-{Path(content).stem}{Path(content).suffix}"
        return stylized(self.daemon, self.folder / content, out, *(words or ("style.png",)), *QUICK)

    def by_cli_from(self, name: str, depth: str = "f32") -> NDArray[np.float32]:
        """What the command line paints of the very pixels that the plug-in was given."""
        kind = {"u8": "u1", "u16": "<u2", "f32": "<f4"}[depth]
        pixels = np.fromfile(self.folder / f"given-{name}.raw", kind).reshape(HEIGHT, WIDTH, 4)
        if depth == "u8":
            Image.fromarray(pixels).save(self.folder / f"{name}.png")
            return self.by_cli(f"{name}.png")
        tifffile.imwrite(self.folder / f"{name}.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
        return self.by_cli(f"{name}.tif")

    def grey(self, pixels: NDArray[np.float32], depth: str) -> NDArray[np.float32]:
        """(h, w) what a grey layer holds of colours (h, w, 4): eight bits, or linear floats; by GEGL itself."""
        if depth == "u8":
            values, colours, layer = (pixels * 255).round().astype("u1"), "R'G'B'A u8", "Y'A u8"
        else:
            values, colours, layer = pixels.astype("<f4"), "R'G'B'A float", "YA float"
        given, got = self.folder / "colours.raw", self.folder / "grey.raw"
        given.write_bytes(values.tobytes())
        code = GREY.format(given=str(given), got=str(got), w=WIDTH, h=HEIGHT, layer=layer, colours=colours)
        self.gimp.desktop.run(["python3", "-P", "-c", code])
        return np.fromfile(got, "<f4").reshape(HEIGHT, WIDTH, 2)[..., 0]


def stylized(daemon: Daemon, content: Path, out: Path, *words: str) -> NDArray[np.float32]:
    """What the command line paints: (h, w, 4) floats."""
    done = subprocess.run(
        [sys.executable, "-m", "vaporbrush_daemon", "stylize", str(content), *words, "-o", str(out)],
        env=environment(daemon.home), cwd=content.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    if out.suffix == ".tif":
        pixels = tifffile.imread(out)
        return (pixels / np.float32(65535 if pixels.dtype == np.uint16 else 1)).astype(np.float32)
    return np.asarray(Image.open(out).convert("RGBA"), np.float32) / 255


@contextmanager
def played(root: Root) -> Iterator[Session]:
    """The run. It needs the test's hand where a process is to be killed."""
    with tempfile.TemporaryDirectory(prefix="vp-gimp-") as name:  # short, because a unix socket lies in it
        folder = Path(name)
        pictures(folder)
        (folder / "router").mkdir()
        daemon = Daemon(folder / "home")
        (daemon.home / "config.toml").write_text('devices = ["cpu"]\n')  # the real worker, the model of the package
        daemon.start()
        try:
            with Desktop(root, folder) as desktop, Router(folder / "router") as router:
                yield _play(folder, desktop, router, daemon)
        finally:
            daemon.stop()


def _play(folder: Path, desktop: Desktop, router: Router, daemon: Daemon) -> Session:
    router.answers["hello"] = RemoteError("unsupported_version", "This daemon speaks version 2; you speak 1.")
    replaced = json.loads(router.connection.write(folder / "router").read_text())
    (folder / "other-version.json").write_text(json.dumps(replaced))
    gimp = Gimp(desktop, daemon.home)
    process = gimp.drive("gimp-console", "console.py", "-i", "-d", "--quit")
    cli = stylized(daemon, folder / "content.png", folder / "cli.png", "style.png", *QUICK)
    until(lambda: "kill the worker" in gimp.told() or process.poll() is not None, "the worker's turn", RUN_S)
    _when_painting(gimp, daemon, "worker_killed", lambda: _kill_worker(daemon))
    until(lambda: "kill the daemon" in gimp.told() or process.poll() is not None, "the daemon's turn", RUN_S)
    _when_painting(gimp, daemon, "daemon gone", daemon.kill)
    until(lambda: "daemon gone" in gimp.told() or process.poll() is not None, "the refusal", RUN_S)
    daemon.start()
    (folder / "daemon-again").touch()
    process.wait(RUN_S)
    content = np.asarray(Image.open(folder / "content.png").convert("RGBA"), np.float32) / 255
    return Session(folder, gimp.told(), gimp, daemon, content, cli)


def _when_painting(gimp: Gimp, daemon: Daemon, end: str, act: Callable[[], object]) -> None:
    """Do it while the job that was announced paints, unless GIMP has told its end first (a test then finds out why)."""

    def painting() -> bool:
        with daemon.client() as client:
            running = [job.job for job in client.jobs() if job.state == "running"]
            return any((progress := client.watch(job).progress) is not None and progress.step > 0 for job in running)

    if (
        until(lambda: "ended" if end in gimp.told() else "paints" if painting() else "", "a job paints", 120)
        == "paints"
    ):
        act()


def _kill_worker(daemon: Daemon) -> None:
    os.kill(daemon.worker_pid(), signal.SIGKILL)


def close(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The largest difference, in 1/255."""
    return float(np.abs(a - b).max() * 255)


def alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The mean difference, in 1/255. The painter amplifies what a rounding of its input changes, so that two paintings
    of the same picture in two precisions differ here and there; colours that are off would differ everywhere.
    """
    return float(np.abs(a - b).mean() * 255)
