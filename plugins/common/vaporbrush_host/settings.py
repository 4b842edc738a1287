"""Remembered values: one small JSON file in Vaporbrush's own folder, never in the plug-in's (which updates replace)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vaporbrush_protocol import atomic
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.private import make_folder

FILE = "hosts.json"
MAX_BYTES = 1024 * 1024  # far more than all remembered values; a larger file is not ours


class Settings:
    """`get("krita", "last")`, `put("krita", "last", values)`. A damaged file costs the memory, no more."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (home() if folder is None else folder) / FILE

    def get(self, host: str, name: str, default: Any = None) -> Any:
        """A remembered value (JSON)."""
        section = self._read().get(host)
        return section.get(name, default) if isinstance(section, dict) else default

    def put(self, host: str, name: str, value: Any) -> bool:
        """Remember a JSON value; the file is replaced as a whole. Returns whether that could be written."""
        everything = self._read()
        section = everything.get(host)
        everything[host] = {**(section if isinstance(section, dict) else {}), name: value}
        text = json.dumps(everything, indent=1, sort_keys=True) + "\n"
        try:
            make_folder(self.path.parent)
            atomic.write(self.path, text.encode(), mode=0o600)
        except OSError:  # as above
            return False
        return True

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                everything = json.loads(file.read(MAX_BYTES).decode("utf-8"))
        except (OSError, ValueError, RecursionError):  # none yet, or damaged: as when nothing was remembered
            return {}
        return everything if isinstance(everything, dict) else {}
