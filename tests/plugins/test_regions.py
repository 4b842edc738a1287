"""Where a style paints: regions made from selections, kept by hash, laid over layers, shown small."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_host.regions import Place, Region
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput, StyleRef, region_over
from vaporbrush_host.style_selection import StyleSelection
from vaporbrush_protocol.errors import RequestError

INK, WOODCUT, FILE = StyleRef("bundled", "ink"), StyleRef("bundled", "woodcut"), StyleRef("file", "/a.png")
PLACES = st.builds(Place, *(st.integers(-9, 9),) * 2, *(st.integers(1, 9),) * 2)


def region(x: int = 4, y: int = 2, width: int = 3, height: int = 2, value: int = 255) -> Region:
    found = Region.of(bytes([value]) * (width * height), Place(x, y, width, height))
    assert found is not None
    return found


def on_canvas(mask: bytes, place: Place) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The mask in a picture from -20 to 20."""
    whole = np.zeros((40, 40), np.uint8)
    left, top = place.x + 20, place.y + 20
    whole[top : top + place.height, left : left + place.width] = np.frombuffer(mask, np.uint8).reshape(
        place.height, place.width
    )
    return whole


@given(PLACES, PLACES, st.data())
def test_a_region_is_the_selection_wherever_it_is_laid(own: Place, layer: Place, data: st.DataObject) -> None:
    count = own.width * own.height
    mask = bytes(data.draw(st.lists(st.sampled_from([0, 0, 0, 128, 255]), min_size=count, max_size=count)))
    found = Region.of(mask, own)
    if found is None:
        assert not any(mask)
        return
    assert np.array_equal(on_canvas(found.mask(), found.place), on_canvas(mask, own))
    rows = np.frombuffer(found.mask(), np.uint8).reshape(found.place.height, found.place.width)
    assert all(edge.any() for edge in (rows[0], rows[-1], rows[:, 0], rows[:, -1])), "larger than what is selected"
    laid = found.over(layer)
    expected = on_canvas(mask, own)[
        layer.y + 20 : layer.y + 20 + layer.height, layer.x + 20 : layer.x + 20 + layer.width
    ]
    if laid is None:
        assert not expected.any()
    else:
        assert laid == expected.tobytes()


def test_a_region_comes_back_from_its_json_and_the_mask_of_its_hash() -> None:
    kept = region(value=77)
    told = json.loads(json.dumps(kept.to_json()))
    masks = {kept.blob: kept.packed}
    assert Region.from_json(told, masks.get) == kept
    assert Region.from_json(told, {}.get) is None
    for damaged in (b"", b"junk", kept.packed[:-3], zlib.compress(bytes(10**6)), zlib.compress(b"\7" * 6)):
        assert Region.from_json(told, lambda _blob, damaged=damaged: damaged) is None
    for junk in (None, 5, {}, {**told, "place": [0, 0, 10**9, 10**9]}, {**told, "place": [0, 0, 3.0, 2]},
                 {**told, "mask": 7}, {**told, "mask": "x"}, {**told, "place": [0, 0, -3, -2]}):  # fmt: skip
        assert Region.from_json(junk, masks.get) is None


def test_a_style_is_remembered_with_its_region() -> None:
    ref = INK.placed(region())
    assert ref.region is not None
    raw = json.loads(json.dumps([ref.to_json(), FILE.to_json()]))
    assert StyleRef.several(raw, {ref.region.blob: ref.region.packed}.get) == (ref, FILE)
    assert StyleRef.several(raw) == (INK, FILE)
    assert "region" not in FILE.to_json()  # what earlier versions wrote, and read


def test_a_thumbnail_shows_where_in_its_picture_a_region_is() -> None:
    rows, width, height = region(50, 0, 50, 40).thumbnail(Place(0, 0, 100, 80), (20, 30))
    assert (width, height) == (20, 16)
    seen = np.frombuffer(rows, np.uint8).reshape(height, width)
    assert seen[:8, 10:].min() == 255
    assert not seen[:, :10].any()
    assert not seen[8:].any()
    line = np.frombuffer(region(0, 40, 100, 2).thumbnail(Place(0, 0, 100, 80), (20, 30))[0], np.uint8)
    assert line.max() > 60, "a thin region is not seen"
    soft = np.frombuffer(region(0, 0, 100, 80, 90).thumbnail(Place(0, 0, 100, 80), (20, 30))[0], np.uint8)
    assert set(soft.tolist()) == {90}


def test_another_style_paints_in_the_selection_that_it_was_asked_for_with() -> None:
    where = region()
    mix = StyleSelection.of([INK]).add(where)
    assert mix.adding
    mix = mix.choose(WOODCUT)
    assert mix.styles == (INK, WOODCUT.placed(where))
    assert mix.region is None
    assert mix.choose(FILE).styles == (INK, FILE.placed(where)), "a replaced style keeps the region"
    assert mix.add().choose(FILE).styles[2].region is None
    assert mix.turn(0).choose(FILE).styles[0].region is None


def test_a_style_that_is_there_already_gets_the_region() -> None:
    where = region()
    mix = StyleSelection.of([INK, WOODCUT]).add(where).choose(INK)
    assert mix.styles == (INK.placed(where), WOODCUT)
    assert mix.at == 0
    assert StyleSelection.of([INK.placed(where)]).add().choose(INK).styles == (INK.placed(where),)


def test_giving_up_gives_up_the_region_too() -> None:
    mix = StyleSelection.of([INK]).add(region())
    assert mix.turn(1).choose(WOODCUT).styles[1].region is None
    assert mix.remove(1) == StyleSelection.of([INK])
    assert StyleSelection.of([INK.placed(region())]).place(0, None).styles == (INK,)


def test_the_mask_travels_by_its_hash_over_the_whole_layer() -> None:
    mask = region_over(region(1, 0, 2, 1), Place(0, 0, 4, 2), "Ink", "Photo")
    assert mask is not None
    assert bytes(mask.data) == bytes([0, 255, 255, 0, 0, 0, 0, 0])
    order = PaintRequest(Pixels(bytes(32), 4, 2), (StyleInput(name="ink", mask=mask), StyleInput(name="woodcut")), {})
    recipe, pictures = order.prepared()
    assert recipe.styles[0].mask is not None
    assert pictures[recipe.styles[0].mask.blob] == mask.data
    assert recipe.styles[1].mask is None


def test_a_region_that_is_not_on_the_layer_is_a_sentence() -> None:
    with pytest.raises(RequestError, match="The region of “Ink” is not on the layer “Photo”: choose it anew"):
        region_over(region(), Place(100, 100, 10, 10), "Ink", "Photo")
    assert region_over(None, Place(0, 0, 1, 1), "Ink", "Photo") is None
