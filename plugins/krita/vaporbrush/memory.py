"""What was used last: controls and styles by document and for all, and the picture files that were styles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from krita import Document

from vaporbrush_host import controls
from vaporbrush_host.controls import Values
from vaporbrush_host.request import StyleRef
from vaporbrush_host.settings import Settings

from . import records, sources


class Memory:
    """Kept in the plug-in's settings, and in the document's file."""

    def __init__(self, home: Path | None) -> None:
        self._settings = Settings(home)

    def keep(self, document: Document, values: Values, refs: Sequence[StyleRef]) -> None:
        """These were used."""
        used = {"values": values, "styles": [ref.to_json() for ref in refs]}
        self._settings.put("krita", "last", used)
        records.store(document, "last", used)
        files = [ref.name for ref in refs if ref.kind == "file"]
        if files:
            recent = files + [path for path in self.recent_files() if path not in files]
            self._settings.put("krita", "recent_files", recent[: sources.RECENT_FILES])

    def recent_files(self) -> list[str]:
        """Picture files used as styles, newest first."""
        found = self._settings.get("krita", "recent_files", [])
        return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []

    def last(self, document: Document | None) -> tuple[Values, tuple[StyleRef, ...]]:
        """(values, styles) used last in this document, else anywhere."""
        used = records.of(document).get("last") if document is not None else None
        if not isinstance(used, dict):
            used = self._settings.get("krita", "last", {})
        used = used if isinstance(used, dict) else {}
        return controls.clean(used.get("values")), StyleRef.several(used.get("styles"))
