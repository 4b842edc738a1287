"""Runs inside the full GIMP: opens pictures in windows, then answers the test's questions about them, one file each."""

import json
import os
import time
import traceback
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

Gegl.init(None)
FOLDER = Path(os.environ["VAPORBRUSH_TEST_FOLDER"])
REPORT = Path(os.environ["VAPORBRUSH_TEST_REPORT"])


def tell(name, **entry):
    with REPORT.open("a") as file:
        file.write(json.dumps({"name": name, **entry}, default=str) + "\n")


def load(file):
    source = Gio.File.new_for_path(str(FOLDER / file))
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, source)
    image.clean_all()
    Gimp.Display.new(image)
    return image


style = load("style.png")
style.get_layers()[0].set_name("Brush study")
image = load("scene.png")
Gimp.displays_flush()
names = {"Gimp": Gimp, "image": image, "style": style}
tell("ready", value=True)
number = 0
while True:
    question = FOLDER / f"question-{number}"
    if not question.exists():
        time.sleep(0.05)
        continue
    try:
        tell(f"answer-{number}", value=eval(question.read_text(), names))
    except Exception:  # noqa: BLE001 (it is told)
        tell(f"answer-{number}", error=traceback.format_exc())
    number += 1
