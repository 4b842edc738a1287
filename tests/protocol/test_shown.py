"""What comes from elsewhere cannot act on whoever it is shown to."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.shown import BIDI, plain, short


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße aus Zürich – 東京 👩‍🎨.png", "Grüße aus Zürich – 東京 👩‍🎨.png"),
        ("\x1b[2J\x1b]0;X\x07.png", r"\x1b[2J\x1b]0;X\x07.png"),
        ("\x9b2J", r"\x9b2J"),
        ("invoice\u202egnp.exe", r"invoice\u202egnp.exe"),
        ("one\ntwo\ttabbed\u2028three", r"one\x0atwo\x09tabbed\u2028three"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("\ud800", r"\ud800"),
        (12, "12"),
    ],
)
def test_a_text_is_shown_with_what_is_dangerous_as_an_escape(text: object, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(st.characters(categories=None, codec=None)))
def test_nothing_that_acts_gets_through_and_nothing_else_changes(text: str) -> None:
    shown = plain(text)
    assert not BIDI & set(shown)
    assert all(unicodedata.category(one) not in ("Cc", "Cs", "Zl", "Zp") for one in shown)
    shown.encode()
    assert plain(shown) == shown


@given(st.text(st.characters(categories=None, codec=None)), st.integers(3, 40))
def test_a_shortened_text_fits_and_says_that_it_was_cut(text: str, most: int) -> None:
    shown = short(text, most)
    assert len(shown.encode()) <= most
    assert shown == plain(text) or (shown.endswith("…") and plain(text).startswith(shown[:-1]))


def test_the_sentence_of_an_error_is_plain_whoever_said_it() -> None:
    said = RemoteError.from_wire({"code": "internal", "message": "\x1b]0;X\x07 of\nthe daemon", "retryable": False})
    assert said.message == str(said) == r"\x1b]0;X\x07 of\x0athe daemon"
