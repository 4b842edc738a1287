"""Layers as the frames of a film in the real GIMP: by a script, compared with the command line, and by the dialog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hosts.gimp import Gimp, floats, value_of
from hosts.gimp_acts import repeat, search
from hosts.gimp_console import HEIGHT, QUICK, RUN_S, WIDTH, pictures
from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import Screen
from hosts.host import Desktop
from hosts.root import Root
from support.daemon import Daemon, environment, until
from vaporbrush_daemon import packaged

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1500)]

NAMES = [
    "Frame 1 (100ms)",
    "Frame 2 (100ms)(combine)",
    "Frame 3 (200ms)(replace)",
    "Frame 4 (replace)",
    "Frame 5 (replace)",
]
PATCH = (16, 20)  # px; what moves
FRAMES_S = 900  # for frames of 200 steps, on a machine that does five other things
MARGIN = 10  # px beside it that may change with it
LAST_VALUES = "plug-in-settings/GimpProcedureConfigRun-plug-in-vaporbrush-frames.last"


class Played:
    """The one run of gimp-console, and what the command line paints of the same frames."""

    def __init__(self, folder: Path, told: dict[str, Any]) -> None:
        self.folder, self.told = folder, told

    def __getitem__(self, name: str) -> Any:
        return value_of(self.told, name)

    def frame(self, name: str, number: int) -> NDArray[np.float32]:
        """What GIMP has of a painted frame, from 1 on."""
        return floats(self.folder / f"{name}-{number}.raw", WIDTH, HEIGHT)

    def cli(self, film: str, number: int) -> NDArray[np.float32]:
        """What the command line painted."""
        painted = Image.open(self.folder / f"painted-{film}" / f"{number}.png").convert("RGBA")
        return np.asarray(painted, np.float32) / 255


@pytest.fixture(scope="module")
def played(root: Root) -> Iterator[Played]:
    """GIMP and the command line have painted the films."""
    with tempfile.TemporaryDirectory(prefix="vp-gimp-") as name:
        folder = Path(name)
        pictures(folder)
        patch = Image.open(packaged.art() / "styles" / "mosaic.jpg").convert("RGB").resize(PATCH)
        patch.save(folder / "patch.png")
        content = Image.open(folder / "content.png")
        second, third = content.copy(), content.copy()
        second.paste(patch, (40, 8))
        third.paste(patch, (8, 12))
        daemon = Daemon(folder / "home")
        (daemon.home / "config.toml").write_text('devices = ["cpu"]\n')  # the real worker, the model of the package
        daemon.start()
        try:
            for film, loop in (("all", ()), ("looped", ("--loop",))):
                (folder / film).mkdir()
                for number, picture in enumerate((content, second, content, third), 1):
                    picture.save(folder / film / f"{number}.png")
                animate(daemon, folder, film, *loop)
            with Desktop(root, folder) as desktop:
                gimp = Gimp(desktop, daemon.home)
                process = gimp.drive("gimp-console", "console_frames.py", "-i", "-d", "--quit")
                process.wait(RUN_S)
                assert "end" in gimp.told(), gimp.tail()
                yield Played(folder, gimp.told())
        finally:
            daemon.stop()


def animate(daemon: Daemon, folder: Path, film: str, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vaporbrush_daemon", "animate", film, "style.png", *words, *QUICK,
         "-o", f"painted-{film}"],
        env=environment(daemon.home), cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def close(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The largest difference, in 1/255."""
    return float(np.abs(one - other).max() * 255)


def test_it_is_found_among_the_filters_and_among_the_animations(played: Played) -> None:
    found = played["registered"]
    assert found["menus"] == ["<Image>/Filters/Artistic", "<Image>/Filters/Animation"]
    assert found["label"] == "All frames (Vaporbrush)..."
    assert {"boil", "loop", "style", "strength"} <= set(found["arguments"])
    assert found["returns"] == ["GimpImage"]


def test_the_paintings_are_the_layers_of_a_new_image_with_their_frames_names(played: Played) -> None:
    found = played["all_frames"]
    assert found["names"] == NAMES
    assert found["sizes"] == [[WIDTH, HEIGHT]] * 5
    assert found["held"] == [0, 1, 0, None, 1]  # the third has the first one's painting, and the last one follows it


def test_the_image_itself_is_left_alone_and_nothing_else_is_left(played: Played) -> None:
    found = played["all_frames"]
    assert found["source"] == NAMES[::-1]
    assert not found["dirty source"]
    assert found["images"] == 1
    assert found["dirty"], "GIMP would close the paintings without a question"
    assert found["undo"]


def test_each_frame_is_painted_as_the_command_line_paints_it(played: Played) -> None:
    for gimp, cli in ((1, 1), (2, 2), (3, 3), (5, 4)):
        assert close(played.frame("all", gimp), played.cli("all", cli)) <= 1, gimp


def test_what_stands_still_keeps_every_bit(played: Played) -> None:
    still = slice(0, 40 - MARGIN)
    first, second = played.frame("all", 1), played.frame("all", 2)
    assert np.array_equal(first[:, still], second[:, still])
    assert close(first[8:28, 40:56], second[8:28, 40:56]) > 20
    assert np.array_equal(first, played.frame("all", 3)), "the same picture again"


