"""Styles by region in the real Krita, by mouse: a second style on a selection takes three clicks.

One run plays `krita_scripts/regions.py`; each test judges one thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hosts.krita import Run, raw, scenes
from hosts.krita_stage import REAL, stage
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

WIDTH, HEIGHT = 96, 72  # of the scenes' documents
SOFT = 100 / 255


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita with the plug-in has played all scenes."""
    with stage(root, **REAL) as on:
        yield Run(on.folder, on.play("regions", looks, {"type": on.desktop.type_line}), {})


def place(x: int, y: int, width: int, height: int) -> np.ndarray[Any, Any]:
    """What a scene selects: a rectangle with a soft column at its right."""
    mask = np.zeros((HEIGHT, WIDTH))
    mask[y : y + height, x : x + width] = 1
    mask[y : y + height, x + width : x + width + 6] = SOFT
    return mask


@pytest.mark.parametrize("name", scenes("regions"))
def test_the_scene_played_to_its_end(run: Run, name: str) -> None:
    run.told.played(name)


def test_a_second_style_on_a_selection_takes_three_clicks(run: Run) -> None:
    lines = run.told.lines
    begin = next(at for at, line in enumerate(lines) if line["name"] == "without a selection")
    end = next(at for at, line in enumerate(lines) if line["name"] == "second style")
    clicks = [line for line in lines[begin:end] if line["name"] == "ask" and line["value"]["what"] == "click"]
    assert len(clicks) <= 3
    assert run.told["stage"] == "done"
    assert run.told["without a selection"] is False


def test_the_list_of_styles_says_where_each_paints(run: Run) -> None:
    assert run.told["rows"] == [["Starry", "In the rest", False], ["Mosaic", "In its region", True]]
    assert run.told["use selection"] is False


def test_the_first_style_paints_what_the_region_leaves(run: Run) -> None:
    both, alone = raw(run, "second style")[0], raw(run, "first style alone")[0]
    assert np.all(both[..., 3] == 1)
    region = place(50, 12, 30, 48)
    change = np.abs(both - alone)[..., :3].mean(-1)
    assert change[region == 1].mean() > 2 * change[:, :40].mean()


def test_what_no_region_covers_keeps_its_pixels_bit_for_bit(run: Run) -> None:
    covered = np.minimum(place(8, 12, 30, 48) + place(30, 20, 30, 40), 1)
    painted = raw(run, "both")[0]
    whole = np.zeros((HEIGHT, WIDTH))
    left, top, width, height = raw(run, "both")[1]["box"]
    whole[top : top + height, left : left + width] = painted[..., 3]
    assert np.abs(whole - covered).max() <= 0.5 / 255 + 1e-6
    changed = np.array(run.told["changed on the canvas"]).reshape(HEIGHT, WIDTH) > 0
    assert not changed[covered == 0].any()
    assert changed[covered == 1].mean() > 0.9


def test_restylize_remembers_the_regions_in_the_file_too(run: Run) -> None:
    assert [same for _blob, same in run.told["stored"]] == [True, True]
    first = raw(run, "both")[0]
    assert np.array_equal(first, raw(run, "both again")[0])
    assert np.array_equal(first, raw(run, "both reopened")[0])
    blobs = {f"vaporbrush-region-{blob}" for blob, _same in run.told["stored"]}
    assert set(run.told["annotations"]) == blobs
    assert [region for *_text, region in run.told["rows reopened"]] == [True, True]


def test_a_region_can_be_selected_moved_and_given_up(run: Run) -> None:
    assert run.told["menu"] == [
        ["Paint this style here", False],
        ["Paint it everywhere", True],
        ["Select its region", True],
    ]
    assert run.told["selected again"]
    assert run.told["moved"] == [50, 12, 36, 48]
    assert run.told["freed"]


def test_regions_belong_to_their_picture(run: Run) -> None:
    assert run.told["in the first"] == [True]
    assert run.told["in the second"] == [False]
    assert run.told["back in the first"]
    assert "Regions belong to this picture and are not kept with it." in run.told["kept"]


def test_a_region_that_is_not_on_the_layer_is_a_sentence(run: Run) -> None:
    assert "The region of “Starry” is not on the layer “Elsewhere”: choose it anew" in run.told["not on the layer"]
