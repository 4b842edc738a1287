"""The plug-in in a real GIMP without a screen: one run of gimp-console with many calls, one test per thing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from hosts.gimp import Gimp, floats, value_of
from hosts.host import Desktop
from hosts.root import Root
from support.daemon import Daemon, environment, until
from support.router import Router
from vaporbrush_daemon import packaged
from vaporbrush_daemon.images.pixels import decode_srgb
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_protocol import RemoteError
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
WIDTH, HEIGHT = 64, 48
QUICK = ("--size", "64", "--steps", "3", "--quality", "draft")
RUN_S = 500  # the whole console run; it takes a minute or two


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short, because a unix socket lies in it."""
    found = Path(tempfile.mkdtemp(prefix="vp-gimp-"))
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def pictures(folder: Path) -> Path:
    """Small real pictures: a piece of the demo scene, one with a soft edge, and a bundled style."""
    scene = Image.open(next((packaged.art() / "demo").glob("content.*"))).convert("RGB").resize((WIDTH, HEIGHT))
    scene.save(folder / "content.png")
    faded = np.dstack([np.asarray(scene), np.tile(np.linspace(0, 255, WIDTH).astype("u1"), (HEIGHT, 1))])
    Image.fromarray(faded, "RGBA").save(folder / "alpha.png")
    for name, style in (("style", "watercolour"), ("other", "woodcut")):
        Image.open(packaged.art() / "styles" / f"{style}.jpg").convert("RGB").resize((80, 60)).save(
            folder / f"{name}.png"
        )
    (folder / "notes.txt").write_text("This is no picture.\n")
    return folder


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[Daemon]:
    """The real daemon with its real worker and the model that comes with the package."""
    home = folder / "home"
    daemon = Daemon(home)
    (home / "config.toml").write_text('devices = ["cpu"]\n')
    daemon.start()
    yield daemon
    daemon.stop()


# Colours put into a grey buffer and read back as the tests read every layer, inside the root.
GREY = """
import gi
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl
Gegl.init(None)
area = Gegl.Rectangle.new(0, 0, {w}, {h})
buffer = Gegl.Buffer.new({layer!r}, 0, 0, {w}, {h})
buffer.set(area, {colours!r}, open({given!r}, "rb").read())
open({got!r}, "wb").write(buffer.get(area, 1.0, "Y'A float", Gegl.AbyssPolicy.NONE))
"""


