"""The judge's bench: what filled forms say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.judge import Answer, disagreements, fields_of, preference, read_form

KEY = {
    "01": {"pair": "lion-ink", "style": "ink", "left": "a"},
    "02": {"pair": "lion-oil", "style": "oil", "left": "b"},
    "03": {"pair": "town-oil", "style": "oil", "left": "a"},
}


def form(folder: Path, judge: str, *choices: str) -> Path:
    file = folder / f"{judge}.csv"
    file.write_text("sheet,choice\n" + "".join(f"{n:02},{choice}\n" for n, choice in enumerate(choices, 1)))
    return file


def test_left_and_right_are_told_apart_by_the_key(tmp_path: Path) -> None:
    answers = read_form(form(tmp_path, "anna", "L", "l", ""), KEY)
    assert [answer.won for answer in answers] == [0.0, 1.0, 0.5]
    assert {answer.judge for answer in answers} == {"anna"}
    assert [answer.won for answer in read_form(form(tmp_path, "ben", "R", "R", "R"), KEY)] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("choices", [("left",), ("L", "L", "L", "L")])
def test_a_form_that_is_filled_in_wrongly_is_refused_with_what_it_says(tmp_path: Path, choices: tuple[str]) -> None:
    with pytest.raises(ValueError, match=r"anna\.csv: sheet"):
        read_form(form(tmp_path, "anna", *choices), KEY)


def test_an_interval_is_as_wide_as_few_styles_make_it() -> None:
    """Many answers on one style say as little of other styles as one does."""
    many = [Answer("anna", f"{n}-{style}", style, float(style != "ink")) for n in range(20) for style in ("ink", "oil")]
    share, low, high = preference(many)
    assert share == 0.5
    assert (low, high) == (0.0, 1.0)
    even = [Answer("anna", f"{n}", f"style {n}", float(n % 4 > 0)) for n in range(40)]
    share, low, high = preference(even)
    assert share == 0.75
    assert 0.5 < low < 0.75 < high < 0.95


def test_judges_who_chose_differently_are_named(tmp_path: Path) -> None:
    answers = [
        *read_form(form(tmp_path, "anna", "L", "L", ""), KEY),
        *read_form(form(tmp_path, "ben", "R", "L", "R"), KEY),
    ]
    assert disagreements(answers) == ["lion-ink"]


def test_a_way_is_given_as_a_recipes_fields() -> None:
    assert fields_of("look=brushwork,lines=0.5,turns=true") == {"look": "brushwork", "lines": 0.5, "turns": True}
