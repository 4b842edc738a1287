"""Drives Krita from inside, for tests: runs the script that VAPORBRUSH_DRIVE names, by a timer, on the GUI thread.

The script defines `steps(tell)`, a generator. `tell(name, value)` writes one JSON line to VAPORBRUSH_REPORT. It yields
a number to wait that many seconds, or a function to wait until it returns something true (`Patience` bounds that).
"""

import json
import os
import sys
import time
import traceback

from krita import Krita
from PyQt5.QtCore import QTimer

PATIENCE_S = 90.0
TICK_MS = 20


class Drive:
    def __init__(self):
        self.report = open(os.environ["VAPORBRUSH_REPORT"], "a", buffering=1)
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
        self.tell("start")
        try:
            scope = {"__name__": "vaporbrush_drive", "__file__": os.environ["VAPORBRUSH_DRIVE"]}
            with open(os.environ["VAPORBRUSH_DRIVE"]) as file:
                exec(compile(file.read(), os.environ["VAPORBRUSH_DRIVE"], "exec"), scope)
            self.steps = scope["steps"](self.tell)
        except Exception:
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
                    raise TimeoutError(f"waited {PATIENCE_S} s at line {self.steps.gi_frame.f_lineno}")
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
        except Exception:
            self.tell("error", traceback.format_exc())
            self.quit()
        finally:
            self.ticking = False

    def quit(self):
        self.timer.stop()
        self.tell("end")
        for document in Krita.instance().documents():
            document.setModified(False)
        QTimer.singleShot(0, Krita.instance().action("file_quit").trigger)


def begin():
    global drive
    drive = Drive()
    QTimer.singleShot(1000, drive.start)


drive = None
if os.environ.get("VAPORBRUSH_DRIVE"):
    notifier = Krita.instance().notifier()
    notifier.setActive(True)
    notifier.windowCreated.connect(begin)
