"""Which of two ways of painting people prefer: pairs at matched content, blind sheets, and what the filled forms say.

    python -m tests.bench.judge paint --a look=texture --b look=brushwork [--size 384] [--pairs 24] [--model NAME]
                                [--first 100] [--tries 6] [--out FOLDER]
    python -m tests.bench.judge score FORM.csv... [--out FOLDER]

`paint` paints every pair the first way at the default strength, and searches the strength at which the second way keeps
as much of the content, within 5 %: on taps that no loss reads, as `tests.bench.held_out` measures it; `--first` is the
strength that it tries first. Into FOLDER/sheets it writes what judges see: one sheet per pair (content and style above,
the two paintings below, left and right by chance) and `form.csv` to fill in (L, R, or nothing for no preference). What
they must not see lies beside that folder: `measures.json` with every pair's figures, and `key.json`. What is there
already is not painted again, so that the bench can be stopped and gone on with. `score` reads the forms, one per judge.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture
from tests.bench.held_out import Measures, measured
from tests.bench.lite import MODELS, ROOT, Pair, Quiet, cell, described, pairs, pixels

from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH, MAX_STRENGTH, MIN_STRENGTH, Recipe, Style

MATCHED = 0.05  # relative difference of content distances up to which two paintings keep as much of it
SHOWN = 448  # pixels, longest side: smaller paintings are enlarged, so that judges see strokes and not a stamp
DRAWS = 10_000  # bootstrap draws of whole styles


@dataclass(frozen=True)
class Answer:
    """One judge's choice in one pair."""

    judge: str
    pair: str
    style: str
    won: float  # 1 the second way, 0 the first, 0.5 no preference


def preference(answers: Sequence[Answer]) -> tuple[float, float, float]:
    """The share of choices for the second way, and its 95 % interval by drawing styles, not answers: answers on one
    style are not independent.
    """
    by_style: dict[str, list[float]] = {}
    for answer in answers:
        by_style.setdefault(answer.style, []).append(answer.won)
    groups = [(sum(won), len(won)) for won in by_style.values()]
    drawn = random.Random(0)
    shares = []
    for _ in range(DRAWS):
        sample = drawn.choices(groups, k=len(groups))
        shares.append(sum(won for won, _ in sample) / sum(count for _, count in sample))
    shares.sort()
    whole = sum(answer.won for answer in answers) / len(answers)
    return whole, shares[int(0.025 * DRAWS)], shares[int(0.975 * DRAWS)]


def disagreements(answers: Sequence[Answer]) -> list[str]:
    """Pairs in which one judge chose the first way and another one the second."""
    found: dict[str, set[float]] = {}
    for answer in answers:
        found.setdefault(answer.pair, set()).add(answer.won)
    return sorted(pair for pair, won in found.items() if {0.0, 1.0} <= won)


