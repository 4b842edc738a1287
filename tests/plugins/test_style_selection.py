"""The mix of styles while a person chooses them, and what suits the one that stands alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support.daemon import Daemon, picture
from vaporbrush_daemon import packaged
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_host import controls
from vaporbrush_host.job_threads import PaintThread
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput, StyleRef
from vaporbrush_host.style_selection import StyleSelection
from vaporbrush_protocol.controls import TUNED
from vaporbrush_protocol.limits import MAX_STYLES
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

INK, WOODCUT, FILE = StyleRef("bundled", "ink"), StyleRef("bundled", "woodcut"), StyleRef("file", "/a.png")


def test_the_first_choice_is_replaced_by_the_next() -> None:
    assert StyleSelection[StyleRef]().choose(INK).choose(FILE).styles == (FILE,)


def test_a_style_is_added_and_then_replaced_in_its_place() -> None:
    mix = StyleSelection.of([INK]).add()
    assert mix.adding
    assert mix.chosen is None
    mix = mix.choose(WOODCUT)
    assert (mix.styles, mix.chosen, mix.adding) == ((INK, WOODCUT), WOODCUT, False)
    assert mix.choose(FILE).styles == (INK, FILE)
    assert mix.turn(0).choose(FILE).styles == (FILE, WOODCUT)


def test_a_style_that_is_in_the_mix_is_turned_to_instead_of_doubled() -> None:
    mix = StyleSelection.of([INK, WOODCUT]).weigh(0, 3.0).add().choose(INK)
    assert [style.weight for style in mix.styles] == [3.0, 1.0]
    assert mix.at == 0


def test_a_new_choice_takes_over_the_weight() -> None:
    assert StyleSelection.of([INK, WOODCUT]).weigh(0, 2.5).choose(FILE).styles[0] == replace(FILE, weight=2.5)


def test_adding_can_be_given_up() -> None:
    mix = StyleSelection.of([INK]).add()
    assert mix.remove(mix.at) == StyleSelection.of([INK])
    assert StyleSelection.of([INK]).remove(0) == StyleSelection()


def test_one_taken_out_leaves_the_others_where_they_are() -> None:
    mix = StyleSelection.of([INK, WOODCUT, FILE]).turn(1)
    assert mix.remove(0).chosen == WOODCUT
    assert mix.remove(2).chosen == WOODCUT
    assert mix.remove(1).styles == (INK, FILE)
    assert mix.add().remove(0).adding


@given(st.lists(st.tuples(st.sampled_from(["choose", "add", "turn", "remove"]), st.integers(0, 12))))
def test_whatever_is_pressed_the_mix_stays_whole(acts: list[tuple[str, int]]) -> None:
    mix = StyleSelection[StyleRef]()
    for act, number in acts:
        if act == "choose":
            mix = mix.choose(StyleRef("bundled", f"style{number}"))
        elif act == "add":
            mix = mix.add()
        elif act == "turn":
            mix = mix.turn(number)
        else:
            mix = mix.remove(min(number, len(mix.styles)))
        assert len(mix.styles) <= MAX_STYLES
        assert 0 <= mix.at <= len(mix.styles)
        assert len({style.name for style in mix.styles}) == len(mix.styles)
        assert mix.full or mix.add().chosen is None


def test_a_bundled_style_alone_brings_what_suits_it(daemon: Daemon) -> None:
    content, pixels = picture()
    values = {name: value for name, value in controls.defaults().items() if name not in TUNED}

    def painted(*styles: StyleInput, **given: float) -> dict[str, float]:
        layer = Pixels(pixels, content.width, content.height, "RGB")
        run = PaintThread(PaintRequest(layer, styles, {**values, **given}), lambda _state: None, daemon.client)
        run.start()
        run.join(30)
        recipe = run.state.result["recipe"]
        return {name: recipe[name] for name in TUNED}

    mosaic, ink = StyleInput(name="mosaic"), StyleInput(name="ink")
    own = StyleLibrary(packaged.art() / "styles", Path("nowhere")).file("mosaic")
    assert own.tuned["strength"] != DEFAULT_STRENGTH, "the default: choose another style for this test"
    assert painted(mosaic) == {"strength": own.tuned["strength"], "style_scale": own.tuned["style_scale"]}
    assert painted(mosaic, strength=3000.0) == {"strength": 3000.0, "style_scale": own.tuned["style_scale"]}
    assert painted(mosaic, ink) == {"strength": DEFAULT_STRENGTH, "style_scale": 1.0}  # of a mix nothing is known
