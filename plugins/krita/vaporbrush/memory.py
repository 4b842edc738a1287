"""What was used last: controls and styles by document and for all, and the picture files that were styles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from krita import Document

from vaporbrush_host import controls
from vaporbrush_host.controls import Values
from vaporbrush_host.request import StyleRef
from vaporbrush_host.settings import Settings

from . import layers, records, sources


class Memory:
    """Kept in the plug-in's settings, and in the document's file as soon as that has a painting to be saved."""

    def __init__(self, home: Path | None) -> None:
        self._settings = Settings(home)
        self._used: dict[str, tuple[Values, tuple[StyleRef, ...]]] = {}  # by document, until Krita ends

    def keep(self, document: Document, values: Values, refs: Sequence[StyleRef]) -> None:
        """These are used. The document itself is left alone: to write into it marks its file as modified."""
        elsewhere = [ref.placed(None).to_json() for ref in refs]  # a region belongs to its picture
        self._settings.put("krita", "last", {"values": values, "styles": elsewhere})
        self._used[layers.document_id(document)] = (values, tuple(refs))
        files = [ref.name for ref in refs if ref.kind == "file"]
        if files:
            recent = files + [path for path in self.recent_files() if path not in files]
            self._settings.put("krita", "recent_files", recent[: sources.RECENT_FILES])

    def save_with(self, document: Document) -> None:
        """Write what was used last into a document that has got a painting."""
        used = self._used.get(layers.document_id(document))
        if used is not None:
            values, refs = used
            regions = [ref.region for ref in refs if ref.region is not None]
            record = {"values": values, "styles": [ref.to_json() for ref in refs]}
            records.store(document, "last", record, regions=regions)

    def knows(self, document: Document) -> bool:
        """Whether something was used in this document."""
        return layers.document_id(document) in self._used or "last" in records.of(document)

    def recent_files(self) -> list[str]:
        """Picture files used as styles, newest first."""
        found = self._settings.get("krita", "recent_files", [])
        return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []

    def last(self, document: Document | None) -> tuple[Values, tuple[StyleRef, ...]]:
        """(values, styles) used last in this document, else anywhere."""
        if document is not None:
            used = self._used.get(layers.document_id(document))
            if used is not None:
                return controls.clean(used[0]), used[1]
            stored = records.of(document).get("last")
            if isinstance(stored, dict):
                refs = StyleRef.several(stored.get("styles"), partial(records.region_data, document))
                return controls.clean(stored.get("values")), refs
        kept = self._settings.get("krita", "last", {})
        kept = kept if isinstance(kept, dict) else {}
        return controls.clean(kept.get("values")), StyleRef.several(kept.get("styles"))