def read_form(file: Path, key: Mapping[str, Any]) -> list[Answer]:
    """A filled form. Raises ValueError for a choice that is not L, R or empty, and for sheets not in the key."""
    answers = []
    with file.open(newline="", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            choice = row["choice"].strip().upper()
            if choice not in ("L", "R", "") or row["sheet"] not in key:
                raise ValueError(
                    f"{file.name}: sheet {row['sheet']!r} has the choice {row['choice']!r}; not L, R or nothing"
                )
            entry = key[row["sheet"]]
            won = 0.5 if not choice else float((choice == "L") == (entry["left"] == "b"))
            answers.append(Answer(file.stem, entry["pair"], entry["style"], won))
    return answers


class Bench:
    """Paints pairs into a folder."""

    def __init__(self, out: Path, size: int, quality: Any, model: str) -> None:
        self.out, self.size, self.quality, self.model = out, size, quality, model
        self.painter = Painter("cpu", MODELS, Path(tempfile.mkdtemp(prefix="vp-judge-")))

    def paint(self, pair: Pair, way: str, fields: Mapping[str, Any], strength: float) -> tuple[Path, Measures]:
        """One painting and its measures; what is there already is only measured."""
        file = self.out / f"{pair.name}-{way}-{strength:.4g}.png"
        if not file.exists():
            content, style = pixels(pair.content, self.size), pixels(pair.style, self.size)
            given = {"size": "full", "quality": self.quality, "model": self.model, "strength": strength, **fields}
            recipe = Recipe(described(content), (Style(described(style)),), **given)
            painting = self.painter.paint(recipe, Pictures(content, (style,)), Quiet())
            rgb = (painting.pixels[..., :3].clip(0, 1) * 255).round().astype(np.uint8)
            Picture.fromarray(rgb).save(file)
        return file, measured(file, pair.content, pair.style, MODELS["vgg19"])

    def matched(
        self, pair: Pair, fields: Mapping[str, Any], wanted: float, *, strength: float, tries: int
    ) -> tuple[Path, Measures, float]:
        """The second way at the strength that keeps as much of the content, or the nearest to it that was found in so
        many `tries`, from `strength` on.
        """
        low: float | None = None  # keeps too much of the content
        high: float | None = None  # keeps too little
        best: tuple[Path, Measures, float] | None = None
        for _ in range(tries):
            file, found = self.paint(pair, "b", fields, strength)
            if best is None or abs(found.content - wanted) < abs(best[1].content - wanted):
                best = file, found, strength
            if abs(found.content / wanted - 1) <= MATCHED:
                break
            if found.content < wanted:
                low = strength
            else:
                high = strength
            if low is not None and high is not None:
                strength = (low * high) ** 0.5
            else:
                strength = min(MAX_STRENGTH, max(MIN_STRENGTH, strength * (2.0 if low is not None else 0.5)))
        assert best is not None
        return best


def sheet(pair: Pair, left: Path, right: Path, out: Path) -> None:
    """What a judge sees: no names."""
    cells = [cell(one) for one in (pair.content, pair.style)]
    below = []
    for one in (left, right):
        with Picture.open(one) as opened:
            factor = max(1.0, SHOWN / max(opened.size))
            size = round(opened.width * factor), round(opened.height * factor)
            below.append(opened.convert("RGB").resize(size, Picture.Resampling.LANCZOS))
    width = sum(one.width for one in below) + 8
    whole = Picture.new("RGB", (width, cells[0].height + below[0].height + 8), "white")
    for number, one in enumerate(cells):
        whole.paste(one, (number * (one.width + 8), 0))
    for number, one in enumerate(below):
        whole.paste(one, (number * (one.width + 8), cells[0].height + 8))
    whole.save(out)


def fields_of(text: str) -> dict[str, Any]:
    """`look=brushwork,lines=0.5` as fields of a recipe."""
    found: dict[str, Any] = {}
    for each in text.split(","):
        name, _, value = each.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def paint(options: argparse.Namespace) -> None:
    sheets = options.out / "sheets"
    sheets.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.out, options.size, options.quality, options.model)
    chance, key, figures = random.Random(options.seed), {}, []
    for number, pair in enumerate(pairs(options.pairs), 1):
        first, of_first = bench.paint(pair, "a", fields_of(options.a), DEFAULT_STRENGTH)
        second, of_second, strength = bench.matched(
            pair, fields_of(options.b), of_first.content, strength=options.first, tries=options.tries
        )
        left = chance.choice(("a", "b"))
        order = (first, second) if left == "a" else (second, first)
        sheet(pair, *order, sheets / f"sheet-{number:02}.png")
        key[f"{number:02}"] = {"pair": pair.name, "style": pair.style.stem, "left": left}
        matched = abs(of_second.content / of_first.content - 1) <= MATCHED
        of_both = {"a": asdict(of_first), "b": asdict(of_second)}
        figures.append({"pair": pair.name, **of_both, "strength": strength, "matched": matched})
        print(json.dumps(figures[-1]), flush=True)
        (options.out / "measures.json").write_text(json.dumps(figures, indent=1))
        (options.out / "key.json").write_text(json.dumps(key, indent=1))
        (sheets / "form.csv").write_text("sheet,choice\n" + "".join(f"{number},\n" for number in key))


def score(options: argparse.Namespace) -> None:
    key = json.loads((options.out / "key.json").read_text())
    answers = [answer for file in options.forms for answer in read_form(file, key)]
    share, low, high = preference(answers)
    print(f"second way preferred: {share:.0%} (95 % interval {low:.0%} to {high:.0%}), {len(answers)} answers")
    print("judges disagree on:", ", ".join(disagreements(answers)) or "nothing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    painting = commands.add_parser("paint")
    painting.add_argument("--a", default="look=texture")
    painting.add_argument("--b", default="look=brushwork")
    painting.add_argument("--size", type=int, default=384)
    painting.add_argument("--pairs", type=int, default=24)
    painting.add_argument("--quality", default="standard")
    painting.add_argument("--model", choices=sorted(MODELS), default="vgg19")
    painting.add_argument("--first", type=float, default=DEFAULT_STRENGTH)
    painting.add_argument("--tries", type=int, default=6)
    painting.add_argument("--seed", type=int, default=0)
    painting.set_defaults(run=paint)
    scoring = commands.add_parser("score")
    scoring.add_argument("forms", type=Path, nargs="+")
    scoring.set_defaults(run=score)
    for each in (painting, scoring):
        each.add_argument("--out", type=Path, default=ROOT / "build/looks/judge")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
