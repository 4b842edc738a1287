"""Draws the learning curve of a distillation: python daemon/tools/distil/plot.py RUN/log.csv curve.png"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    source, out = map(Path, sys.argv[1:3])
    curves: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    with source.open(newline="") as file:
        for row in csv.DictReader(file):
            for figure in ("unexplained", "gram_error"):
                curves[figure, row["set"]][f"{row['student']} {row['tap']}"].append(
                    (int(row["step"]), float(row[figure]))
                )
    figure, axes = plt.subplots(2, 2, figsize=(13, 9), sharex=True, sharey=True)
    for axis, ((name, kind), lines) in zip(axes.flat, sorted(curves.items()), strict=True):
        for label, points in lines.items():
            first = label.split()[0] == next(iter(lines)).split()[0] and len({x.split()[0] for x in lines}) > 1
            axis.plot(
                *zip(*points, strict=True),
                "--" if first else "-",
                label=label,
                color=f"C{int(label[-3]) - 1 + (label[-1] == '2') * 6}",
            )
        axis.set(title=f"{name.replace('_', ' ')}, held-out {kind}", xlabel="step", ylim=(0, 1))
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=70)


if __name__ == "__main__":
    main()
