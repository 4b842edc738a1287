"""What the scripts share that call the plug-in inside gimp-console."""

import json
import os
import time
import traceback
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

Gegl.init(None)
FOLDER = Path(os.environ["VAPORBRUSH_TEST_FOLDER"])
REPORT = Path(os.environ["VAPORBRUSH_TEST_REPORT"])
STYLIZE, RESTYLIZE = "plug-in-vaporbrush-stylize", "plug-in-vaporbrush-restylize"
QUICK = {"size": "64", "steps": 3, "quality": "draft"}
pdb = Gimp.get_pdb()


def tell(name, **entry):
    with REPORT.open("a") as file:
        file.write(json.dumps({"name": name, **entry}, default=str) + "\n")


def check(function):
    """Run it now; tell what it returns, or how it failed."""
    name, began = function.__name__, time.monotonic()
    try:
        value = function()
    except Exception:  # noqa: BLE001 (it is told)
        tell(name, error=traceback.format_exc())
    else:
        tell(name, value=value, seconds=round(time.monotonic() - began, 2))
    return function


def load(file):
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(FOLDER / file)))


def call(image, layers, procedure=STYLIZE, mode=Gimp.RunMode.NONINTERACTIVE, **arguments):
    found = pdb.lookup_procedure(procedure)
    config = found.create_config()
    config.set_property("image", image)
    config.set_core_object_array("drawables", layers)
    config.set_property("run-mode", mode)
    for name, value in arguments.items():
        config.set_property(name.replace("_", "-"), value)
    result = found.run(config)
    status = result.index(0).value_nick
    layer = result.index(1) if status == "success" and result.length() > 1 else None
    return status, layer, "" if layer else str(result.index(1))


def painted(image, layers, **arguments):
    status, layer, error = call(image, layers, **{**QUICK, **arguments})
    assert status == "success", f"{status}: {error}"
    return layer


def save(layer, name, babl="R'G'B'A float"):
    """The layer's pixels for the test to read."""
    buffer = layer.get_buffer()
    area = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    (FOLDER / f"{name}.raw").write_bytes(buffer.get(area, 1.0, babl, Gegl.AbyssPolicy.NONE))
    return [layer.get_width(), layer.get_height()]


def given(layer, name, depth="f32"):
    """The layer's pixels as the plug-in reads them, for the command line to paint the very same."""
    save(layer, f"given-{name}", "R'G'B'A " + {"u8": "u8", "u16": "u16", "f32": "float"}[depth])


def about(layer):
    _found, x, y = layer.get_offsets()
    parent, image = layer.get_parent(), layer.get_image()
    return {
        "name": layer.get_name(),
        "size": [layer.get_width(), layer.get_height()],
        "offset": [x, y],
        "position": image.get_item_position(layer),
        "parent": parent.get_name() if parent else None,
        "alpha": layer.has_alpha(),
        "grey": layer.is_gray(),
        "selected": [one.get_name() for one in image.get_selected_layers()],
    }


def names(image):
    return [layer.get_name() for layer in image.get_layers()]


def record(layer):
    return json.loads(bytes(layer.get_parasite("vaporbrush-recipe").get_data()))


style_image = load("style.png").duplicate()  # the only layer of a file would be called like the file
STYLE = style_image.get_layers()[0]
STYLE.set_name("Brush study")
