"""GIMP on a screen of its own, with a daemon: what most tests of the dialog begin with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from hosts.gimp import Gimp
from hosts.gimp_screen import HEIGHT, WIDTH, Screen
from hosts.host import Desktop
from hosts.root import Root
from support.daemon import Daemon
from vaporbrush_daemon import packaged


@contextmanager
def gimp_on_screen(
    root: Root,
    looks: Path,
    prefix: str = "gimp",
    *,
    extra: Mapping[str, str] | None = None,
    real: bool = True,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> Iterator[Screen]:
    """A daemon (whose painter is `real`, or fake unless its `settings` name another), a desktop and GIMP with two
    pictures; all is gone afterwards.
    """
    folder = Path(tempfile.mkdtemp(prefix="vp-gimp-"))  # short, because a unix socket lies in it
    scene = Image.open(next((packaged.art() / "demo").glob("content.*"))).convert("RGB").resize((WIDTH, HEIGHT))
    scene.save(folder / "scene.png")
    style = Image.open(packaged.art() / "styles" / "watercolour.jpg").convert("RGB")
    style.resize((160, 120)).save(folder / "style.png")
    daemon = Daemon(folder / "home", **(settings or {}))
    if real:
        (folder / "home" / "config.toml").write_text('devices = ["cpu"]\n')
    daemon.start()
    try:
        with Desktop(root, folder, **more) as desktop:
            screen = Screen(Gimp(desktop, daemon.home), daemon, looks, prefix, extra)
            yield screen
            screen.process.kill()
            screen.process.wait()
    finally:
        daemon.stop()
        shutil.rmtree(folder)
