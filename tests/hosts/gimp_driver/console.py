"""Runs inside gimp-console: many calls of the plug-in, each told under its name. What is right, the tests decide."""

import json
import os
import struct
import threading
import time
import traceback
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

Gegl.init(None)
FOLDER = Path(os.environ["VAPORBRUSH_TEST_FOLDER"])
REPORT = Path(os.environ["VAPORBRUSH_TEST_REPORT"])
STYLIZE, RESTYLIZE = "plug-in-vaporbrush-stylize", "plug-in-vaporbrush-restylize"
QUICK = {"size": "64", "steps": 3, "quality": "draft"}
P = Gimp.Precision
PRECISIONS = (
    "U8_LINEAR", "U16_NON_LINEAR", "U16_LINEAR", "U32_NON_LINEAR", "HALF_NON_LINEAR", "HALF_LINEAR", "FLOAT_NON_LINEAR",
    "FLOAT_LINEAR", "FLOAT_PERCEPTUAL", "DOUBLE_NON_LINEAR", "DOUBLE_LINEAR",
)  # fmt: skip
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


style_image = load("style.png")
STYLE = style_image.get_layers()[0]
STYLE.set_name("Brush study")


@check
def registered():
    procedure = pdb.lookup_procedure(STYLIZE)
    again = pdb.lookup_procedure(RESTYLIZE)
    return {
        "menus": [procedure.get_menu_paths(), again.get_menu_paths()],
        "labels": [procedure.get_menu_label(), again.get_menu_label()],
        "blurb": procedure.get_blurb(),
        "help": procedure.get_help(),
        "arguments": {one.name: [one.nick, one.blurb, one.value_type.name] for one in procedure.get_arguments()},
        "returns": [one.value_type.name for one in procedure.get_return_values()],
    }


@check
def eight_bits():
    image = load("content.png")
    layer = image.get_layers()[0]
    layer.set_name("Harbour")
    layer.set_offsets(-7, 5)
    layer.set_opacity(40)
    image.clean_all()
    result = painted(image, [layer], style=STYLE)
    save(result, "eight_bits")
    return {**about(result), "layers": names(image), "record": record(result), "content": about(layer)}


@check
def precisions():
    """Each precision from the same eight-bit picture, so that all paintings should look the same."""
    found = {}
    for name in PRECISIONS:
        image = load("content.png")
        image.convert_precision(getattr(P, name))
        content = image.get_layers()[0]
        result = painted(image, [content], style=STYLE)
        save(result, f"precision-{name}")
        depth = record(result)["recipe"]["content"]["depth"]
        given(content, f"precision-{name}", depth)
        save(painted(image, [content], style=STYLE, blend=0.0, steps=1), f"unpainted-{name}")
        found[name] = {"precision": int(image.get_precision()), "depth": depth}
    return found


@check
def grey():
    found = {}
    for name, depth in (("U8_NON_LINEAR", "u8"), ("FLOAT_LINEAR", "f32")):
        image = load("content.png")
        image.convert_grayscale()
        image.convert_precision(getattr(P, name))
        result = painted(image, image.get_layers(), style=STYLE)
        save(result, f"grey-{name}")
        save(image.get_layers()[-1], f"grey-content-{name}")
        given(image.get_layers()[-1], f"grey-{name}", depth)
        found[name] = about(result)
    return found


@check
def foreign_profile():
    """A wide-gamut image: its numbers differ, its colours do not."""
    image = load("content.png")
    image.convert_precision(P.FLOAT_NON_LINEAR)
    image.convert_color_profile(
        Gimp.ColorProfile.new_rgb_adobe(), Gimp.ColorRenderingIntent.RELATIVE_COLORIMETRIC, True
    )
    result = painted(image, image.get_layers(), style=STYLE)
    save(result, "foreign_profile")
    given(image.get_layers()[-1], "foreign_profile")
    save(painted(image, [image.get_layers()[-1]], style=STYLE, blend=0.0, steps=1), "unpainted-foreign_profile")
    return image.get_color_profile().get_label()


