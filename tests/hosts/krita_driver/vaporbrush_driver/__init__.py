"""Drives Krita from inside, for tests: runs the scenes of the scripts that VAPORBRUSH_DRIVE names, on the GUI thread.

A scene is a generator that a script marks with `@scene` (`kit.py`). It yields a number to wait that many seconds, or a
function to wait until it returns something true (`PATIENCE_S` bounds that). `tell(name, value)` writes one JSON line to
VAPORBRUSH_REPORT. A scene that fails is told, what it left under way is ended, and the next one plays.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

from krita import Krita

from .qt import QTimer

PATIENCE_S = 1000.0  # a first painting on a busy machine: torch is read, and the speed measured; 20 s on a free one
TICK_MS = 20


class Drive:
    def __init__(self):
        self.report = Path(os.environ["VAPORBRUSH_REPORT"]).open("a", buffering=1)  # noqa: SIM115 (as long as Krita)
        self.timer = QTimer()
        self.timer.setInterval(TICK_MS)
        self.timer.timeout.connect(self.tick)
        self.scenes = iter(())
        self.name = ""  # of the scene that plays
        self.steps = iter(())
        self.tidying = False
        self.until = lambda: True
        self.deadline = time.monotonic() + PATIENCE_S
        self.ticking = False

    def tell(self, name, value=None):
        line = {"name": name, "value": value, "time": time.time(), "scene": self.name}
        self.report.write(json.dumps(line) + "\n")

    def start(self):
        sys.excepthook = self.excepted  # Krita's own shows a dialog, at which everything would wait for ever
        Krita.instance().activeWindow().qwindow().showMaximized()
        self.tell("start")
        try:
            for script in os.environ["VAPORBRUSH_DRIVE"].split(os.pathsep):
                scope = {"__name__": "vaporbrush_drive", "__file__": script}
                exec(compile(Path(script).read_text(encoding="utf-8"), script, "exec"), scope)
            from . import kit

            self.scenes = iter(kit.SCENES)
        except Exception:  # noqa: BLE001 (the test shows it)
            self.tell("error", traceback.format_exc())
        self.timer.start()

    def tick(self):
        if self.ticking:  # a modal dialog runs an event loop of its own
            return
        self.ticking = True
        try:
            if not self.until():
                if time.monotonic() > self.deadline:
                    self.failed(f"waited {PATIENCE_S} s at line {self.steps.gi_frame.f_lineno}")
                return
            wish = next(self.steps)
            self.deadline = time.monotonic() + PATIENCE_S
            if callable(wish):
                self.until = wish
            else:
                ready = time.monotonic() + wish
                self.until = lambda: time.monotonic() >= ready
        except StopIteration:
            self.ended()
        except Exception:  # noqa: BLE001 (the test shows it)
            self.failed(traceback.format_exc())
        finally:
            self.ticking = False

    def ended(self):
        """Go on with the next scene, or end."""
        if self.name and not self.tidying:
            self.tell("scene ended")
        self.tidying = False
        scene = next(self.scenes, None)
        if scene is None:
            self.quit()
            return
        self.name = scene.__name__
        self.play(scene(self.tell))

    def failed(self, why):
        """Tell it, and clear the stage for the next scene."""
        self.tell("error", why)
        if self.tidying:
            self.quit()
            return
        from . import kit

        self.tidying = True
        self.play(kit.tidy())

    def play(self, steps):
        self.steps = steps
        self.until = lambda: True
        self.deadline = time.monotonic() + PATIENCE_S

    def excepted(self, kind, value, trace):
        self.tell("exception", "".join(traceback.format_exception(kind, value, trace)))

    def quit(self):
        self.timer.stop()
        self.tell("end")
        for document in Krita.instance().documents():
            document.setModified(False)
        QTimer.singleShot(0, Krita.instance().action("file_quit").trigger)


def begin():
    kept.append(Drive())
    QTimer.singleShot(1000, kept[-1].start)


kept = []
if os.environ.get("VAPORBRUSH_DRIVE"):
    notifier = Krita.instance().notifier()
    notifier.setActive(True)
    notifier.windowCreated.connect(begin)
