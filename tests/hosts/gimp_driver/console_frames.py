"""Runs inside gimp-console: images whose layers are frames, painted by a script. Each is told under its name."""

import os
import sys

sys.path.insert(0, os.environ["VAPORBRUSH_TEST_FOLDER"])  # where these files were copied to

from console_film import FRAMES, add, call, painted, told
from console_kit import check, load, names, pdb, tell
from gi.repository import Gegl, Gimp


def film():
    """Five frames as GIMP's animations have them; the fourth shows nothing, the last one is a group."""
    image = load("content.png")
    image.get_layers()[0].set_name("Frame 1 (100ms)")
    add(image, "Frame 2 (100ms)(combine)", "patch.png", at=(40, 8))
    add(image, "Frame 3 (200ms)(replace)", "content.png").set_visible(False)
    add(image, "Frame 4 (replace)")
    group = Gimp.GroupLayer.new(image, "Frame 5 (replace)")
    image.insert_layer(group, None, 0)
    add(image, "Ground", "content.png", group)
    add(image, "Figure", "patch.png", group, (8, 12))
    image.clean_all()
    return image


@check
def registered():
    found = pdb.lookup_procedure(FRAMES)
    return {
        "menus": found.get_menu_paths(),
        "label": found.get_menu_label(),
        "arguments": [one.name for one in found.get_arguments()],
        "returns": [one.value_type.name for one in found.get_return_values()],
    }


@check
def all_frames():
    image, before = film(), len(Gimp.get_images())
    made = painted(image)
    found = {"dirty source": image.is_dirty(), "source": names(image), "images": len(Gimp.get_images()) - before}
    return {**found, **told(made, "all")}


@check
def looped():
    image = film()
    image.remove_layer(image.get_layers()[1])  # the empty one
    return told(painted(image, loop=True), "looped")


@check
def boiled():
    return told(painted(film(), boil=0.5, seed=7), "boiled")


@check
def untagged():
    """As GIMP opens a GIF that says nothing about what its frames do with the ones before."""
    image = load("content.png")
    add(image, "Frame 2", "patch.png", at=(40, 8))
    return told(painted(image), "untagged")


@check
def indexed():
    """As GIMP opens a GIF, which has no groups."""
    image = film()
    image.remove_layer(image.get_layers()[0])
    assert image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.WEB, 0, False, False, "")
    return {**told(painted(image), "indexed"), "source": image.get_base_type().value_nick}


@check
def deep():
    image = film()
    image.convert_precision(Gimp.Precision.FLOAT_LINEAR)
    return told(painted(image), "deep")


@check
def selected():
    """Painted within the selection only."""
    image = film()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 32, 48)
    return told(painted(image), "selected")


@check
def refusals():
    found = {}
    image = load("content.png")
    before = len(Gimp.get_images())
    found["one layer"] = call(image)
    found["no style"] = call(film(), style=None)
    empty = Gimp.Image.new(40, 30, Gimp.ImageBaseType.RGB)
    for name in ("First", "Second"):
        add(empty, name)
    found["nothing to see"] = call(empty)
    found["its worker's own error"] = call(film(), style=None, style_name="no-such-style")
    found["images"] = len(Gimp.get_images()) - before  # the three that are made here
    return found


Gegl.init(None)
tell("end", value=True)