@check
def alpha():
    image = load("alpha.png")
    result = painted(image, image.get_layers(), style=STYLE)
    save(result, "alpha")
    save(image.get_layers()[-1], "alpha-content")
    return about(result)


@check
def inside_a_group():
    image = load("content.png")
    group = Gimp.GroupLayer.new(image, "Sketches")
    image.insert_layer(group, None, 0)
    under = image.get_layers()[1].copy()
    image.insert_layer(under, group, 0)
    over = under.copy()
    over.set_name("Over")
    image.insert_layer(over, group, 0)
    under.set_offsets(11, -3)
    result = painted(image, [under], style=STYLE)
    return {**about(result), "group": [one.get_name() for one in group.get_children()]}


@check
def a_group_as_content():
    image = load("content.png")
    group = Gimp.GroupLayer.new(image, "Sketches")
    image.insert_layer(group, None, 0)
    inner = image.get_layers()[1].copy()
    image.insert_layer(inner, group, 0)
    inner.set_offsets(4, 6)
    result = painted(image, [group], style=STYLE)
    save(result, "a_group_as_content")
    return {**about(result), "layers": names(image)}


@check
def hard_selection():
    image = load("content.png")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 8, 30, 20)
    result = painted(image, image.get_layers(), style=STYLE)
    save(result, "hard_selection")
    still = Gimp.Selection.is_empty(image)
    without = painted(image, [image.get_layers()[-1]], style=STYLE, use_selection=False)
    save(without, "selection_not_used")
    return {**about(result), "selection_gone": still}


@check
def soft_selection():
    image = load("content.png")
    layer = image.get_layers()[0]
    layer.set_offsets(9, -4)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 14, 2, 40, 36)
    Gimp.Selection.feather(image, 10)
    values = [[Gimp.Selection.value(image, 9 + x, -4 + y) if y >= 4 else 0 for x in range(64)] for y in range(48)]
    result = painted(image, [layer], style=STYLE)
    save(result, "soft_selection")
    return {**about(result), "values": values}


@check
def layer_mask():
    image = load("content.png")
    layer = image.get_layers()[0]
    layer.add_alpha()
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    buffer = mask.get_buffer()
    ramp = b"".join(struct.pack("<f", x / 63) for x in range(64)) * 48
    buffer.set(Gegl.Rectangle.new(0, 0, 64, 48), "Y float", ramp)
    buffer.flush()
    del buffer
    layer.set_edit_mask(True)
    result = painted(image, image.get_selected_drawables(), style=STYLE)
    save(result, "layer_mask")
    save(result.get_mask(), "layer_mask-mask", "Y float")
    return {**about(result), "edits_mask": result.get_edit_mask(), "given": "mask"}


@check
def filters_count():
    """A non-destructive filter is part of what the person sees."""
    image = load("content.png")
    layer = image.get_layers()[0]
    filter_ = Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "Invert")
    layer.append_filter(filter_)
    result = painted(image, [layer], style=STYLE)
    save(result, "filters")
    destructive = load("content.png")
    destructive.get_layers()[0].invert(False)
    save(painted(destructive, destructive.get_layers(), style=STYLE), "filters-expected")
    return {**about(result), "filters_left": len(layer.get_filters()), "layers": names(image)}


@check
def text():
    image = load("content.png")
    font = Gimp.context_get_font()
    layer = Gimp.TextLayer.new(image, "Vapor", font, 30, Gimp.Unit.pixel())
    image.insert_layer(layer, None, 0)
    result = painted(image, [layer], style=STYLE, steps=9)
    save(result, "text")
    save(layer, "text-content")
    return {**about(result), "content": about(layer), "is_text": result.is_text_layer()}


@check
def style_file():
    image = load("content.png")
    result = painted(image, image.get_layers(), style_file=Gio.File.new_for_path(str(FOLDER / "style.png")))
    save(result, "style_file")
    return {**about(result), "images": len(Gimp.get_images()), "record": record(result)["styles"]}


