"""Where the painter is that a plug-in installed: one small file beside the connection file, read by everybody.

The environment that it names is the one in force. Replacing this file whole is how an update, or a build for another
device, takes an old one's place: until then the old one works, and nothing is ever half replaced.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from . import atomic
from .endpoint import home, native, portable

FILE = "painter.json"
MAX_FILE_BYTES = 64 * 1024  # the file is a few hundred bytes
SERVE = ("-P", "-m", "vaporbrush_daemon", "serve", "--foreground", "--idle-exit")


@dataclass(frozen=True)
class Installation:
    """A painter: its folder of everything, its environment and Python in there, version, and build of torch.

    `confined` names the sandbox that it was made in ("flatpak"), and is empty outside.
    """

    root: Path
    environment: Path
    python: Path
    version: str
    backend: str
    by: str = ""
    confined: str = ""

    @property
    def start(self) -> tuple[str, ...]:
        """The command that starts its daemon."""
        return (str(self.python), *SERVE)

    @property
    def whole(self) -> bool:
        """Whether what a start needs first is there. It is a look, no proof: a start that fails says the rest."""
        return self.python.is_file() and any(self.environment.glob("[Ll]ib/**/site-packages/vaporbrush_daemon"))

    def write(self, folder: Path) -> None:
        """Make this the one in force."""
        wire = {name: portable(str(value)) for name, value in asdict(self).items()}
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write(folder / FILE, (json.dumps(wire, indent=1) + "\n").encode(), mode=0o600, durable=True)


def installed(folder: Path | None = None) -> Installation | None:
    """The painter in force; None where no plug-in installed one, or the file says nothing that can be used."""
    try:
        with ((home() if folder is None else folder) / FILE).open("rb") as file:
            raw = json.loads(file.read(MAX_FILE_BYTES).decode("utf-8"))
        texts = {name: native(raw[name]) for name in ("root", "environment", "python", "version", "backend")}
        more = {name: native(raw.get(name, "")) for name in ("by", "confined")}
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):  # as above
        return None
    root, environment, python = (Path(texts.pop(name)) for name in ("root", "environment", "python"))
    if not all(path.is_absolute() for path in (root, environment, python)):
        return None
    return Installation(root, environment, python, **texts, **more)
