"""Variations in the real Krita. Its painter is quick: of the numbers that it gets, only the seed shows.

One run plays `krita_scripts/variations.py`; each test judges one thing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.host import GRADIENTS
from hosts.krita import Run, cli, scenes
from hosts.krita_stage import stage
from hosts.root import Root
from support.daemon import until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita with the plug-in has played all scenes."""
    with stage(root, **GRADIENTS) as on:
        told = on.play("variations", looks)
        with on.daemon.client() as client:
            until(lambda: all(job.final for job in client.jobs()), "what the window painted has ended")
            states = [job.state for job in client.jobs()]
        listed = json.loads(cli(on.daemon.home, "history", "--json").stdout)["entries"]
        yield Run(on.folder, told, {"listed": listed, "states": states})


@pytest.mark.parametrize("name", scenes("variations"))
def test_the_scene_played_to_its_end(run: Run, name: str) -> None:
    run.told.played(name)


def test_there_are_nine_small_paintings_by_strength_and_scale_and_nothing_is_in_the_document(run: Run) -> None:
    rows, columns = ("Strength 20", "Strength 100", "Strength 500"), ("Scale 0.5", "Scale 1", "Scale 2")
    assert run.told["captions"] == [[row, column] for row in rows for column in columns]
    assert run.told["line"] == "Press one to paint it in full."
    assert run.told["layers before"], "nothing came into the document yet"


def test_one_press_paints_it_in_full_with_the_docker_s_own_size(run: Run) -> None:
    wanted = {"strength": 20.0, "style_scale": 2.0}
    assert run.told["shown"] == {**wanted, "steps": 3, "size": 96}
    painted = run.told["painted"]
    assert painted["stage"] == "done"
    assert painted["values"] == {**wanted, "size": 96}
    assert any("Impasto" in str(layer) for layer in run.told["layers"])


def test_chance_is_another_seed_and_a_closed_window_paints_no_more(run: Run) -> None:
    assert run.told["seeds"] == [[f"Seed {seed}"] for seed in range(7, 16)]
    assert run.told["different"] == 9
    assert len(run.facts["states"]) < 9 + 1 + 9 + 9 + 9
    assert set(run.facts["states"]) <= {"done", "cancelled"}


def test_small_paintings_are_not_in_the_history(run: Run) -> None:
    assert [entry["styles"] for entry in run.facts["listed"]] == [["Impasto swirls"]]