@check
def bundled_style():
    image = load("content.png")
    result = painted(image, image.get_layers(), style_name="mosaic")
    save(result, "bundled_style")
    own = painted(image, [image.get_layers()[-1]], style_name="@mosaic", strength=3000.0)
    strengths = [record(layer)["recipe"]["strength"] for layer in (result, own)]
    again = call(image, [result], procedure=RESTYLIZE)
    save(again[1], "bundled_style_again")
    return {**about(result), "record": record(result)["styles"], "strengths": strengths}


@check
def several_styles():
    """A layer and a bundled style, weighed; and two layers."""
    image = load("content.png")
    content = image.get_layers()[0]
    mixed = painted(image, [content], style=STYLE, style_name="ink", style_weights="2, 1")
    save(mixed, "several_styles")
    other = load("other.png").get_layers()[0]
    save(painted(image, [content], style=STYLE, style_2=other), "two_layers")
    status, again, error = call(image, [mixed], procedure=RESTYLIZE)
    assert status == "success", error
    save(again, "several_styles_again")
    return {**about(mixed), "record": record(mixed)["styles"], "again": record(again)["styles"]}


@check
def restylize():
    image = load("content.png")
    first = painted(image, image.get_layers(), style=STYLE, seed=7)
    save(first, "restylize-first")
    status, second, error = call(image, [first], procedure=RESTYLIZE)
    assert status == "success", error
    save(second, "restylize-second")
    refused = call(image, [image.get_layers()[-1]], procedure=RESTYLIZE)
    return {**about(second), "layers": names(image), "record": record(second)["recipe"]["seed"], "refused": refused}


