"""What a painter expects of any docker of Krita, in the real one: undo, order of layers, wheel, buttons, menu.

One run plays `krita_scripts/habits.py`; each test judges one thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hosts.krita import Run, raw, scenes
from hosts.krita_stage import REAL, stage
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita with the plug-in has played all scenes."""
    with stage(root, **REAL) as on:

        def wheel(point: list[int]) -> None:
            x, y = (str(side) for side in point)
            on.desktop.run(["xdotool", "mousemove", x, y, "sleep", "0.1", "click", "--repeat", "3", "5"])

        yield Run(on.folder, on.play("habits", looks, {"wheel": wheel}), {})


@pytest.mark.parametrize("name", scenes("habits"))
def test_the_scene_played_to_its_end(run: Run, name: str) -> None:
    ended = [line["scene"] for line in run.told.lines if line["name"] == "scene ended"]
    assert name in ended, run.told.errors


def test_pressing_stylize_on_a_foreign_profile_leaves_the_undo_history_alone(run: Run) -> None:
    found = run.told["history while it paints"]
    assert found["before"]["redo"]
    assert found["now"] == found["before"]
    assert not found["modified"]
    assert run.told["redone after a painting was cancelled"][0] == "Redone"


def test_a_painting_in_a_foreign_profile_is_one_step_of_undo(run: Run) -> None:
    assert run.told["painted in a foreign profile"]["stage"] == "done"
    before, undone = run.told["one undo later"]
    assert undone == before
    assert run.told["documents"] == 1  # none that nobody sees is left


def test_a_new_painting_is_on_top_of_the_earlier_ones_and_active(run: Run) -> None:
    assert run.told["order"][:5] == ["Starry", "third", "second", "first", "Photo"]


def test_whoever_has_gone_to_another_layer_stays_there(run: Run) -> None:
    assert run.told["active where the painter went"] == "Starry"


def test_restylize_keeps_the_selection_it_was_painted_in(run: Run) -> None:
    first, again, anew = (raw(run, name)[0] for name in ("region first", "region again", "region anew"))
    assert (first[..., 3] > 0).mean() > 0
    assert ((first[..., 3] > 0) & (first[..., 3] < 1)).any(), "nothing is soft"
    assert np.array_equal(first, again)
    assert np.array_equal(first[..., 3], anew[..., 3])
    assert not np.array_equal(first, anew)


def test_restylize_takes_the_docker_s_settings_where_asked_to(run: Run) -> None:
    assert run.told["seed anew"] == 1234
    assert run.told["its content"]


@pytest.mark.parametrize("field", ["strength", "quality", "size", "style_scale"])
def test_the_wheel_scrolls_and_changes_no_setting(run: Run, field: str) -> None:
    assert run.told["wheel"][field] == {"scrolled": True, "same": True}


def test_the_wheel_changes_a_number_that_has_the_keyboard(run: Run) -> None:
    assert run.told["wheel with focus"]


@pytest.mark.parametrize("part", ["keep", "cancel", "preview", "go"])
def test_a_painting_s_buttons_are_in_sight(run: Run, part: str) -> None:
    assert run.told["in sight"][part], run.told["in sight"]


@pytest.mark.parametrize("kind", ["grouplayer", "vectorlayer"])
def test_the_menu_entries_can_be_chosen_on_every_layer(run: Run, kind: str) -> None:
    assert all(run.told["menu entries"][kind].values()), run.told["menu entries"]


def test_all_selected_layers_are_painted_each_above_its_own(run: Run) -> None:
    assert run.told["button for several"] == "Stylize 5 layers"
    assert run.told["several began"] == 4
    assert run.told["several said"].startswith("⚠ The layer “Empty” is empty")
    painted = [name for name in run.told["several order"] if name != "Empty"]
    names = ["Third", "Second", "Photo", "Background"]
    assert painted == [each for name in names for each in (f"{name} – Mosaic", name)]
    assert run.told["button for one"] == "Stylize"


def test_a_style_that_was_closed_is_said_before_painting(run: Run) -> None:
    found = run.told["lost style"]
    assert not found["enabled"]
    assert "is not open any more" in found["says"]


def test_a_bundled_style_s_settings_go_with_it(run: Run) -> None:
    found = run.told["tuned"]
    assert found["with it"] == found["own"] != found["usual"]
    assert found["after"] == found["usual"]
    assert found["set by hand"] == 77


def test_tooltips_wrap(run: Run) -> None:
    assert run.told["long tooltips"] > 3
    assert run.told["tooltips"] == []
