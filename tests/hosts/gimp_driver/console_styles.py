"""Styles from everywhere, refusals, what takes long. Each is told under its name; what is right, the tests decide."""

import threading
import time
from pathlib import Path

from console_kit import FOLDER, QUICK, RESTYLIZE, STYLE, about, call, check, load, names, painted, record, save
from gi.repository import Gegl, Gimp, Gio


@check
def style_file():
    image = load("content.png")
    result = painted(image, image.get_layers(), style_file=Gio.File.new_for_path(str(FOLDER / "style.png")))
    save(result, "style_file")
    return {**about(result), "images": len(Gimp.get_images()), "record": record(result)["styles"]}


@check
def a_style_with_filters():
    image = load("content.png")
    other = load("other.png")
    layer = other.get_layers()[0]
    layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "Invert"))
    other.clean_all()
    save(painted(image, image.get_layers(), style=layer), "a_style_with_filters")
    merged = load("other.png")
    merged.get_layers()[0].invert(False)
    save(painted(image, [image.get_layers()[-1]], style=merged.get_layers()[0]), "a_style_with_filters-expected")
    return {"dirty": other.is_dirty(), "filters_left": len(layer.get_filters())}


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
def several_layers():
    """All that are selected, each above its own; the one that is the style itself is left out."""
    image = load("content.png")
    for name in ("Second", "Third"):
        copy = image.get_layers()[-1].copy()
        copy.set_name(name)
        image.insert_layer(copy, None, 0)
    third, second, first = image.get_layers()
    result = painted(image, [first, second, third], style=third)
    save(result, "several-first")
    save(image.get_layers()[1], "several-second")
    return {"layers": names(image), "returned": result.get_name(), "position": image.get_item_position(result)}


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
        "another image's layer": call(image, [layer, STYLE], style=STYLE, **QUICK),
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
                except (OSError, StopIteration):  # it has ended
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
