"""GIMP as a person has it before them: what is on the screen, the mouse and the keyboard."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hosts.gimp import Gimp
from hosts.host import Window
from support.daemon import Daemon, until

START_S = 600  # for GIMP itself: the first start reads every font and plug-in
PATIENCE_S = 300  # for anything on a busy machine: it starts a worker in two minutes that takes ten seconds alone
ATTEMPTS = 40  # a busy machine misses clicks and keys, as it does a person's
ATTEMPT_S = 6.0
UNFOLDS_S = 30.0  # a second click too early would fold it again
STILL_S = 0.35  # longer than the eyes' interval, and than anything takes to be scrolled or laid out anew
TITLE = "^Vaporbrush – "
LAST_VALUES = "plug-in-settings/GimpProcedureConfigRun-plug-in-vaporbrush-stylize.last"

Widget = dict[str, Any]  # kind, text, box (x, y, width, height), sensitive, active: see gimp_eyes


WIDTH, HEIGHT = 240, 180  # of the scene
QUICK = ('(quality "draft")', '(size "96")', "(steps 4)")
ENDLESS = ('(quality "draft")', "(steps 5000)")


class Screen:
    """The full GIMP with two pictures open, of which the one called scene is in front."""

    def __init__(
        self,
        gimp: Gimp,
        daemon: Daemon | None,
        looks: Path,
        prefix: str = "gimp",
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.gimp = gimp
        self.daemon = daemon
        self.desktop = gimp.desktop
        self.looks = looks
        self._prefix = prefix
        self._numbers = itertools.count()
        self._before: set[str] = set()
        self.acts: list[str] = []  # what a person has clicked on: menus, buttons, tiles
        self._called = False  # whether what GIMP would show again is ours
        self.process = gimp.drive(
            "gimp",
            "screen.py",
            "--no-splash",
            str(gimp.folder / "style.png"),
            str(gimp.folder / "scene.png"),
            extra=extra,
        )
        gimp.wait_for("ready", self.process, START_S)
        self.image_window = self.desktop.wait_for_window(r"scene.*GIMP$")
        welcome = self.desktop.wait_for_window(r"GIMP [\d.]+$")  # after words of welcome in any language
        self.desktop.close_window(welcome)
        width, height = (int(side) for side in self.desktop.screen.split("x")[:2])
        place = ["windowmove", self.image_window.id, "0", "0"]
        size = ["windowsize", "--sync", self.image_window.id, str(width - 10), str(height - 40)]
        self.desktop.run(["xdotool", *place, *size])

    # ── GIMP ──

    def ask(self, question: str) -> Any:
        """The value of an expression inside GIMP."""
        number = next(self._numbers)
        partial = self.gimp.folder / "question"
        partial.write_text(question)
        partial.rename(self.gimp.folder / f"question-{number}")
        return self.gimp.wait_for(f"answer-{number}", self.process, PATIENCE_S)

    @property
    def layers(self) -> list[str]:
        """The names of the image's layers, from the top."""
        return self.ask("[layer.get_name() for layer in image.get_layers()]")

    def until_layers(self, count: int) -> list[str]:
        """Wait for this many layers."""
        return until(lambda: found if len(found := self.layers) == count else None, f"{count} layers", PATIENCE_S)

    def record(self) -> dict[str, Any]:
        """What is kept with the top layer."""
        raw = self.ask("list(image.get_layers()[0].get_parasite('vaporbrush-recipe').get_data())")
        return json.loads(bytes(raw))

    def last_values(self, *lines: str) -> None:
        """What the next dialog begins with, besides what was used last."""
        # GIMP remembers with each image, and in a file for images that have nothing yet
        for name in self.ask("[name for name in image.get_parasite_list() if 'vaporbrush' in name]"):
            self.ask(f"image.detach_parasite({name!r}) and None")
        file = self.gimp.profile / LAST_VALUES
        file.parent.mkdir(exist_ok=True)
        given = tuple(line.split()[0] + " " for line in lines)
        kept = [line for line in _lines(file) if not line.startswith(given)]
        file.write_text("\n".join([*kept, *lines]) + "\n")

    def forget_values(self, *lines: str) -> None:
        """The next dialog begins with these values and nothing else."""
        (self.gimp.profile / LAST_VALUES).unlink(missing_ok=True)
        self.last_values(*lines)

    def rest(self) -> None:
        """As a test finds it, whatever the one before left: the daemon runs, no dialog is open, the scene is alone."""
        if self.daemon.process is None or self.daemon.process.poll() is not None:
            self.daemon.start()
        if left := self.plug_in():
            for process in left:
                os.kill(process, signal.SIGKILL)  # a test that failed left its dialog or a message open
            self.gone()
            self.keys("Escape")
        self._close_messages()
        self.ask("image.get_floating_sel() and Gimp.floating_sel_remove(image.get_floating_sel()) and None")
        self.ask("image.get_base_type() == Gimp.ImageBaseType.INDEXED and image.convert_rgb() and None")
        self.ask("[image.remove_layer(layer) for layer in image.get_layers()[:-1]] and None")
        self.ask("image.set_selected_layers(image.get_layers()) and None")
        self.ask("Gimp.Selection.none(image)")
        self.ask("Gimp.displays_flush()")  # else the menus stay grey for what the image was before

    def _close_messages(self) -> None:
        """What GIMP says of a plug-in that was killed; a busy machine says it late, above what is open by then."""
        for message in self.desktop.windows("^GIMP Message$"):
            self.desktop.shot(self.looks / f"{self._prefix}-message.png")
            self.desktop.close_window(message)

    def look(self, name: str) -> None:
        """A screenshot for people, without a tooltip in it."""
        self.desktop.run(["xdotool", "mousemove", "2", "2", "sleep", "0.6"])
        self.desktop.shot(self.looks / f"{self._prefix}-{name}.png")

    def keys(self, *names: str) -> None:
        """Key strokes to the window in front."""
        self.desktop.keys(*names)

    def focus_image(self) -> None:
        """To the image's window."""
        self.desktop.run(["xdotool", "windowactivate", "--sync", self.image_window.id])

    def until_done(
        self, act: Callable[[], None], done: Callable[[], Any], what: str, attempt_s: float = ATTEMPT_S
    ) -> Any:
        """Do something until it has had its effect."""
        before = len(self.acts)
        for _attempt in range(ATTEMPTS):
            del self.acts[before:]  # an attempt that the machine missed had been none
            act()
            deadline = time.monotonic() + attempt_s
            while time.monotonic() < deadline:
                if found := done():
                    return found
                time.sleep(0.1)
            self._close_messages()
        raise AssertionError(f"{what}: no effect. On the screen: {[one.title for one in self.desktop.windows('')]}")

    # ── the dialog ──

    def call_from_menu(self) -> None:
        """Filters ▸ Artistic ▸ Vaporbrush…, as a person does."""
        self._called = False
        self.gimp.widgets.unlink(missing_ok=True)
        self.keys("Escape", "Escape")
        self.focus_image()
        self.acts += [
            "Filters",
            "Artistic",
            "Vaporbrush…",
        ]  # by their letters, which stand still, in place of the mouse
        for key in ("alt+r", "a", "v"):
            self.keys(key)
            time.sleep(0.7)  # menus are windows without a name: there is nothing to wait for
        self.keys("v")  # the first one is Van Gogh's
        self.desktop.shot(self.looks / f"{self._prefix}-menu.png")
        self.keys("Return")

    def call_again(self) -> None:
        """Filters ▸ Re-show; the first time, by the menu."""
        if not self._called:
            self.call_from_menu()
            return
        self.gimp.widgets.unlink(missing_ok=True)
        self.focus_image()
        self.keys("ctrl+shift+f")

    def open(self, call: Callable[[], None] | None = None) -> Window:
        """Open the dialog, whatever that takes on a busy machine."""

        def act() -> None:
            if not self.plug_in():  # else it is on its way, and a second dialog would come beside the first
                (call or self.call_again)()

        found = self.until_done(act, lambda: self.desktop.windows(TITLE), "opening the dialog")
        self.wait(lambda: self.find("Button", "OK"), "the dialog is there")
        self._called = True
        # the window manager may take a while; until then keys would go to the image
        self.desktop.run(["xdotool", "windowactivate", "--sync", found[0].id])
        return found[0]

    def widgets(self) -> list[Widget]:
        """All that can be seen of the plug-in's windows."""
        try:
            return json.loads(self.gimp.widgets.read_text())
        except FileNotFoundError:  # none of them is open
            return []

    def find(self, kind: str, text: str | None = None) -> Widget | None:
        """The first widget of this kind (and text); None if there is none."""
        return next(
            (one for one in self.widgets() if one["kind"] == kind and text in (None, one.get("text"))),
            None,
        )

    def all(self, kind: str) -> list[Widget]:
        """Every widget of this kind."""
        return [one for one in self.widgets() if one["kind"] == kind]

    def texts(self) -> str:
        """All labels in one text."""
        return "\n".join(one.get("text") or "" for one in self.all("Label"))

    def wait(self, check: Callable[[], Any], what: str) -> Any:
        """Wait for something to be seen."""
        return until(check, what, PATIENCE_S)

    def wait_text(self, text: str) -> None:
        """Wait for a label that contains this."""
        self.wait(lambda: text in self.texts(), f"the dialog says {text!r}")

    def beside(self, label: str, kind: str) -> Widget:
        """The field to the right of a label."""

        def found() -> Widget | None:
            here = self.find("Label", label)
            if here is None:
                return None
            middle = here["box"][1] + here["box"][3] / 2
            rows = [one for one in self.all(kind) if one["box"][1] <= middle <= one["box"][1] + one["box"][3]]
            return next((one for one in rows if one["box"][0] > here["box"][0]), None)

        return self.wait(found, f"{label} has a {kind}")

    def click(self, kind: str, text: str | None = None) -> None:
        """Click on a widget, as soon as it can be clicked and stands still; what has scrolled away is scrolled back."""

        def found() -> Widget:
            return self.still(lambda: self.find(kind, text))

        beyond = found().get("beyond")
        if beyond:
            self.until_done(lambda: self._scroll(beyond), lambda: not found().get("beyond"), "it is in sight")
        self.click_on(found())

    def _scroll(self, beyond: int) -> None:
        """Turn the wheel above the fields, down for what is below them."""
        x, y, _width, _height = self._quiet_place()["box"]
        wheel = ["click", "--repeat", "15", "--delay", "50", "5" if beyond > 0 else "4"]
        self.desktop.run(["xdotool", "mousemove", str(x + 5), str(y + 5), *wheel])

    def _quiet_place(self) -> Widget:
        """A label of the column that can be seen: there the wheel scrolls, and changes no field."""
        names = ("Strength", "Size", "Seed")
        return self.still_seen(
            lambda: next((one for one in self.all("Label") if one["text"] in names and not one["beyond"]), None)
        )

    def click_on(self, widget: Widget) -> None:
        """Click in the middle of a widget."""
        x, y, width, height = widget["box"]
        self.acts.append(f"{widget['kind']} {widget.get('text') or ''}")
        self.desktop.click(x + width // 2, y + height // 2)

    def choose(self, page: str, title: str) -> None:
        """Choose a style from a page of the chooser."""

        def turned() -> bool:
            button = self.find("RadioButton", page)
            return button is not None and button["active"]

        self.until_done(lambda: turned() or self.click("RadioButton", page), turned, f"turning to {page}")

        def chosen() -> bool:
            tile = self.find("Tile", title)
            return tile is not None and tile["active"]

        self.until_done(lambda: self.click("Tile", title), chosen, f"choosing {title}")

    def unfold_advanced(self) -> None:
        """Show the fields under Advanced."""

        def act() -> None:
            self._scroll(1)  # the column may be longer than the dialog
            x, y, _width, height = self.still(lambda: self.find("Expander"))["box"]
            self.desktop.click(x + 10, y + height // 2)

        self.until_done(act, lambda: self.find("CheckButton", "Seamless"), "they are unfolded", UNFOLDS_S)

    def type_into(self, find: Callable[[], Widget], text: str) -> None:
        """Replace what a number field says."""

        def act() -> None:
            x, y, _width, height = self.still(find)["box"]
            self.desktop.click(x + 18, y + height // 2)  # its text; further to the right are its − and +
            self.keys("ctrl+a")
            self.desktop.run(["xdotool", "type", text])

        self.until_done(act, lambda: find()["text"] == text, f"typing {text}")
        self.keys("Tab")  # not before: in the image's window it would hide the toolbox
        self.wait(lambda: float(find()["text"]) == float(text), f"{text} is taken")  # 55 is shown as 55.0 from then on

    def still(self, find: Callable[[], Widget | None]) -> Widget:
        """A widget that can be used, as soon as it stands still."""
        return self.still_seen(lambda: one if (one := find()) is not None and one["sensitive"] else None)

    def still_seen(self, find: Callable[[], Widget | None]) -> Widget:
        """A widget, usable or not, as soon as it stands still."""

        def found() -> Widget | None:
            one = find()
            time.sleep(STILL_S)
            return one if one is not None and one == find() else None

        return self.wait(found, "it stands still")

    def style_names(self) -> dict[str, str]:
        """The bundled styles' names, by title."""
        with self.daemon.client() as client:
            return {one["title"]: one["name"] for one in client.styles()["styles"]}

    def gone(self) -> None:
        """Wait until the plug-in has ended; GIMP's last values are written down by then."""
        until(lambda: not self.plug_in(), "the plug-in ends", PATIENCE_S)

    def leave(self) -> None:
        """Close what the plug-in shows, also what a busy machine shows late."""
        self.until_done(lambda: self.keys("Escape"), lambda: not self.plug_in(), "the plug-in ends")

    def plug_in(self) -> list[int]:
        """The processes of the plug-in."""
        entry = os.fsencode(self.gimp.profile / "plug-ins" / "vaporbrush" / "vaporbrush.py")
        return [int(one.name) for one in Path("/proc").glob("[0-9]*") if entry in _command_line(one)]

    # ── the daemon ──

    def jobs(self) -> list[Any]:
        """The daemon's jobs, oldest first."""
        with self.daemon.client() as client:
            return client.jobs()

    def about_to_paint(self) -> None:
        """`job` waits for the job that begins after this."""
        self._before = {job.job for job in self.jobs()}

    def job(self, check: Callable[[Any], Any], what: str) -> Any:
        """Wait until the job that was started last is so."""

        def newest() -> Any:
            jobs = [job for job in self.jobs() if job.job not in self._before]
            if not jobs:
                return None
            with self.daemon.client() as client:
                job = client.watch(jobs[-1].job)
            assert check(job) or not job.final, f"{job!r} ended otherwise: {job.error}"
            return job if check(job) else None

        return until(newest, what, PATIENCE_S)

    def worker_states(self) -> set[str]:
        """What the daemon's workers do."""
        with self.daemon.client() as client:
            return {worker["state"] for worker in client.status()["workers"]}


def painting(job: Any) -> bool:
    """Whether there is something to see of a job."""
    return job.state == "running" and job.progress is not None and job.progress.step > 2


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