@check
def refusals():
    """Everything that is refused with a sentence, by what was wrong."""
    image = load("content.png")
    layer = image.get_layers()[0]
    found = {
        "no style": call(image, [layer], **QUICK),
        "its own style": call(image, [layer], style=layer, **QUICK),
        "style weights": call(image, [layer], style=STYLE, style_name="ink", style_weights="2", **QUICK),
        "a weight of 0": call(image, [layer], style=STYLE, style_weights="0", **QUICK),
        "a weight in words": call(image, [layer], style=STYLE, style_weights="much", **QUICK),
        "strength": call(image, [layer], style=STYLE, **{**QUICK, "strength": 0.05}),
        "style name": call(image, [layer], style_name="no-such-style", **QUICK),
        "style file": call(image, [layer], style_file=Gio.File.new_for_path(str(FOLDER / "missing.png")), **QUICK),
        "not a picture": call(image, [layer], style_file=Gio.File.new_for_path(str(FOLDER / "notes.txt")), **QUICK),
        "size": call(image, [layer], style=STYLE, size="12x"),
        "weights": call(image, [layer], style=STYLE, layer_weights="1, 2"),
        "model": call(image, [layer], style=STYLE, model="resnet", **QUICK),
        "two layers": call(image, [layer, STYLE], style=STYLE, **QUICK),
        "no layers": call(image, [], style=STYLE, **QUICK),
    }
    channel = Gimp.Channel.new(image, "Lines", 64, 48, 50.0, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    found["channel"] = call(image, [channel], style=STYLE, **QUICK)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 5, 5)
    layer.set_offsets(20, 20)
    found["selection elsewhere"] = call(image, [layer], style=STYLE, **QUICK)
    Gimp.Selection.none(image)
    Gimp.edit_copy([layer])
    pasted = Gimp.edit_paste(layer, True)
    found["floating"] = call(image, [pasted[0] if isinstance(pasted, list) else image.get_floating_sel()], style=STYLE)
    indexed = load("content.png")
    indexed.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    found["indexed"] = call(indexed, indexed.get_layers(), style=STYLE, **QUICK)
    empty = load("content.png")
    group = Gimp.GroupLayer.new(empty, "Nothing")
    empty.insert_layer(group, None, 0)
    found["empty group"] = call(empty, [group], style=STYLE, **QUICK)
    tiny = Gimp.Image.new(1, 1, Gimp.ImageBaseType.RGB)
    dot = Gimp.Layer.new(tiny, "Dot", 1, 1, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
    tiny.insert_layer(dot, None, 0)
    found["1×1"] = call(tiny, [dot], style=STYLE, **QUICK)
    return found


@check
def a_transparent_layer():
    image = load("content.png")
    clear = Gimp.Layer.new(image, "Clear", 64, 48, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(clear, None, 0)
    status, layer, error = call(image, [clear], style=STYLE, **QUICK)
    if layer is not None:
        save(layer, "a_transparent_layer")
    return [status, error]


@check
def standard_quality():
    image = load("content.png")
    status, layer, error = call(image, image.get_layers(), style=STYLE, size="64")
    assert status == "success", error
    save(layer, "standard_quality")
    return {**about(layer), "record": record(layer)["recipe"]}


@check
def a_large_layer():
    """4096² eight-bit pixels, painted small: how long, and how much memory the plug-in's process took."""
    side, peak, stop = 4096, [0], threading.Event()

    def look():
        while not stop.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if b"vaporbrush.py" in (process / "cmdline").read_bytes():
                        line = next(x for x in (process / "status").read_text().splitlines() if x.startswith("VmHWM"))
                        peak[0] = max(peak[0], int(line.split()[1]) * 1024)
                except (OSError, StopIteration):
                    continue

    image = load("content.png")
    image.scale(side, side)
    threading.Thread(target=look, daemon=True).start()
    began = time.monotonic()
    result = painted(image, image.get_layers(), style=STYLE)
    seconds = time.monotonic() - began
    stop.set()
    buffer = result.get_buffer()
    row = buffer.get(Gegl.Rectangle.new(0, side - 1, side, 1), 1.0, "R'G'B'A float", Gegl.AbyssPolicy.NONE)
    (FOLDER / "a_large_layer.raw").write_bytes(row)
    return {**about(result), "seconds": seconds, "peak_bytes": peak[0]}


def await_file(name):
    """The test outside has done what was asked for."""
    while not (FOLDER / name).exists():
        time.sleep(0.05)


@check
def daemon_absent():
    """The connection file is away: as if Vaporbrush had never run."""
    connection = Path(os.environ["VAPORBRUSH_HOME"]) / "connection.json"
    connection.rename(connection.with_suffix(".away"))
    image = load("content.png")
    try:
        return [*call(image, image.get_layers(), style=STYLE, **QUICK), names(image)]
    finally:
        connection.with_suffix(".away").rename(connection)


@check
def other_version():
    """A daemon that speaks another major version."""
    home = Path(os.environ["VAPORBRUSH_HOME"])
    (home / "connection.json").rename(home / "connection.away")
    (home / "connection.json").write_bytes((FOLDER / "other-version.json").read_bytes())
    image = load("content.png")
    try:
        return [*call(image, image.get_layers(), style=STYLE, **QUICK), names(image)]
    finally:
        (home / "connection.away").rename(home / "connection.json")


@check
def worker_killed():
    """The test kills the worker while it paints this."""
    image = load("content.png")
    tell("kill the worker", value=True)
    status, layer, error = call(image, image.get_layers(), style=STYLE, size="64", quality="draft", steps=60)
    return [status, about(layer) if layer else None, error]


@check
def daemon_killed():
    """The test kills the daemon while it paints this, and starts another afterwards."""
    image = load("content.png")
    tell("kill the daemon", value=True)
    status, _layer, error = call(image, image.get_layers(), style=STYLE, size="64", quality="draft", steps=5000)
    left = names(image)
    tell("daemon gone", value=True)
    await_file("daemon-again")
    later = painted(image, image.get_layers(), style=STYLE)
    return {"status": status, "error": error, "left": left, "later": about(later)}


tell("end", value=True)
