"""Layers of every kind and depth, painted. Each is told under its name; what is right, the tests decide."""

import struct

from console_kit import RESTYLIZE, STYLE, STYLIZE, about, check, given, load, names, painted, pdb, record, save
from gi.repository import Gegl, Gimp

P = Gimp.Precision
PRECISIONS = (
    "U8_LINEAR", "U16_NON_LINEAR", "U16_LINEAR", "U32_NON_LINEAR", "HALF_NON_LINEAR", "HALF_LINEAR", "FLOAT_NON_LINEAR",
    "FLOAT_LINEAR", "FLOAT_PERCEPTUAL", "DOUBLE_NON_LINEAR", "DOUBLE_LINEAR",
)  # fmt: skip


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
    thumbnail, _width, _height, channels = result.get_mask().get_thumbnail_data(16, 12)  # GIMP 3.2: always RGB
    row = list(thumbnail.get_data())[: 16 * channels : channels]
    return {**about(result), "edits_mask": result.get_edit_mask(), "given": "mask", "thumbnail": row}


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
