"""Runs inside the full GIMP, which was started with two pictures: answers the test's questions, one file each."""

import json
import os
import time
import traceback
from pathlib import Path

from gi.repository import Gegl, Gimp

Gegl.init(None)
FOLDER = Path(os.environ["VAPORBRUSH_TEST_FOLDER"])
REPORT = Path(os.environ["VAPORBRUSH_TEST_REPORT"])


def tell(name, **entry):
    with REPORT.open("a") as file:
        file.write(json.dumps({"name": name, **entry}, default=str) + "\n")


def opened(name):
    """The image of a picture that GIMP was started with, as soon as it is there."""
    while True:
        for image in Gimp.get_images():
            if name in image.get_name():
                return image
        time.sleep(0.1)


style, image = opened("style"), opened("scene")
names = {"Gegl": Gegl, "Gimp": Gimp, "image": image, "style": style}
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
