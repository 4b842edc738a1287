"""Drives Krita from inside, for tests: runs the script that VAPORBRUSH_DRIVE names, by a timer, on the GUI thread.

The script defines `steps(tell)`, a generator. `tell(name, value)` writes one JSON line to VAPORBRUSH_REPORT. It yields
a number to wait that many seconds, or a function to wait until it returns something true (`Patience` bounds that).
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

from krita import Krita
from PyQt5.QtCore import QTimer

PATIENCE_S = 150.0
TICK_MS = 20


class Drive:
    def __init__(self):
        self.report = Path(os.environ["VAPORBRUSH_REPORT"]).open("a", buffering=1)  # noqa: SIM115 (as long as Krita)
        self.timer = QTimer()
        self.timer.setInterval(TICK_MS)
        self.timer.timeout.connect(self.tick)
        self.until = lambda: True
        self.deadline = time.monotonic() + PATIENCE_S
        self.steps = None
        self.ticking = False

    def tell(self, name, value=None):
        self.report.write(json.dumps({"name": name, "value": value, "time": time.time()}) + "\n")

    def start(self):
        sys.excepthook = self.excepted  # Krita's own shows a dialog, at which everything would wait for ever
        Krita.instance().activeWindow().qwindow().showMaximized()
        self.tell("start")
        try:
            script = Path(os.environ["VAPORBRUSH_DRIVE"])
            scope = {"__name__": "vaporbrush_drive", "__file__": str(script)}
            exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), scope)
            self.steps = scope["steps"](self.tell)
        except Exception:  # noqa: BLE001 (the test shows it)
            self.tell("error", traceback.format_exc())
            self.quit()
        self.timer.start()

    def tick(self):
        if self.ticking:  # a modal dialog runs an event loop of its own
            return
        self.ticking = True
        try:
            if not self.until():
                if time.monotonic() > self.deadline:
                    self.tell("error", f"waited {PATIENCE_S} s at line {self.steps.gi_frame.f_lineno}")
                    self.quit()
                return
            wish = next(self.steps)
            self.deadline = time.monotonic() + PATIENCE_S
            if callable(wish):
                self.until = wish
            else:
                ready = time.monotonic() + wish
                self.until = lambda: time.monotonic() >= ready
        except StopIteration:
            self.quit()
        except Exception:  # noqa: BLE001 (the test shows it)
            self.tell("error", traceback.format_exc())
            self.quit()
        finally:
            self.ticking = False

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
