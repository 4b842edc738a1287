"""Recipe, progress and job: what goes onto the wire comes back the same, and nothing else comes in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_protocol import Held, Image, Job, Preview, Progress, Recipe, RemoteError, RequestError, Style
from vaporbrush_protocol import recipe as words
from vaporbrush_protocol.codec import decode, encode
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.limits import MAX_SIDE

BLOB = hashlib.sha256(b"").hexdigest()
MASK = Image(BLOB, 640, 480, "GRAY", "u16", "linear")

sides = st.integers(1, 4000)
shares = st.floats(0.0, 1.0)


def literal(kind: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(kind))


pictures = st.builds(
    Image,
    blob=st.just(BLOB),
    width=sides,
    height=sides,
    channels=literal(words.Channels),
    depth=literal(words.Depth),
    transfer=literal(words.Transfer),
)
styles = st.builds(Style, image=pictures, weight=st.floats(0.01, 1000.0)) | st.builds(
    Style, name=st.text(min_size=1, max_size=40)
)
recipes = st.builds(
    Recipe,
    content=pictures,
    styles=st.lists(styles, min_size=1, max_size=8).map(tuple),
    start_image=st.none() | pictures,
    boil=shares,
    size=st.integers(1, MAX_SIDE) | st.sampled_from(["full", "auto"]),
    quality=literal(words.Quality),
    strength=st.floats(words.MIN_STRENGTH, words.MAX_STRENGTH),
    style_scale=st.floats(words.MIN_STYLE_SCALE, words.MAX_STYLE_SCALE),
    color=literal(words.Color),
    blend=shares,
    tileable=st.booleans(),
    start=literal(words.Start),
    steps=st.none() | st.integers(0, 10_000),
    optimizer=literal(words.Optimizer),
    layer_weights=st.none() | st.tuples(*[st.floats(0.5, 9.0)] * 5),
    pool=literal(words.Pool),
    tv=shares,
    seed=st.integers(0, 2**53 - 1),
    model=st.text(max_size=40),
    device=st.text(max_size=40),
    outside=literal(words.Outside),
)


@given(recipes, st.booleans())
def test_every_recipe_travels_in_msgpack_and_in_json(recipe: Recipe, masked: bool) -> None:
    if masked:
        mask = Image(BLOB, recipe.content.width, recipe.content.height, "GRAY")
        recipe = replace(recipe, mask=mask, styles=(replace(recipe.styles[0], mask=mask), *recipe.styles[1:]))
        before = Held(replace(recipe.content, channels="RGB"), Image(BLOB, 32, 24, "RGB", "f32"))
        recipe = replace(recipe, held=(before, before))
    header, _ = decode(encode({"recipe": recipe.to_wire()}))
    assert Recipe.from_wire(header["recipe"]) == recipe
    assert Recipe.from_wire(json.loads(json.dumps(recipe.to_wire()))) == recipe
    assert Recipe.from_wire({**recipe.to_wire(), "from a newer version": [1]}) == recipe


def test_nil_is_a_field_left_out() -> None:
    wire = Recipe(Image(BLOB, 640, 480), (Style(name="vaporwave"),)).to_wire()
    assert Recipe.from_wire({**wire, "seed": None, "tileable": None, "mask": None}) == Recipe.from_wire(wire)


def test_a_recipe_names_its_pictures_in_order() -> None:
    content, style, start = (Image(c * 64, 640, 480) for c in "abc")
    recipe = Recipe(content, (Style(image=style, mask=MASK), Style(name="x")), mask=MASK, start_image=start)
    assert recipe.images == (content, style, MASK, MASK, start)


def test_an_image_describes_its_bytes() -> None:
    image = Image.of(bytearray(2 * 3 * 4 * 4), 2, 3, "BGRA", "f32", "linear")
    assert image.size_bytes == 96
    assert image.blob == hashlib.sha256(bytes(96)).hexdigest()
    assert Image.of(memoryview(bytes(12)).cast("H"), 2, 3, "GRAY", "u16").pixel_bytes == 2
    with pytest.raises(RequestError, match=r"2×3 RGBA u8 pixels has 24 bytes, not 23"):
        Image.of(bytes(23), 2, 3)


@pytest.mark.parametrize("channels", get_args(words.Channels))
@pytest.mark.parametrize("depth", get_args(words.Depth))
def test_the_number_of_bytes_follows_from_the_form(channels: Any, depth: Any) -> None:
    count = {"RGB": 3, "RGBA": 4, "BGRA": 4, "GRAY": 1, "GRAYA": 2}[channels]
    assert Image(BLOB, 5, 7, channels, depth).size_bytes == 35 * count * {"u8": 1, "u16": 2, "f16": 2, "f32": 4}[depth]


def sentence(change: dict[str, Any]) -> str:
    wire = {"content": Image(BLOB, 640, 480).to_wire(), "styles": [{"name": "vaporwave"}], **change}
    with pytest.raises(RequestError) as refusal:
        Recipe.from_wire(wire)
    return refusal.value.message


def test_a_refused_field_is_named_with_its_value_and_what_it_must_be() -> None:
    assert sentence({"strength": 0}) == "`strength` is 0, but must be a number from 0.1 to 100000."
    assert sentence({"strength": float("nan")}) == "`strength` is nan, but must be a number from 0.1 to 100000."
    assert sentence({"quality": "best"}) == "`quality` is 'best', but must be one of draft, standard, fine."
    assert sentence({"steps": 1.5}) == "`steps` is 1.5, but must be a whole number from 0 to 10000."
    assert sentence({"styles": [{"image": {"blob": BLOB, "width": 9}}]}) == (
        "`styles[0].image.height` is missing; it must be given."
    )
    assert sentence({"styles": [{"name": "x", "weight": 0}]}) == (
        "All weights in `styles` are 0, but one at least must be above 0."
    )
    assert sentence({"mask": replace(MASK, width=10).to_wire()}) == (
        "`mask` is '10×480', but must be as large as the content, 640×480."
    )
    assert sentence({"mask": replace(MASK, channels="RGB").to_wire()}) == (
        "`mask.channels` is 'RGB', but must be GRAY."
    )
    assert sentence({"device": "x" * 999}).startswith("`device` is 'xxxxxxxx")
    assert len(sentence({"device": "x" * 999})) < 200
    assert sentence({"styles": "vaporwave"}) == "`styles` is 'vaporwave', but must be a list of 1 to 8 items."
    assert sentence({"layer_weights": {}}) == "`layer_weights` is a map, but must be a list of 5 items."
    assert sentence({"styles": []}) == "`styles` is a list of 0 items, but must be a list of 1 to 8 items."


# ── progress and job ─────────────────────────────────────────────────────────────────────────────────────────────

PROGRESS = Progress("painting", 2, 3, 40, 100, 512, 384, 1.5, 0.5, 1.0, 12.0, 18.0)


def test_progress_travels() -> None:
    assert Progress.from_wire(PROGRESS.to_wire()) == PROGRESS
    assert Progress.from_wire({"phase": "loading", "eta_s": None, "mood": "teal"}) == Progress("loading")
    assert PROGRESS.fraction == 0.4
    assert Progress("loading").fraction == 0.0
    assert Progress("painting", step=9, steps=6).fraction == 1.0


@pytest.mark.parametrize(
    "change",
    [{"phase": "dreaming"}, {"phase": None}, {"step": -1}, {"step": 1.5}, {"loss": "low"}, {"elapsed_s": "long"}],
)
def test_progress_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=r"`progress\.\w+` is"):
        Progress.from_wire({**PROGRESS.to_wire(), **change})
    with pytest.raises(RequestError, match="must be a map"):
        Progress.from_wire([])


def test_a_job_is_read_with_everything_it_may_carry() -> None:
    image = Image(BLOB, 2, 2).to_wire()
    wire = {
        "job": "j",
        "state": "failed",
        "seq": 4,
        "kind": "paint",
        "label": "Layer 1",
        "position": 0,
        "progress": PROGRESS.to_wire(),
        "result": {"image": image, "canvas": image},
        "error": {"code": "diverged", "message": "The loss became nan.", "retryable": False},
        "attempts": 2,
        "notes": ["The worker died."],
        "preview": {"number": 1, "width": 1, "height": 2, "channels": "RGB"},
    }
    job = Job.from_wire(wire, b"abcdef")
    assert job.final
    assert job.image == job.canvas == Image(BLOB, 2, 2)
    assert job.error is not None
    assert (job.error.code, job.notes, job.attempts) == ("diverged", ("The worker died.",), 2)
    assert job.preview == Preview(1, 1, 2, b"abcdef")
    least = Job.from_wire({"job": "j", "state": "queued", "seq": 1})
    assert (least.final, least.image, least.canvas, least.preview, least.progress) == (False, None, None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"job": None},
        {"state": "lost"},
        {"seq": -1},
        {"kind": "dream"},
        {"result": []},
        {"error": "no"},
        {"notes": "x"},
        {"notes": [5]},
        {"position": "first"},
        {"preview": {"number": 1, "width": 2, "height": 2}},
        {"preview": {"number": 1, "width": 0, "height": 2}},
    ],
)
def test_a_job_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        Job.from_wire({"job": "j", "state": "queued", "seq": 1, **change})


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_errors_travel_with_what_to_do_next() -> None:
    error = VaporbrushError("busy", "The queue is full.", retry_after_s=2)
    wire = {"code": "busy", "message": "The queue is full.", "retryable": True, "retry_after_s": 2}
    assert error.to_wire() == wire
    remote = RemoteError.from_wire(wire)
    assert (remote.code, remote.message, remote.retry_after_s, remote.retryable) == ("busy", str(error), 2.0, True)
    assert repr(remote) == "RemoteError(busy: The queue is full.)"
    strange = RemoteError.from_wire({"code": 5, "retry_after_s": "soon"})
    assert (strange.code, strange.retry_after_s, strange.retryable) == ("internal", None, False)
    assert "retry_after_s" not in LinkError("timeout", "Late.").to_wire()


def test_an_error_code_that_is_not_in_the_table_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="not in the table"):
        VaporbrushError("oops", "Oops.")
