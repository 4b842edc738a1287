"""The vectors beside the specification, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "protocol" / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    """The vectors of `good.json` or `bad.json`, frames as bytes."""
    vectors = json.loads((FOLDER / name).read_text(encoding="utf-8"))["vectors"]
    for vector in vectors:
        vector["frames"] = [_frame(frame) for frame in vector["frames"]]
        if vector.get("chunk") is not None:
            vector["chunk"] = bytes.fromhex(vector["chunk"])
    return vectors


def _frame(frame: str | list[dict[str, Any]]) -> bytes:
    pieces = [{"hex": frame, "times": 1}] if isinstance(frame, str) else frame
    return b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in pieces)
