"""The specification, read: its sections and the fields that its tables name."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "protocol"
SPEC = (FOLDER / "SPEC.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next of any level."""
    found = re.search(rf"^#+ [\d.]*\s*{re.escape(title)}\n(.*?)(?=^#)", SPEC, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def first_column(text: str) -> set[str]:
    """The fields that the tables in a text name."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def reply_fields(request: str) -> set[str]:
    """The fields of a request's reply that its section lists itself."""
    return first_column(section(f"`{request}`").partition("\nReply")[2])


def mentioned(request: str, field: str) -> set[str]:
    """All names in the row of a reply's table: of the keys of the maps in the field, and of the words they hold."""
    row = re.search(rf"^\| `{field}` \|(.*?) \|$", section(f"`{request}`").partition("\nReply")[2], re.MULTILINE)
    assert row, field
    return set(re.findall(r"`(\w+)`", row[1]))
