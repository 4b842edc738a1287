"""Links where a model is kept: never followed when something is written, and no reason to fall over."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaporbrush_daemon import weights
from vaporbrush_protocol.errors import VaporbrushError


def test_a_link_in_the_models_place_is_replaced_and_what_it_names_is_left_alone(
    home: Path, vgg19_file: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("not a model")
    weights.kept().parent.mkdir(parents=True)
    weights.kept().symlink_to(mine)
    weights.import_file(vgg19_file)
    assert mine.read_text() == "not a model"
    assert not weights.kept().is_symlink()
    assert weights.known()[0].size > 20e6


@pytest.mark.parametrize("target", ["nowhere", "vgg19.safetensors", "."], ids=["dangling", "loop", "folder"])
def test_a_link_that_leads_to_no_file_counts_as_no_model(home: Path, target: str) -> None:
    weights.kept().parent.mkdir(parents=True)
    weights.kept().symlink_to(target)
    assert not weights.known()[0].present
    assert "weights fetch" in weights.known()[0].advice


def test_a_download_does_not_write_through_a_link(home: Path, tmp_path: Path) -> None:
    """It is refused before the server is asked."""
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    part = weights.kept().with_name("model.pth.part")
    part.parent.mkdir(parents=True)
    part.symlink_to(mine)
    source = weights.Source("vgg19", "http://127.0.0.1:9/model.pth", 10, "0" * 64)
    with pytest.raises(VaporbrushError) as caught:
        weights.fetch(lambda *_: None, source)
    assert str(part.parent) in caught.value.message
    assert mine.read_text() == "mine"
