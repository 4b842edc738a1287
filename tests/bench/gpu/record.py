"""What was measured: rows that are kept as they come, and the summary of all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROWS = "rows.jsonl"


@dataclass(frozen=True)
class Row:
    """One figure. Less is better, unless `more`. `least` and `aim` are what was promised on an H200; None: nothing."""

    part: str
    what: str
    value: float | None  # None: it could not be measured, and `note` says why
    unit: str = ""
    least: float | None = None
    aim: float | None = None
    note: str = ""
    more: bool = False

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.value is None:
            return "open"
        if self.least is None:
            return ""
        for name, bound in (("aim met", self.aim), ("met", self.least)):
            if bound is not None and (self.value >= bound if self.more else self.value <= bound):
                return name
        return "NOT met"


@dataclass(frozen=True)
class Record:
    """A folder of results. `small`: of sizes for which nothing was promised."""

    folder: Path
    small: bool = False

    def add(self, row: Row) -> None:
        """Keep a row at once: a part that is stopped later loses nothing."""
        if self.small and row.part != "checks":
            row = replace(row, least=None, aim=None)
        with (self.folder / ROWS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        print(line(row), flush=True)

    def rows(self) -> list[Row]:
        """All that is kept."""
        file = self.folder / ROWS
        return (
            [Row(**json.loads(text)) for text in file.read_text(encoding="utf-8").splitlines()]
            if file.is_file()
            else []
        )


def line(row: Row) -> str:
    """For the terminal."""
    value = "-" if row.value is None else f"{row.value:.4g} {row.unit}".strip()
    return "  ".join(part for part in (row.what + ":", value, row.verdict, row.note and f"({row.note})") if part)


def markdown(rows: Sequence[Row], head: Iterable[str]) -> str:
    """The summary. `head`: sentences about the machine and this run."""
    lines = ["# Vaporbrush on this machine", "", *head, "", "| part | what | value | at least | aim | | note |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        value = "–" if row.value is None else f"{row.value:.4g} {row.unit}".strip()
        bounds = ["" if bound is None else f"{bound:g}" for bound in (row.least, row.aim)]
        lines.append(f"| {row.part} | {row.what} | {value} | {bounds[0]} | {bounds[1]} | {row.verdict} | {row.note} |")
    promised = [row for row in rows if row.least is not None]
    met = sum(row.verdict in ("met", "aim met") for row in promised)
    aims = sum(row.verdict == "aim met" for row in promised)
    failed = [row.what for row in rows if row.verdict == "NOT met"]
    lines += ["", f"{met} of {len(promised)} promised rows are met, {aims} of them at their aim."]
    lines += [f"Not met: {'; '.join(failed)}."] if failed else []
    return "\n".join(lines) + "\n"


def plot(curves: dict[str, Sequence[tuple[float, float]]], title: str, axes: tuple[str, str]) -> str:
    """Lines over two linear axes as SVG, with nothing but the standard library."""
    width, height, left, bottom = 720, 420, 70, 50
    points = [point for curve in curves.values() for point in curve]
    low, high = [min(p[i] for p in points) for i in (0, 1)], [max(p[i] for p in points) for i in (0, 1)]
    span = [max(high[i] - low[i], 1e-12) for i in (0, 1)]

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + (x - low[0]) / span[0] * (width - left - 20)
        return across, height - bottom - (y - low[1]) / span[1] * (height - bottom - 40)

    colours = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e")
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">']
    parts.append(f'<rect width="100%" height="100%" fill="white"/><text x="{left}" y="22">{title}</text>')
    parts.append(f'<text x="{left}" y="{height - 12}" font-size="12">{axes[0]}: {low[0]:.3g} to {high[0]:.3g}; '
                 f"{axes[1]}: {low[1]:.3g} to {high[1]:.3g}</text>")  # fmt: skip
    for number, (name, curve) in enumerate(curves.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in curve))
        colour = colours[number % len(colours)]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{width - 230}" y="{40 + 16 * number}" font-size="12" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"])
