"""Runs inside gimp-console: images whose layers are frames, painted by a script. Each is told under its name."""

import os
import sys

sys.path.insert(0, os.environ["VAPORBRUSH_TEST_FOLDER"])  # where these files were copied to

from console_kit import QUICK, STYLE, check, load, names, pdb, record, save, tell
from gi.repository import Gegl, Gimp

FRAMES = "plug-in-vaporbrush-frames"


def call(image, **arguments):
    """(status, new image, error)."""
    procedure = pdb.lookup_procedure(FRAMES)
    config = procedure.create_config()
    given = {"image": image, "run-mode": Gimp.RunMode.NONINTERACTIVE, "style": STYLE, **QUICK, **arguments}
    config.set_core_object_array("drawables", image.get_selected_layers())
    for name, value in given.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    status = result.index(0).value_nick
    made = result.index(1) if status == "success" else None
    return status, made, "" if made else str(result.index(1))


def painted(image, **arguments):
    status, made, error = call(image, **arguments)
    assert status == "success", f"{status}: {error}"
    return made


def add(image, name, file=None, parent=None, at=(0, 0)):
    """A layer at the top with a picture's pixels, or with nothing."""
    if file is None:
        kind = Gimp.ImageType.RGBA_IMAGE
        layer = Gimp.Layer.new(image, name, 20, 20, kind, 100, Gimp.LayerMode.NORMAL)
    else:
        source = load(file)
        layer = Gimp.Layer.new_from_drawable(source.get_layers()[0], image)
        source.delete()
    layer.set_name(name)
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(*at)
    return layer


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


def held(layer):
    """To how many frames the painting of one was held; None for what is no painting."""
    kept = layer.get_parasite("vaporbrush-recipe") is not None
    return len(record(layer)["recipe"].get("held") or ()) if kept else None


def told(made, name):
    """The new image, its frames from the first on saved for the test to read."""
    layers = list(reversed(made.get_layers()))
    for number, layer in enumerate(layers, 1):
        save(layer, f"{name}-{number}")
    return {
        "names": [layer.get_name() for layer in layers],
        "sizes": [[layer.get_width(), layer.get_height()] for layer in layers],
        "precision": made.get_precision().value_nick,
        "type": made.get_base_type().value_nick,
        "dirty": made.is_dirty(),
        "undo": made.undo_is_enabled(),
        "held": [held(layer) for layer in layers],
    }


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