@dataclass
class Session:
    """What the one run told, and what the command line gives for the same pictures."""

    folder: Path
    told: dict[str, Any]
    gimp: Gimp
    daemon: Daemon
    content: NDArray[np.float32]  # (48, 64, 4), what was painted
    cli: NDArray[np.float32]  # the same, what came out

    def __getitem__(self, name: str) -> Any:
        return value_of(self.told, name)

    def pixels(self, name: str, width: int = WIDTH, height: int = HEIGHT, channels: int = 4) -> NDArray[np.float32]:
        return floats(self.folder / f"{name}.raw", width, height, channels)

    def by_cli(self, content: str, *words: str) -> NDArray[np.float32]:
        """What the command line paints of a file of the folder, as floats."""
        out = self.folder / f"cli-{Path(content).stem}{Path(content).suffix}"
        return stylized(self.daemon, self.folder / content, out, *(words or ("style.png",)), *QUICK)

    def by_cli_from(self, name: str, depth: str = "f32") -> NDArray[np.float32]:
        """What the command line paints of the very pixels that the plug-in was given."""
        kind = {"u8": "u1", "u16": "<u2", "f32": "<f4"}[depth]
        pixels = np.fromfile(self.folder / f"given-{name}.raw", kind).reshape(HEIGHT, WIDTH, 4)
        if depth == "u8":
            Image.fromarray(pixels).save(self.folder / f"{name}.png")
            return self.by_cli(f"{name}.png")
        tifffile.imwrite(self.folder / f"{name}.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
        return self.by_cli(f"{name}.tif")

    def grey(self, pixels: NDArray[np.float32], depth: str) -> NDArray[np.float32]:
        """(h, w) what a grey layer holds of colours (h, w, 4): eight bits, or linear floats; by GEGL itself."""
        if depth == "u8":
            values, colours, layer = (pixels * 255).round().astype("u1"), "R'G'B'A u8", "Y'A u8"
        else:
            values, colours, layer = pixels.astype("<f4"), "R'G'B'A float", "YA float"
        given, got = self.folder / "colours.raw", self.folder / "grey.raw"
        given.write_bytes(values.tobytes())
        code = GREY.format(given=str(given), got=str(got), w=WIDTH, h=HEIGHT, layer=layer, colours=colours)
        self.gimp.desktop.run(["python3", "-P", "-c", code])
        return np.fromfile(got, "<f4").reshape(HEIGHT, WIDTH, 2)[..., 0]


def stylized(daemon: Daemon, content: Path, out: Path, *words: str) -> NDArray[np.float32]:
    """What the command line paints: (h, w, 4) floats."""
    done = subprocess.run(
        [sys.executable, "-m", "vaporbrush_daemon", "stylize", str(content), *words, "-o", str(out)],
        env=environment(daemon.home), cwd=content.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    if out.suffix == ".tif":
        pixels = tifffile.imread(out)
        return (pixels / np.float32(65535 if pixels.dtype == np.uint16 else 1)).astype(np.float32)
    return np.asarray(Image.open(out).convert("RGBA"), np.float32) / 255


@pytest.fixture(scope="module")
def session(root: Root, folder: Path, pictures: Path, daemon: Daemon) -> Iterator[Session]:
    """The run. It needs the test's hand where a process is to be killed."""
    (folder / "router").mkdir()
    with Desktop(root, folder) as desktop, Router(folder / "router") as router:
        router.answers["hello"] = RemoteError("unsupported_version", "This daemon speaks version 2; you speak 1.")
        replaced = json.loads(router.connection.write(folder / "router").read_text())
        (folder / "other-version.json").write_text(json.dumps(replaced))
        gimp = Gimp(desktop, daemon.home)
        process = gimp.drive("gimp-console-3.0", "console.py", "-i", "-d", "--quit")
        cli = stylized(daemon, pictures / "content.png", folder / "cli.png", "style.png", *QUICK)
        until(lambda: "kill the worker" in gimp.told() or process.poll() is not None, "the worker's turn", RUN_S)
        _when_painting(gimp, daemon, "worker_killed", lambda: _kill_worker(daemon))
        until(lambda: "kill the daemon" in gimp.told() or process.poll() is not None, "the daemon's turn", RUN_S)
        _when_painting(gimp, daemon, "daemon gone", daemon.kill)
        until(lambda: "daemon gone" in gimp.told() or process.poll() is not None, "the refusal", RUN_S)
        daemon.start()
        (folder / "daemon-again").touch()
        process.wait(RUN_S)
        told = gimp.told()
        assert "end" in told, gimp.tail()
        content = np.asarray(Image.open(pictures / "content.png").convert("RGBA"), np.float32) / 255
        yield Session(folder, told, gimp, daemon, content, cli)


def _when_painting(gimp: Gimp, daemon: Daemon, end: str, act: Any) -> None:
    """Do it while the job that was announced paints, unless GIMP has told its end first (a test then finds out why)."""

    def painting() -> bool:
        with daemon.client() as client:
            running = [job.job for job in client.jobs() if job.state == "running"]
            return any((progress := client.watch(job).progress) is not None and progress.step > 0 for job in running)

    if (
        until(lambda: "ended" if end in gimp.told() else "paints" if painting() else "", "a job paints", 120)
        == "paints"
    ):
        act()


def _kill_worker(daemon: Daemon) -> None:
    os.kill(daemon.worker_pid(), signal.SIGKILL)


def close(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The largest difference, in 1/255."""
    return float(np.abs(a - b).max() * 255)


def alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The mean difference, in 1/255. The painter amplifies what a rounding of its input changes, so that two paintings
    of the same picture in two precisions differ here and there; colours that are off would differ everywhere.
    """
    return float(np.abs(a - b).mean() * 255)


def test_the_filter_is_in_the_menu_and_documents_itself(session: Session) -> None:
    found = session["registered"]
    assert found["menus"] == [["<Image>/Filters/Artistic"]] * 2
    assert [label.replace("_", "") for label in found["labels"]] == ["Vaporbrush...", "Vaporbrush: Restylize..."]
    assert "style" in found["blurb"]
    assert "daemon" in found["help"]
    assert {"style", "style-file", "style-name", "strength", "style-scale", "quality", "size", "color", "seed"} <= set(
        found["arguments"]
    )
    assert all(blurb for _nick, blurb, _type in found["arguments"].values())
    assert found["arguments"]["strength"][2] == "gdouble"
    assert "0: what suits the bundled style" in found["arguments"]["strength"][1]
    assert found["returns"] == ["GimpLayer"]


def test_a_layer_becomes_a_painting_directly_above_it(session: Session) -> None:
    found = session["eight_bits"]
    assert found["layers"] == [found["name"], "Harbour"]
    assert (found["size"], found["offset"], found["position"]) == ([WIDTH, HEIGHT], [-7, 5], 0)
    assert found["alpha"]
    assert not found["grey"]
    assert found["selected"] == [found["name"]]
    assert found["content"]["offset"] == [-7, 5]


def test_gimp_and_the_command_line_paint_the_same(session: Session) -> None:
    painted = session["eight_bits"] and session.pixels("eight_bits")
    assert close(painted, session.cli) <= 1
    assert alike(painted, session.content) > 3, "nothing was painted"


def test_the_recipe_is_kept_with_the_layer(session: Session) -> None:
    kept = session["eight_bits"]["record"]
    assert kept["recipe"]["size"] == 64
    assert kept["recipe"]["steps"] == 3
    assert kept["recipe"]["model"] == kept["result"]["model"] == "vgg19-lite"  # pinned: not "auto"
    assert kept["content"]["name"] == "Harbour"
    assert [style["kind"] for style in kept["styles"]] == ["layer"]


@pytest.mark.parametrize(
    ("precision", "depth", "step"),
    [
        ("U8_LINEAR", "f32", 13.0),  # eight linear bits are 13/255 apart in the shadows
        ("U16_NON_LINEAR", "u16", 0.01),
        ("U16_LINEAR", "f32", 0.1),
        ("U32_NON_LINEAR", "f32", 0.001),
        ("HALF_NON_LINEAR", "f32", 0.13),
        ("HALF_LINEAR", "f32", 0.13),
        ("FLOAT_NON_LINEAR", "f32", 0.001),
        ("FLOAT_LINEAR", "f32", 0.001),
        ("FLOAT_PERCEPTUAL", "f32", 0.001),
        ("DOUBLE_NON_LINEAR", "f32", 0.001),
        ("DOUBLE_LINEAR", "f32", 0.001),
    ],
)
def test_every_precision_is_painted_as_by_the_command_line(
    session: Session, precision: str, depth: str, step: float
) -> None:
    """`step`: the precision's own, in 1/255. Unpainted (blend 0) nothing may change but by rounding to it, twice."""
    assert session["precisions"][precision]["depth"] == depth
    assert close(session.pixels(f"unpainted-{precision}"), session.content) <= 2 * step
    painted = session.pixels(f"precision-{precision}")
    # a wrong transfer function, the same in both directions, would make it 20 and more
    assert alike(painted, session.cli) < 3 + step
    cli = session.by_cli_from(f"precision-{precision}", depth)
    if precision == "U8_LINEAR":  # one level of it is 13/255 of sRGB's encoding: compared as the layer holds it
        painted[..., :3], cli[..., :3] = decode_srgb(painted[..., :3]), decode_srgb(cli[..., :3])
    assert close(painted, cli) <= 1


@pytest.mark.parametrize(("precision", "depth"), [("U8_NON_LINEAR", "u8"), ("FLOAT_LINEAR", "f32")])
def test_a_grey_image_stays_grey(session: Session, precision: str, depth: str) -> None:
    found = session["grey"][precision]
    assert found["grey"]
    assert found["alpha"]
    painted, content = session.pixels(f"grey-{precision}"), session.pixels(f"grey-content-{precision}")
    assert np.ptp(painted[..., :3], axis=2).max() * 255 < 1
    assert np.abs(painted - content).mean() * 255 > 2
    cli = session.by_cli_from(f"grey-{precision}", depth)
    assert close(painted[..., 0], session.grey(cli, depth)) <= 1


def test_a_wide_gamut_image_keeps_its_colours(session: Session) -> None:
    assert "Adobe" in session["foreign_profile"]
    assert close(session.pixels("unpainted-foreign_profile"), session.content) < 0.5
    assert close(session.pixels("foreign_profile"), session.by_cli_from("foreign_profile")) <= 1


def test_transparency_is_kept(session: Session) -> None:
    assert session["alpha"]["alpha"]
    painted, content = session.pixels("alpha"), session.pixels("alpha-content")
    assert close(painted[..., 3], content[..., 3]) < 0.5
    cli = session.by_cli("alpha.png")
    assert close(painted[..., :3] * painted[..., 3:], cli[..., :3] * cli[..., 3:]) <= 1  # what is clear has no colour


def test_the_painting_goes_into_the_content_s_group(session: Session) -> None:
    found = session["inside_a_group"]
    assert found["parent"] == "Sketches"
    assert found["position"] == 1
    assert found["offset"] == [11, -3]
    assert found["group"][0] == "Over"


def test_a_group_is_painted_as_it_looks(session: Session) -> None:
    found = session["a_group_as_content"]
    assert found["offset"] == [4, 6]
    assert found["size"] == [WIDTH, HEIGHT]
    assert found["layers"][1:] == ["Sketches", found["layers"][2]]
    assert found["position"] == 0
    assert close(session.pixels("a_group_as_content"), session.cli) <= 1


def test_outside_a_selection_the_painting_is_transparent(session: Session) -> None:
    assert session["hard_selection"]["size"] == [WIDTH, HEIGHT]
    assert not session["hard_selection"]["selection_gone"]
    coverage = session.pixels("hard_selection")[..., 3]
    wanted = np.zeros((HEIGHT, WIDTH), np.float32)
    wanted[8:28, 10:40] = 1
    assert np.array_equal(coverage, wanted)
    assert close(laid_over_content(session, "hard_selection"), masked_by_cli(session, wanted)) <= 1


def test_a_selection_can_be_ignored(session: Session) -> None:
    assert session["hard_selection"]
    assert close(session.pixels("selection_not_used"), session.cli) <= 1


def test_a_selection_s_softness_is_kept(session: Session) -> None:
    values = np.array(session["soft_selection"]["values"], np.float32) / 255
    assert ((values > 0.02) & (values < 0.98)).mean() > 0.2, "the selection is not soft"
    assert session["soft_selection"]["offset"] == [9, -4]
    assert close(session.pixels("soft_selection")[..., 3], values) <= 1
    assert close(laid_over_content(session, "soft_selection"), masked_by_cli(session, values)) <= 1


def laid_over_content(session: Session, name: str) -> NDArray[np.float32]:
    """The painting over its content: the command line delivers it so."""
    painted = session.pixels(name)
    alpha = painted[..., 3:]
    return painted[..., :3] * alpha + session.content[..., :3] * (1 - alpha)


def masked_by_cli(session: Session, mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the command line paints within a mask."""
    Image.fromarray(np.rint(mask * 255).astype("u1")).save(session.folder / "mask.png")
    return session.by_cli("content.png", "style.png", "--mask", "mask.png")[..., :3]


def test_a_layer_mask_comes_along(session: Session) -> None:
    found = session["layer_mask"]
    assert not found["edits_mask"]
    ramp = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    assert close(session.pixels("layer_mask-mask", channels=1)[..., 0], ramp) <= 1
    assert close(session.pixels("layer_mask"), session.cli) <= 1  # the layer itself is painted whole


def test_a_layer_s_filters_are_painted_too(session: Session) -> None:
    found = session["filters_count"]
    assert found["filters_left"] == 1
    assert len(found["layers"]) == 2
    assert close(session.pixels("filters"), session.pixels("filters-expected")) <= 1


def test_a_text_layer_is_painted(session: Session) -> None:
    found = session["text"]
    width, height = found["size"]
    assert not found["is_text"]
    assert found["size"] == found["content"]["size"]
    assert found["offset"] == found["content"]["offset"]
    painted, content = (session.pixels(name, width, height) for name in ("text", "text-content"))
    assert close(painted[..., 3], content[..., 3]) < 0.5
    assert np.abs(painted - content)[content[..., 3] > 0.5].mean() * 255 > 2


def test_a_style_from_a_file_is_the_same_as_from_a_layer(session: Session) -> None:
    assert session["style_file"]["name"] == "style"
    assert [style["kind"] for style in session["style_file"]["record"]] == ["file"]
    assert close(session.pixels("style_file"), session.cli) <= 1


def test_a_bundled_style_paints_with_the_strength_that_suits_it(session: Session) -> None:
    found = session["bundled_style"]
    assert found["record"] == [{"kind": "bundled", "name": "mosaic", "layer": "", "document": "", "weight": 1.0}]
    own = StyleLibrary(packaged.art() / "styles", Path("nowhere")).file("mosaic")
    assert found["strengths"] == [own.tuned["strength"], 3000]  # its own; the caller's
    assert own.tuned["strength"] != DEFAULT_STRENGTH, "the default: choose another style for this test"
    assert close(session.pixels("bundled_style"), session.by_cli("content.png", "@mosaic")) <= 1
    assert np.array_equal(session.pixels("bundled_style"), session.pixels("bundled_style_again"))


def test_several_styles_are_mixed_by_their_weights(session: Session) -> None:
    found = session["several_styles"]
    assert [(style["kind"], style["weight"]) for style in found["record"]] == [("layer", 2), ("bundled", 1)]
    assert found["name"] == "Brush study + ink"
    cli = session.by_cli("content.png", "style.png", "@ink", "--style-weights", "2,1")
    assert close(session.pixels("several_styles"), cli) <= 1
    assert found["again"] == found["record"]
    assert np.array_equal(session.pixels("several_styles"), session.pixels("several_styles_again"))
    assert close(session.pixels("two_layers"), session.by_cli("content.png", "style.png", "other.png")) <= 1


def test_restylize_paints_the_same_again(session: Session) -> None:
    found = session["restylize"]
    assert found["position"] == 0
    assert len(found["layers"]) == 3
    assert found["record"] == 7
    assert np.array_equal(session.pixels("restylize-first"), session.pixels("restylize-second"))
    assert "was not painted by Vaporbrush" in found["refused"][2]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("no style", "No style is chosen"),
        ("its own style", "cannot be its own style"),
        (
            "style weights",
            "“style-weights” is “2”, but must be one number for each style (2)",
        ),
        ("a weight of 0", "“style-weights” is “0”"),
        ("a weight in words", "“style-weights” is “much”"),
        ("strength", "“strength” is “0.05”, but must be 0 or from 0.1 to 100000"),
        ("style name", "no-such-style"),
        ("style file", "missing.png does not exist"),
        ("not a picture", "notes.txt cannot be opened"),
        ("size", "“size” is “12x”"),
        ("weights", "“layer-weights” is “1, 2”"),
        ("model", "resnet"),
        ("two layers", "2 layers are selected"),
        ("no layers", "0 layers are selected"),
        ("channel", "is a channel: select a layer"),
        ("selection elsewhere", "The selection does not touch the layer"),
        ("floating", "floating selection"),
        ("indexed", "Image ▸ Mode ▸ RGB"),
        ("empty group", "“Nothing” is empty"),
        ("1×1", "each side needs at least 16"),
    ],
)
def test_what_cannot_be_painted_gets_a_sentence(session: Session, wrong: str, says: str) -> None:
    status, layer, error = session["refusals"][wrong]
    assert status != "success"
    assert layer is None
    assert says in error
    assert "Traceback" not in error
    assert "defect" not in error


def test_a_transparent_layer_is_no_crash(session: Session) -> None:
    status, error = session["a_transparent_layer"]
    if status == "success":
        assert session.pixels("a_transparent_layer")[..., 3].max() == 0
    else:
        assert "transparent" in error or "empty" in error


def test_standard_quality_paints_more_than_a_draft_of_three_steps(session: Session) -> None:
    found = session["standard_quality"]
    assert found["record"]["quality"] == "standard"
    assert alike(session.pixels("standard_quality"), session.content) > alike(session.cli, session.content)


def test_a_large_layer_is_painted_small_and_returned_whole(
    session: Session, record_property: pytest.Subclass[Any] | Any
) -> None:
    found = session["a_large_layer"]
    record_property("seconds", found["seconds"])
    record_property("peak_bytes", found["peak_bytes"])
    print(f"4096²: {found['seconds']:.1f} s, the plug-in's process {found['peak_bytes'] / 2**20:.0f} MiB")
    assert found["size"] == [4096, 4096]
    row = np.fromfile(session.folder / "a_large_layer.raw", "<f4").reshape(-1, 4)
    assert (row[:, 3] == 1).all()
    assert row[:, :3].std() > 0.01
    assert 0 < found["peak_bytes"] < 2**30  # the layer is 64 MiB; in and out and one band more


def test_without_a_daemon_the_sentence_says_how_to_start_it(session: Session) -> None:
    status, layer, error, layers = session["daemon_absent"]
    assert status != "success"
    assert layer is None
    assert len(layers) == 1
    assert "vaporbrush serve" in error or "could not be started" in error


def test_a_daemon_of_another_version_is_named(session: Session) -> None:
    status, _layer, error, layers = session["other_version"]
    assert status != "success"
    assert len(layers) == 1
    assert "version" in error
    assert "install" in error


def test_a_killed_worker_costs_nothing_but_time(session: Session) -> None:
    status, layer, error = session["worker_killed"]
    assert status == "success", error
    assert layer["size"] == [WIDTH, HEIGHT]


def test_a_killed_daemon_is_reported_and_the_next_painting_works(session: Session) -> None:
    found = session["daemon_killed"]
    assert found["status"] != "success"
    assert len(found["left"]) == 1
    assert found["error"]
    assert "Traceback" not in found["error"]
    assert found["later"]["size"] == [WIDTH, HEIGHT]


def test_scheme_can_call_it_too(session: Session, root: Root, daemon: Daemon) -> None:
    with Desktop(root, session.folder) as desktop:
        session.gimp.desktop = desktop
        out = session.folder / "scheme.txt"
        script = f"""
        (let* ((image (car (gimp-file-load 1 "{session.folder}/content.png")))
               (style (car (gimp-file-load 1 "{session.folder}/style.png")))
               (result (plug-in-vaporbrush-stylize #:run-mode 1 #:image image
                         #:drawables (car (gimp-image-get-layers image))
                         #:style (vector-ref (car (gimp-image-get-layers style)) 0)
                         #:size "64" #:steps 3 #:quality "draft"))
               (layers (car (gimp-image-get-layers image)))
               (port (open-output-file "{out}")))
          (write (list (vector-length layers) (car (gimp-item-get-name (car result)))) port)
          (close-output-port port))"""
        process = session.gimp.start(
            "gimp-console-3.0", "-i", "-d", "-f", "--batch-interpreter=plug-in-script-fu-eval", "-b",
            " ".join(script.split()), "--quit",
        )  # fmt: skip
        assert process.wait(120) == 0, session.gimp.tail()
    assert out.read_text().startswith("(2 "), out.read_text()


def test_the_profile_holds_nothing_after_uninstalling(session: Session) -> None:
    target = session.gimp.profile / "plug-ins" / "vaporbrush"
    assert target.is_dir()
    session.gimp.vaporbrush_cli("uninstall", "gimp")
    assert not target.exists()
