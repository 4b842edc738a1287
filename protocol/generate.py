"""Writes schema.json, and what comes from the code into SPEC.md and Krita's manual; `--check` only compares.

    python protocol/generate.py [--check]

A table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from html import escape as escape_html
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import json_schema  # noqa: E402
from vaporbrush_protocol import limits  # noqa: E402
from vaporbrush_protocol.controls import CONTROLS, Control  # noqa: E402
from vaporbrush_protocol.errors import CODES  # noqa: E402
from vaporbrush_protocol.job import Job  # noqa: E402
from vaporbrush_protocol.messages import REQUESTS  # noqa: E402
from vaporbrush_protocol.progress import Progress  # noqa: E402
from vaporbrush_protocol.recipe import Held, Image, Recipe, Style  # noqa: E402
from vaporbrush_protocol.replies import REPLIES, Refusal  # noqa: E402
from vaporbrush_protocol.result import Result  # noqa: E402
from vaporbrush_protocol.states import JOB  # noqa: E402

CLIENT_ONLY = ("no_daemon", "link_lost", "wrong_token", "not_private", "timeout", "bad_reply")  # never on the wire
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


def reply(kind: type) -> str:
    """The fields of a record in a reply: name, what it is, and what it means."""
    rows = []
    for each in fields(kind):
        if each.metadata:
            nil = " or nil" if each.default is None and not each.metadata.get("optional") else ""
            rows.append((f"`{each.name}`", f"{each.metadata['kind']}{nil}", each.metadata["means"]))
    return table(("field", "type", "meaning"), rows)


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
    rows = [(f"`{state}`", ", ".join(f"`{after}`" for after in then) or "–") for state, then in JOB.items()]
    return table(("state", "may be followed by"), rows)


def escape(text: str) -> str:
    return escape_html(text, quote=False)


def manual(controls: Iterable[Control]) -> str:
    """What the controls do, as they say it themselves."""
    items = []
    for control in controls:
        options = "".join(f"<br><i>{escape(one.label)}</i>: {escape(one.tip)}" for one in control.options if one.tip)
        items.append(f"<dt>{escape(control.label)}</dt><dd>{escape(control.tip)}{options}</dd>\n")
    return "<dl>\n" + "".join(items) + "</dl>\n"


ANNOUNCED: dict[str, Any] = limits.ANNOUNCED
SPEC: dict[str, str] = {
    **{f"request:{name}": record(kind) for name, kind in REQUESTS.items()},
    **{f"reply:{name}": reply(kind) for name, kind in REPLIES.items() if fields(kind) and kind is not Job},
    "error": reply(Refusal),
    "progress": reply(Progress),
    "job": reply(Job),
    "result": reply(Result),
    "image": record(Image),
    "style": record(Style),
    "held": record(Held),
    "recipe": record(Recipe),
    "errors": errors(code for code in CODES if code not in CLIENT_ONLY),
    "client-errors": errors(CLIENT_ONLY),
    "limits": announced(),
    "states": states(),
}
WORDED = [control.worded("layer") for control in CONTROLS]
MANUAL: dict[str, str] = {
    "controls": manual(control for control in WORDED if not control.advanced),
    "advanced-controls": manual(control for control in WORDED if control.advanced),
}
SCHEMA = HERE / "schema.json"
PAGES: dict[Path, Mapping[str, str]] = {
    HERE / "SPEC.md": SPEC,
    HERE.parent / "plugins" / "krita" / "vaporbrush" / "manual.html": MANUAL,
}


def rewritten(text: str, tables: Mapping[str, str]) -> str:
    """The page with every table as the code has it. Raises `KeyError` for a table that the code does not have."""
    return MARK.sub(lambda found: found[1] + tables[found[2]] + found[3], text)


def wanted() -> dict[Path, str]:
    """Every file as the code has it. Raises `SystemExit` where a page lacks the place for a table."""
    found = {SCHEMA: json_schema.document()}
    for page, tables in PAGES.items():
        text = page.read_text(encoding="utf-8")
        left_out = set(tables) - {name for _, name, _ in MARK.findall(text)}
        if left_out:
            sys.exit(f"{page.name} has no place for the tables {', '.join(sorted(left_out))}.")
        found[page] = rewritten(text, tables)
    return found


def main(arguments: Sequence[str]) -> int:
    """Rewrite, or check."""
    for path, text in wanted().items():
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{path.name} is not what the code says: run `python protocol/generate.py`.\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
