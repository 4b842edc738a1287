"""Presets are kept whole, and one that comes from elsewhere may hold anything."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.preset_archive import pack, unpack
from vaporbrush_protocol.presets import MAX_PICTURE_BYTES, NewStyle, PresetStore, PresetStyle

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
JPEG = b"\xff\xd8\xff" + bytes(50)
SETTINGS = {"strength": 300.0, "look": "brushwork", "steps": None, "layer_weights": (1.0, 0.0, 2.0, 0.0, 0.5)}


@pytest.fixture
def store(tmp_path: Path) -> PresetStore:
    return PresetStore(tmp_path / "home")


@pytest.fixture
def inky(store: PresetStore, tmp_path: Path) -> PresetStore:
    picture = tmp_path / "Über Paper.jpeg"
    picture.write_bytes(JPEG)
    styles = [NewStyle(name="ink", weight=2.0), NewStyle(file=picture), NewStyle(data=PNG, title="Über Paper")]
    store.save("Inky ✒", styles, SETTINGS)
    return store


def test_what_was_kept_comes_back(inky: PresetStore) -> None:
    preset = inky.load("inky ✒")
    folder = inky.folder / "Inky ✒"
    assert preset.name == "Inky ✒"
    assert preset.styles == (
        PresetStyle(name="ink", weight=2.0),
        PresetStyle(picture=folder / "Über Paper.jpg"),
        PresetStyle(picture=folder / "Über Paper.png"),
    )
    assert preset.settings == SETTINGS
    assert (folder / "Über Paper.jpg").read_bytes() == JPEG
    assert stat.S_IMODE(inky.folder.stat().st_mode) == 0o700


def test_as_one_file_it_goes_to_another_computer(inky: PresetStore, tmp_path: Path) -> None:
    file = tmp_path / "out.vbpreset"
    pack(inky, "Inky ✒", file)
    other = PresetStore(tmp_path / "elsewhere")
    preset = unpack(other, file)
    assert preset.settings == SETTINGS
    assert [style.picture.read_bytes() for style in preset.styles if style.picture] == [JPEG, PNG]
    assert unpack(other, file, name="second").name == "second"
    assert other.names() == ["Inky ✒", "second"]
    with pytest.raises(RequestError, match="There is a preset “Inky ✒” already"):
        unpack(other, file)
    assert unpack(other, file, replace=True).name == "Inky ✒"
    assert sorted(path.name for path in other.folder.iterdir()) == ["Inky ✒", "second"]


KRITA = """
import sys
from pathlib import Path
from vaporbrush_protocol.presets import NewStyle, PresetStore
store = PresetStore(Path(sys.argv[1]))
names = store.names()
preset = store.load(names[0])
assert all(style.picture.read_bytes() for style in preset.styles if style.picture), preset
store.save("Aus Krita \\u2712", [NewStyle(data=b"\\x89PNG\\r\\n\\x1a\\n", title="Flei\\xdf")], {})
print(ascii(names), sys.getfilesystemencoding())
"""


def test_a_program_that_takes_names_for_latin_1_finds_the_same_presets(inky: PresetStore) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", KRITA, str(inky.folder.parent)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['Inky \\u2712']"), done.stdout
    assert inky.names() == ["Aus Krita ✒", "Inky ✒"]
    (style,) = inky.load("Aus Krita ✒").styles
    assert style.picture is not None
    assert style.picture.name == "Fleiß.png"


def test_a_preset_replaced_has_only_its_new_pictures(inky: PresetStore) -> None:
    with pytest.raises(RequestError, match="already"):
        inky.save("INKY ✒", [NewStyle(name="mosaic")], {})
    inky.save("INKY ✒", [NewStyle(name="mosaic")], {}, replace=True)
    assert inky.names() == ["INKY ✒"]
    assert [path.name for path in (inky.folder / "INKY ✒").iterdir()] == ["preset.json"]


def test_a_deleted_preset_is_gone_with_its_pictures(inky: PresetStore) -> None:
    inky.delete("@inky ✒")
    assert list(inky.folder.iterdir()) == []
    with pytest.raises(RequestError, match="There is no preset “inky ✒”; there is none"):
        inky.delete("@inky ✒")


NAMES = ["", ".", "..", "../up", "a/b", "a\\b", "c:", "nul", "Com1.x", "a" * 61, "x\x1b[2J", "\u202egnp", "dot."]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_file_can_have_everywhere_is_refused(store: PresetStore, name: str) -> None:
    with pytest.raises(RequestError, match="cannot be a preset's name"):
        store.save(name, [NewStyle(name="ink")], {})
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("style", "sentence"),
    [
        (NewStyle(data=b"GIF89a", title="film"), "“film” is neither a PNG, JPEG, TIFF nor a WebP"),
        (NewStyle(file=Path("/nowhere/x.png")), "cannot be read: No such file"),
    ],
)
def test_a_style_that_cannot_be_kept_leaves_nothing_behind(store: PresetStore, style: NewStyle, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        store.save("x", [NewStyle(name="ink"), style], {})
    assert list(store.folder.iterdir()) == []


def test_what_belongs_to_one_computer_is_not_kept(store: PresetStore) -> None:
    preset = store.save("x", [NewStyle(name="ink")], {"device": "cuda:1", "use_selection": True, "seed": 3})
    assert preset.settings == {"seed": 3}


def test_a_setting_of_a_newer_version_is_left_out_and_a_wrong_one_is_named(store: PresetStore) -> None:
    store.save("x", [NewStyle(name="ink")], {"seed": 3})
    file = store.folder / "x" / "preset.json"
    raw = json.loads(file.read_text())
    file.write_text(json.dumps({**raw, "settings": {"seed": 4, "glitter": 1}}))
    assert store.load("x").settings == {"seed": 4}
    file.write_text(json.dumps({**raw, "settings": {"strength": -5}}))
    with pytest.raises(RequestError, match="“x” is refused: “Strength” is -5"):
        store.load("x")
    assert [name for name, one in store.all() if isinstance(one, RequestError)] == ["x"]
    file.write_text(json.dumps({**raw, "vaporbrush_preset": 99}))
    with pytest.raises(RequestError, match="newer Vaporbrush"):
        store.load("x")


# ── from elsewhere ──

DESCRIPTION = {"vaporbrush_preset": 1, "name": "evil", "settings": {}, "styles": [{"picture": "a.png"}]}
Fill = Callable[[zipfile.ZipFile], Any]


def described(**other: Any) -> str:
    return json.dumps({**DESCRIPTION, **other})


def link(archive: zipfile.ZipFile) -> None:
    archive.writestr("preset.json", described())
    entry = zipfile.ZipInfo("a.png")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("preset.json", described())
    with archive.open("a.png", "w", force_zip64=False) as file:
        for _ in range(MAX_PICTURE_BYTES // 2**20 + 1):
            file.write(bytes(2**20))


def many(archive: zipfile.ZipFile) -> None:
    for number in range(2000):
        archive.writestr(f"{number}.png", b"")


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("preset.json", described())
    archive.writestr("a.png", PNG)
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a.png", PNG)


HOSTILE: dict[str, tuple[Fill, str]] = {
    "a path out of the folder": (
        lambda a: (
            a.writestr("preset.json", described(styles=[{"picture": "../../a.png"}])),
            a.writestr("../../a.png", PNG),
        ),
        "is no name of a picture",
    ),
    "an absolute path": (
        lambda a: (
            a.writestr("preset.json", described(styles=[{"picture": "/tmp/a.png"}])),
            a.writestr("/tmp/a.png", PNG),
        ),
        "is no name of a picture",
    ),
    "a program beside the picture": (
        lambda a: (a.writestr("preset.json", described()), a.writestr("a.png", PNG), a.writestr("run.sh", "rm")),
        "“run.sh” does not belong",
    ),
    "a program called a picture": (
        lambda a: (a.writestr("preset.json", described()), a.writestr("a.png", "#!/bin/sh")),
        "“a.png” is no picture",
    ),
    "an empty picture": (lambda a: (a.writestr("preset.json", described()), a.writestr("a.png", b"")), "is empty"),
    "a missing picture": (lambda a: a.writestr("preset.json", described()), "“a.png” is missing"),
    "a folder": (lambda a: (a.writestr("preset.json", described()), a.mkdir("a.png")), "no plain file"),
    "a link": (link, "no plain file"),
    "two files of one name": (twice, "two files of one name"),
    "more than fits": (bomb, "at most 268435456 are taken"),
    "thousands of files": (many, "more in it than a preset can have"),
    "a huge description": (lambda a: a.writestr("preset.json", " " * 70_000), "at most 65536 are taken"),
    "deep nesting": (lambda a: a.writestr("preset.json", "[" * 60_000), "none of a preset"),
    "no description": (lambda a: a.writestr("other.json", "{}"), "there is no preset.json"),
    "a name that leads elsewhere": (
        lambda a: (a.writestr("preset.json", described(name="../x")), a.writestr("a.png", PNG)),
        "cannot be a preset's name",
    ),
    "an endless weight": (
        lambda a: a.writestr("preset.json", described(styles=[{"name": "ink", "weight": float("inf")}])),
        "weight is inf",
    ),
    "thousands of styles": (lambda a: a.writestr("preset.json", described(styles=[{"name": "ink"}] * 2000)), "1 to 8"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nothing(store: PresetStore, tmp_path: Path, case: str) -> None:
    fill, sentence = HOSTILE[case]
    file = tmp_path / "x.vbpreset"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RequestError, match=sentence):
        unpack(store, file)
    assert not store.folder.exists() or list(store.folder.iterdir()) == []
    assert sorted(path for path in tmp_path.iterdir() if path.name != "home") == before


def test_a_damaged_file_is_one_sentence_wherever_it_is_damaged(inky: PresetStore, tmp_path: Path) -> None:
    file = tmp_path / "x.vbpreset"
    pack(inky, "Inky ✒", file)
    whole = file.read_bytes()
    kept = inky.names()
    damaged = [whole[:cut] for cut in range(0, len(whole), 7)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(0, len(whole), 3)]
    refused = 0
    for number, data in enumerate(damaged):
        file.write_bytes(data)
        try:
            unpack(inky, file, name=f"copy {number}")
        except RequestError:
            refused += 1
        else:  # what was changed decides nothing, like a time
            inky.delete(f"copy {number}")
    assert refused > len(damaged) / 2
    assert inky.names() == kept
    assert all(not path.name.startswith(".") for path in inky.folder.iterdir())


def test_a_zip_that_claims_another_end_is_refused(inky: PresetStore, tmp_path: Path) -> None:
    file = tmp_path / "x.vbpreset"
    pack(inky, "Inky ✒", file)
    whole = file.read_bytes()
    end = whole.rfind(b"PK\x05\x06")
    file.write_bytes(whole[:end] + b"PK\x06\x07" + bytes(16) + whole[end:])
    with pytest.raises(RequestError, match="more in it than a preset can have"):
        unpack(inky, file, name="copy")
