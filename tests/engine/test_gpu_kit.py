"""`make gpu` where there is no GPU: it says so, runs at small sizes, and keeps what it finds, failures too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench.gpu.record import Record, Row, markdown, plot

ROOT = Path(__file__).resolve().parents[2]
BARE = str(ROOT / "tests" / "support" / "bare_python")


def kit(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person would, on the processor, without anybody's pictures and weights, on a bare machine."""
    own = os.environ | {
        "OUT": str(out),
        "VAPORBRUSH_SHARED": str(out / "nothing"),
        "VAPORBRUSH_WEIGHTS": "",
        "PYTHONPATH": BARE,
    }
    command = [sys.executable, "-m", "tests.bench.gpu", "--device", "cpu", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=own | environment, capture_output=True, text=True, timeout=280, check=False
    )


def test_on_a_bare_machine_everything_else_is_missing() -> None:
    script = (
        "import numpy, torch, tifffile, rich, psutil, msgpack, PIL, safetensors\n"
        "for name in ('zmq', 'imagecodecs', 'rich_click', 'pytest', 'hypothesis'):\n"
        "    try:\n        __import__(name)\n    except ModuleNotFoundError:\n        print(name, 'is missing')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": BARE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("is missing") == 5, done.stdout


def test_without_a_gpu_it_says_so_and_checks_the_engine_at_small_sizes(tmp_path: Path) -> None:
    done = kit(tmp_path, "--parts", "checks,size")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "There is no GPU that torch can use" in done.stdout
    rows = {row["what"]: row for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())}
    assert rows["painting in fp32: relative Gram distance to the processor's"]["value"] == 0  # it is the processor
    assert rows["seconds per megapixel-step, 128² over 64²"]["value"] > 0
    summary = (tmp_path / "summary.md").read_text()
    assert "these figures say nothing of a GPU" in summary
    assert "NOT met" not in summary
    assert "| checks | taps in bf16" in summary


def test_a_part_that_fails_leaves_a_row_and_the_others_run(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    done = kit(tmp_path, "--parts", "checks,quality", VAPORBRUSH_WEIGHTS=str(broken))
    assert done.returncode == 1
    rows = Record(tmp_path).rows()
    assert [row.part for row in rows if row.what == "the part itself"] == ["checks", "quality"]
    assert "ended with status" in (tmp_path / "summary.md").read_text()


def test_an_unknown_part_or_device_is_refused_with_those_there_are(tmp_path: Path) -> None:
    assert "there are checks, speed, size, quality, recovery" in kit(tmp_path, "--parts", "all").stderr
    assert "cuda:7 is not here; there is" in kit(tmp_path, "--device", "cuda:7").stderr


@pytest.mark.parametrize(
    ("value", "more", "verdict"),
    [
        (0.2, False, "aim met"),
        (0.5, False, "met"),
        (1.5, False, "NOT met"),
        (60.0, True, "aim met"),
        (None, False, "open"),
    ],
)
def test_a_row_says_whether_a_promise_is_met(value: float | None, more: bool, verdict: str) -> None:
    least, aim = (20.0, 50.0) if more else (1.0, 0.3)
    assert Row("speed", "it", value, "s", least, aim, more=more).verdict == verdict


def test_the_summary_counts_promises_and_names_those_that_failed() -> None:
    rows = [Row("speed", "one", 0.1, "s", 1, 0.3), Row("speed", "two", 2.0, "s", 1, 0.3), Row("speed", "three", 7.0)]
    text = markdown(rows, ["A machine."])
    assert "1 of 2 promised rows are met, 1 of them at their aim." in text
    assert "Not met: two." in text


def test_small_sizes_promise_nothing(tmp_path: Path) -> None:
    record = Record(tmp_path, small=True)
    record.add(Row("speed", "one", 5.0, "s", 1, 0.3))
    record.add(Row("checks", "two", 5.0, "", 1))
    assert [row.verdict for row in record.rows()] == ["", "NOT met"]


def test_a_plot_draws_every_curve() -> None:
    drawn = plot({"ours": [(0, 3), (1, 1)], "theirs": [(0, 3), (2, 2)]}, "title", ("s", "loss"))
    assert drawn.count("<polyline") == 2
    assert drawn.endswith("</svg>")
