"""What a plug-in's zip brings for installing the painter: our wheel, and the locks that say what to fetch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from vaporbrush_protocol.version import __version__

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "plugins" / "locks"
FOLDER = "painter"


def contents(wheel: Path, locks: Path = LOCKS) -> dict[str, bytes]:
    """The kit's files, by their path inside the plug-in's folder."""
    data = wheel.read_bytes()
    ours = {"project": "vaporbrush", "version": __version__, "name": wheel.name, "size": len(data)}
    kit = {
        "version": __version__,
        "wheel": {**ours, "sha256": hashlib.sha256(data).hexdigest()},
        "uv": json.loads((locks / "uv.json").read_text(encoding="utf-8"))["systems"],
    }
    files = {f"{FOLDER}/kit.json": (json.dumps(kit, indent=1) + "\n").encode(), f"{FOLDER}/{wheel.name}": data}
    for path in locks.glob("*.json"):
        if path.name != "uv.json":
            files[f"{FOLDER}/locks/{path.name}"] = path.read_bytes()
    return files
