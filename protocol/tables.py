"""Writes the tables of SPEC.md that come from the code; with `--check`, only says whether they are up to date.

    python protocol/tables.py [--check]

A table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from vaporbrush_protocol import limits  # noqa: E402
from vaporbrush_protocol.errors import CODES  # noqa: E402
from vaporbrush_protocol.messages import REQUESTS, TRANSITIONS  # noqa: E402
from vaporbrush_protocol.recipe import Image, Recipe, Style  # noqa: E402

CLIENT_ONLY = ("no_daemon", "link_lost", "wrong_token", "timeout", "bad_reply")  # never on the wire
MARK = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _default(value: object) -> str:
    if value is MISSING:
        return "**must be given**"
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def record(kind: type) -> str:
    """The fields of a record: name, what it may be, what it is when left out, and what it means."""
    rows = [
        (f"`{each.name}`", each.metadata["kind"], _default(each.default), each.metadata["means"])
        for each in fields(kind)
        if each.metadata
    ]
    return table(("field", "type and range", "left out", "meaning"), rows) if rows else "No fields.\n"


def errors(codes: Iterable[str]) -> str:
    """Error codes with whether the same request may succeed later."""
    rows = [(f"`{code}`", "yes" if CODES[code][0] else "no", CODES[code][1]) for code in codes]
    return table(("code", "retryable", "meaning"), rows)


def announced() -> str:
    """The limits in `hello`, with the reasons that stand beside them in the code."""
    source = (HERE / "vaporbrush_protocol" / "limits.py").read_text(encoding="utf-8")
    reasons = dict(re.findall(r"^([A-Z_]+) = .*?  # (.*)$", source, re.MULTILINE))
    rows = [(f"`{name}`", f"{value:,}".replace(",", " "), reasons[name.upper()]) for name, value in ANNOUNCED.items()]
    return table(("limit", "value", "reason"), rows)


def states() -> str:
    """What may follow each state of a job."""
    rows = [(f"`{state}`", ", ".join(f"`{after}`" for after in then) or "–") for state, then in TRANSITIONS.items()]
    return table(("state", "may be followed by"), rows)


ANNOUNCED: dict[str, Any] = limits.ANNOUNCED
TABLES: dict[str, str] = {
    **{f"request:{name}": record(kind) for name, kind in REQUESTS.items()},
    "image": record(Image),
    "style": record(Style),
    "recipe": record(Recipe),
    "errors": errors(code for code in CODES if code not in CLIENT_ONLY),
    "client-errors": errors(CLIENT_ONLY),
    "limits": announced(),
    "states": states(),
}


def rewritten(text: str) -> str:
    """The page with every table as the code has it. Raises `KeyError` for a table that the code does not have."""
    return MARK.sub(lambda found: found[1] + TABLES[found[2]] + found[3], text)


def main(arguments: Sequence[str]) -> int:
    """Rewrite, or check."""
    page = HERE / "SPEC.md"
    before = page.read_text(encoding="utf-8")
    after = rewritten(before)
    left_out = set(TABLES) - {name for _, name, _ in MARK.findall(before)}
    if left_out:
        sys.stderr.write(f"SPEC.md has no place for the tables {', '.join(sorted(left_out))}.\n")
        return 1
    if "--check" in arguments:
        if before != after:
            sys.stderr.write("SPEC.md is not what the code says: run `python protocol/tables.py`.\n")
        return int(before != after)
    page.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
