"""How a film is divided among devices, without painting anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_protocol.film_plan import MIN_PIECE, Look, Piece, Step, outline, outside, pieces


def looks(shown: str) -> list[Look | None]:
    """A letter for each frame: equal ones show the same, capitals another scene; `?` cannot be read."""
    found: list[Look | None] = []
    before = ""
    for one in shown:
        if one == "?":
            found.append(None)
            continue
        found.append(Look(one.encode(), not before or one.isupper() != before.isupper()))
        before = one
    return found


def planned(shown: str, places: int, begins: int = 0) -> list[Piece]:
    return pieces(outline(looks(shown), begins).scenes, places)


def test_each_drawing_is_painted_once_held_to_the_one_before_and_to_its_scenes_first() -> None:
    found = outline(looks("aabacAB"), 0)
    assert found.scenes == [[Step(0, None, None), Step(2, 0, 0), Step(4, 0, 0)], [Step(5, None, None), Step(6, 5, 5)]]
    assert found.repeats == {0: [1, 3]}


def test_what_cannot_be_read_is_left_out() -> None:
    assert outline(looks("a?b"), 0).scenes == [[Step(0, None, None), Step(2, 0, 0)]]


def test_what_is_painted_already_is_held_to_and_not_planned() -> None:
    assert outline(looks("abcd"), 2).scenes == [[Step(2, 1, 0), Step(3, 2, 0)]]


def test_what_shows_the_same_as_a_frame_that_failed_is_painted_itself_and_nothing_is_held_to_that_one() -> None:
    found = outline(looks("abcaa"), 2, {0})
    assert found.scenes == [[Step(2, 1, 1), Step(3, 2, 1)]]
    assert (found.shows, found.repeats) == ({1: 1, 2: 2, 3: 3, 4: 3}, {3: [4]})


def test_pieces_keys_are_held_to_each_other_and_each_piece_begins_at_its_key() -> None:
    found = planned("abcdefghijklmnop", 4)
    assert [len(piece) for piece in found] == [6, 4, 4, 2], "each begins one drawing later, and all end together"
    assert [piece[0] for piece in found] == [Step(0, None, None), Step(6, 0, 0), Step(10, 6, 0), Step(14, 10, 0)]
    assert found[1][1] == Step(7, 6, 0)
    assert outside(found) == {0, 6, 10}


def test_the_devices_of_a_long_film_all_end_together() -> None:
    found = planned("".join(chr(0x4E00 + i) for i in range(1000)), 8)
    assert [begin + len(piece) for begin, piece in enumerate(found)] == pytest.approx([128.5] * 8, abs=1)


def test_a_drawing_after_one_that_another_piece_paints_is_held_to_its_own_pieces_last() -> None:
    found = planned("abcdefaghijk", 3)
    assert Step(7, 5, 0) in [step for piece in found for step in piece], "not to `a`, which is no neighbour there"


def test_a_short_film_is_not_cut() -> None:
    assert len(planned("a" * 50 + "bcd", 8)) == 1
    assert planned("", 8) == []


@given(
    shown=st.text(alphabet="abcdefghABCDEFGH?", max_size=60),
    places=st.integers(1, 9),
    begins=st.integers(0, 20),
)
def test_every_drawing_is_in_one_piece_and_waits_only_for_what_is_before(shown: str, places: int, begins: int) -> None:
    found = outline(looks(shown), begins)
    cut = pieces(found.scenes, places)
    numbers = [step.number for piece in cut for step in piece]
    assert numbers == sorted({drawing for drawing in found.shows.values() if drawing >= begins})
    for index, piece in enumerate(cut):
        earlier = {step.number for other in cut[:index] for step in other} | set(range(begins))
        keys = {other[0].number for other in cut[:index]}
        mine: set[int] = set()
        for step in piece:
            assert {one for one in (step.last, step.first) if one is not None} <= earlier | mine
            assert step.last is None or step.last in mine or step.last in keys or not mine
            mine.add(step.number)


@pytest.mark.parametrize("places", [2, 8, 64])
def test_no_piece_is_shorter_than_half_of_what_is_worthwhile(places: int) -> None:
    found = planned("".join(chr(0x4E00 + i) for i in range(100)), places)
    assert sum(map(len, found)) == 100
    assert min(map(len, found)) >= MIN_PIECE / 2
    assert len(found) <= places