def test_a_frame_that_shows_nothing_stays_an_empty_layer(played: Played) -> None:
    assert not played.frame("all", 4).any()


def test_a_layer_without_a_mark_is_laid_over_the_frame_before_as_playback_lays_it(played: Played) -> None:
    assert played["untagged"]["held"] == [0, 1]
    assert np.array_equal(played.frame("untagged", 2), played.frame("all", 2))


def test_a_loop_closes_as_the_command_line_closes_it(played: Played) -> None:
    assert played["looped"]["names"] == [*NAMES[:3], NAMES[4]]
    for number in range(1, 5):
        assert close(played.frame("looped", number), played.cli("looped", number)) <= 1, number
    assert np.array_equal(played.frame("looped", 1), played.frame("looped", 3))
    assert played["looped"]["held"] == [2, 1, 2, 1]  # the first one once more, between the last and the second


def test_boil_changes_what_stands_still(played: Played) -> None:
    assert played["boiled"]["names"] == NAMES
    still = slice(0, 40 - MARGIN)
    assert close(played.frame("boiled", 1)[:, still], played.frame("boiled", 2)[:, still]) > 2


def test_a_gif_s_indexed_layers_are_painted_in_rgb(played: Played) -> None:
    found = played["indexed"]
    assert (found["source"], found["type"], found["names"]) == ("indexed", "rgb", NAMES[:4])
    assert played.frame("indexed", 2)[..., 3].all()


def test_a_deep_image_stays_deep(played: Played) -> None:
    assert played["deep"]["precision"] == "float-linear"
    assert len(np.unique(played.frame("deep", 1)[..., 0])) > 1000


def test_a_selection_limits_every_frame(played: Played) -> None:
    for number in (1, 2, 5):
        alpha = played.frame("selected", number)[..., 3]
        assert alpha[:, :31].all(), number
        assert not alpha[:, 33:].any(), number
    assert played["selected"]["names"] == NAMES


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("one layer", "has one layer only: each layer is a frame of the film"),
        ("no style", "No style is chosen"),
        ("nothing to see", "shows anything"),
        ("its worker's own error", "no-such-style"),
    ],
)
def test_what_cannot_be_painted_gets_a_sentence_and_leaves_nothing(played: Played, wrong: str, says: str) -> None:
    status, made, error = played["refusals"][wrong]
    assert status != "success"
    assert made is None
    assert says in error
    assert "Traceback" not in error
    assert played["refusals"]["images"] == 3


@pytest.fixture(scope="module")
def screen(root: Root, looks: Path) -> Iterator[Screen]:
    """GIMP with a film of three frames."""
    with gimp_on_screen(root, looks, "gimp-frames") as found:
        found.rest()
        for number in (2, 3):
            found.ask("image.insert_layer(image.get_layers()[0].copy(), None, 0)")
            found.ask(f"image.get_layers()[0].set_name('Frame {number} (80ms)')")
            found.ask(f"image.get_layers()[0].brightness_contrast(0.0{number}, 0)")
        found.ask("Gimp.displays_flush()")
        yield found


def displays(screen: Screen) -> list[int]:
    """The numbers of the windows with images, the newest one at the end."""
    return screen.ask("[number for number in range(1, 40) if Gimp.Display.id_is_valid(number)]")


def begin(screen: Screen, *values: str) -> None:
    """The dialog for all frames, by GIMP's search for its actions; the film is in front."""
    screen.ask(f"Gimp.Display.get_by_id({displays(screen)[1]}).present() and None")
    file = screen.gimp.profile / LAST_VALUES
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(values) + "\n")
    for name in screen.ask("[name for name in image.get_parasite_list() if 'vaporbrush' in name]"):
        screen.ask(f"image.detach_parasite({name!r}) and None")

    screen.open(lambda: search(screen, "all frames (vapor"))


def begin_slowly(screen: Screen) -> None:
    """The same, with the first frame painted and seen, and the second one under way."""
    begin(screen, '(quality "draft")', "(steps 200)")
    screen.choose("Layers", "style")
    screen.click("Button", "OK")
    until(lambda: made(screen), "the first frame is painted and seen", FRAMES_S)
    screen.wait_text("Frame 2 of 3 · ")


def made(screen: Screen) -> list[str] | None:
    """The layers of the newest image, from the top; None while there is none but the two pictures."""
    seen = "[one for one in Gimp.get_images() if one.get_parasite('vaporbrush-hidden') is None]"
    newest = f"max({seen}, key=lambda one: one.get_id())"
    return screen.ask(f"[one.get_name() for one in {newest}.get_layers()] if len({seen}) == 3 else None")


def forget(screen: Screen) -> None:
    """Close the new image's window."""
    screen.ask(f"Gimp.Display.get_by_id({displays(screen)[-1]}).delete() and None")
    assert made(screen) is None


