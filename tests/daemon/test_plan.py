"""The planner: sizes, budgets and memory, without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vaporbrush_daemon.plan import SCHEDULES, Speed, predict, read_speed, write_speed
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import Image, Recipe, Style

SPEED = Speed("bf16", 4.5, 0.01, measured=True)


def recipe(width: int = 4096, height: int = 3072, **fields: object) -> Recipe:
    return Recipe(Image("", width, height), (Style(Image("", 800, 600)),), **fields)


def test_planning_needs_no_torch() -> None:
    code = "import sys, vaporbrush_daemon.plan; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("quality", ["draft", "standard", "fine"])
def test_auto_is_the_largest_size_that_fits_the_budget(quality: str) -> None:
    found = predict(recipe(quality=quality), SPEED)
    budget = SCHEDULES[quality].budget_s
    assert found.seconds <= budget
    larger = predict(recipe(quality=quality, size=found.width + 48), SPEED)
    assert larger.seconds > 0.9 * budget
    assert predict(recipe(quality=quality, size="full"), SPEED).width == 4096


def test_a_faster_device_paints_larger_and_a_small_layer_whole() -> None:
    slow, fast = (predict(recipe(), replace(SPEED, per_megapixel=s)) for s in (9.0, 0.05))
    assert fast.width > 2 * slow.width
    assert predict(recipe(300, 200), replace(SPEED, per_megapixel=0.1)).width == 300


def test_a_busy_machine_paints_the_same_size_and_says_that_it_takes_longer() -> None:
    busy = replace(SPEED, per_megapixel=3 * SPEED.per_megapixel, fastest=SPEED.per_megapixel)
    found, usual = predict(recipe(), busy), predict(recipe(), SPEED)
    assert (found.width, found.height) == (usual.width, usual.height)
    assert found.seconds > 2.5 * usual.seconds


def test_scales_double_up_to_the_painted_size() -> None:
    scales = predict(recipe(size=700), SPEED).scales
    assert [(s.width, s.height) for s in scales] == [(175, 131), (350, 262), (700, 525)]
    assert predict(recipe(size=90), SPEED).scales[0].width == 90


def test_steps_are_shared_out_exactly() -> None:
    for steps in (0, 1, 7, 100, 1001):
        assert predict(recipe(size=700, steps=steps), SPEED).steps == steps


def test_going_on_from_a_painting_skips_the_coarse_scales() -> None:
    start = Image("", 700, 525, "RGB")
    assert len(predict(recipe(size=700, start_image=start), SPEED).scales) == 1
    assert [s.width for s in predict(recipe(size=1400, start_image=start), SPEED).scales] == [700, 1400]


def test_tileable_pictures_have_sides_of_whole_positions() -> None:
    for scale in predict(recipe(1000, 700, size=500, tileable=True), SPEED).scales:
        assert scale.width % 16 == scale.height % 16 == 0


def test_a_content_is_never_painted_larger_than_it_is() -> None:
    assert predict(recipe(200, 100, size=1024), SPEED).width == 200


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"width": 300, "height": 9}, "The content is 300×9 pixels, but each side needs at least 16."),
        (
            {"width": 4096, "height": 128, "size": 300},
            "At size 300 the painting would be 300×9 pixels, but each side needs at least 16: choose a larger size.",
        ),
    ],
)
def test_what_is_too_small_is_reported_with_the_minimum(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(VaporbrushError) as told:
        predict(recipe(**fields), SPEED)
    assert (told.value.code, told.value.message) == ("too_small", sentence)


def test_less_memory_means_tiles_and_far_too_little_is_reported() -> None:
    whole = predict(recipe(size=2048), SPEED)
    assert whole.tile is None
    tight = predict(recipe(size=2048), SPEED, whole.memory_bytes // 2)
    assert tight.memory_bytes <= whole.memory_bytes // 2
    assert tight.seconds > whole.seconds
    assert "tiles of" in tight.text
    with pytest.raises(VaporbrushError, match=r"GB even in small tiles.*choose a smaller size") as told:
        predict(recipe(size=2048), SPEED, 10_000_000)
    assert told.value.code == "out_of_memory"


def test_auto_shrinks_until_it_fits_the_memory() -> None:
    fast = replace(SPEED, per_megapixel=0.001)
    assert predict(recipe(), fast, 1_500_000_000).width < predict(recipe(), fast).width


def test_the_second_try_needs_less_memory() -> None:
    first, second = (predict(recipe(size=1024), SPEED, plan_step=step) for step in (0, 1))
    assert second.memory_bytes < first.memory_bytes


@pytest.mark.parametrize("gigabytes", [16, 6, 3])
def test_the_second_try_is_never_the_first_again(gigabytes: int) -> None:
    """On a card whose first plan kept the image in the computer's memory, too."""
    card = replace(SPEED, device="cuda:0", precision="bf16")
    first, second = (
        predict(recipe(6000, 6000, size="full"), card, gigabytes * 10**9, plan_step=step) for step in (0, 1)
    )
    assert second.memory_bytes < first.memory_bytes
    assert second.text != first.text


def test_huge_layers_fit_small_machines() -> None:
    card = replace(SPEED, device="cuda:0")
    assert predict(recipe(8192, 8192, size="full", quality="draft"), card, 8 * 10**9).memory_bytes < 8e9
    assert predict(recipe(4096, 4096, size="full", quality="draft"), SPEED, 8 * 10**9).memory_bytes < 8e9
    processor = replace(SPEED, precision="bf16")
    assert predict(recipe(4096, 4096, size="full", quality="draft"), processor, 6 * 10**9).memory_bytes < 6e9


def test_speed_is_remembered_and_a_damaged_file_is_a_guess(tmp_path: Path) -> None:
    assert not read_speed(tmp_path, "cpu", "vgg19").measured
    write_speed(tmp_path, "cpu", "vgg19", SPEED)
    write_speed(tmp_path, "cpu", "vgg19-lite", replace(SPEED, per_megapixel=0.5))
    assert read_speed(tmp_path, "cpu", "vgg19") == SPEED
    assert read_speed(tmp_path, "cpu", "vgg19-lite").per_megapixel == 0.5
    (tmp_path / "speed.json").write_text("{broken")
    assert not read_speed(tmp_path, "cpu", "vgg19").measured
