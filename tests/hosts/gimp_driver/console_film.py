"""What the scripts share that have films painted inside gimp-console."""

from console_kit import QUICK, STYLE, load, pdb, record, save
from gi.repository import Gimp

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