def test_the_dialog_paints_every_frame_into_a_new_image_on_the_screen(screen: Screen) -> None:
    begin(screen, '(quality "draft")', '(size "96")', "(steps 4)")
    assert screen.desktop.windows("^Vaporbrush – all frames of "), "the title says what is painted"
    screen.choose("Layers", "style")
    screen.wait_text("The first frame takes ")
    assert len(screen.all("Tile")) == 4, "the film's layers and the style, and nothing that nobody sees"
    assert {"Boil", "Strength"} <= set(screen.texts().splitlines())
    assert screen.find("CheckButton", "Loop") is not None
    screen.look("dialog")
    before = len(displays(screen))
    screen.click("Button", "OK")
    names = ["Frame 3 (80ms)", "Frame 2 (80ms)", "scene.png"]
    until(lambda: made(screen) == names, "all frames are painted", FRAMES_S)
    screen.gone()
    assert screen.layers == names, "the film itself is as it was"
    assert len(displays(screen)) == before + 1
    screen.look("painted")
    recorded = screen.ask(
        "list(max(Gimp.get_images(), key=lambda one: one.get_id()).get_layers()[0]"
        ".get_parasite('vaporbrush-recipe').get_data())"
    )
    assert len(json.loads(bytes(recorded))["recipe"]["held"]) == 2
    forget(screen)


def test_keep_this_keeps_the_frames_that_are_done(screen: Screen) -> None:
    begin_slowly(screen)
    screen.look("running")
    screen.click("Button", "Keep this")
    screen.gone()
    assert made(screen) in (["scene.png"], ["Frame 2 (80ms)", "scene.png"])
    forget(screen)


def test_what_is_painted_stays_when_gimp_s_own_cancel_ends_the_plug_in(screen: Screen) -> None:
    begin_slowly(screen)
    for process in screen.plug_in():
        os.kill(process, signal.SIGKILL)
    screen.gone()
    assert made(screen) == ["scene.png"]
    screen._close_messages()
    forget(screen)
    hidden = "len([one for one in Gimp.get_images() if one.get_parasite('vaporbrush-hidden')])"
    assert screen.ask(hidden) == 2
    begin(screen, '(quality "draft")')
    assert screen.ask(hidden) == 1, "what the call that was killed has left is gone; this is the new one's"
    screen.leave()
    assert screen.ask(hidden) == 0


def test_after_a_failure_ok_goes_on_with_the_frame_that_failed(screen: Screen) -> None:
    begin_slowly(screen)
    jobs = len(screen.jobs())
    screen.daemon.kill()
    screen.wait(lambda: screen.find("Button", "Copy details"), "it says that the daemon has ended")
    screen.look("failed")
    screen.daemon.start()
    screen.wait(lambda: screen.find("Button", "OK")["sensitive"], "it can be gone on with")
    screen.click("Button", "OK")
    until(lambda: made(screen) == ["Frame 3 (80ms)", "Frame 2 (80ms)", "scene.png"], "the rest is painted", FRAMES_S)
    screen.gone()
    assert len(screen.jobs()) <= jobs + 2, "the first frame was painted again"
    forget(screen)


def test_closing_the_new_image_while_it_is_painted_is_told(screen: Screen) -> None:
    begin(screen, '(quality "draft")', "(steps 40)")
    screen.choose("Layers", "style")
    screen.click("Button", "OK")
    until(lambda: made(screen), "the first frame is painted and seen", FRAMES_S)
    forget(screen)
    closed = "The image was closed while it was being painted"
    until(lambda: closed in screen.texts(), "the dialog says why it paints no more", FRAMES_S)
    screen.wait(lambda: screen.find("Button", "OK")["sensitive"], "it can be begun anew")
    screen.look("closed")
    screen.click("Button", "Cancel")  # no key: the window that was closed had them, and an image has them now
    screen.gone()
    assert len(screen.ask("Gimp.get_images()")) == 2


def test_repeat_paints_all_frames_again_without_the_dialog(screen: Screen) -> None:
    begin(screen, '(quality "draft")', '(size "64")', "(steps 2)")
    screen.choose("Layers", "style")
    screen.click("Button", "OK")
    names = ["Frame 3 (80ms)", "Frame 2 (80ms)", "scene.png"]
    until(lambda: made(screen) == names, "all frames are painted", FRAMES_S)
    screen.gone()
    forget(screen)
    screen.ask(f"Gimp.Display.get_by_id({displays(screen)[1]}).present() and None")

    screen.until_done(lambda: repeat(screen), lambda: screen.plug_in() or made(screen), "Repeat Filter")
    until(lambda: made(screen) == names, "all frames are painted again", FRAMES_S)
    screen.gone()
    forget(screen)


def test_a_preview_that_is_given_up_leaves_nothing(screen: Screen) -> None:
    begin(screen, '(quality "draft")', "(steps 100)")
    screen.choose("Layers", "style")
    screen.click("Button", "Preview")
    screen.wait_text("Frame 2 of 3 · ")
    screen.look("preview")
    screen.keys("Escape")
    screen.gone()
    assert made(screen) is None
    assert len(screen.ask("Gimp.get_images()")) == 2
