"""Pixels and layers of GIMP: what is painted, what it is painted like, and the layer that comes out.

Colours: asking a buffer for `R'G'B'A …` makes GEGL convert from whatever the image is (precision, linear or perceptual,
grey, any profile) to sRGB, and setting it converts back. Floats carry colours outside sRGB as values outside 0..1.
Buffers are read and written in bands of rows, as `bytes`: PyGObject copies anything else item by item.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gi.repository import Babl, Gegl, Gimp

from vaporbrush_host import processes, regions, row_strips
from vaporbrush_host.regions import Region
from vaporbrush_host.request import Pixels
from vaporbrush_host.ui_text import _, _n
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.limits import MAX_BLOB_BYTES, MAX_SIDE
from vaporbrush_protocol.recipe import CHANNEL_COUNT, DEPTH_BYTES, Channels, Depth

from . import region_store
from .region_store import FLEETING

PARASITE = "vaporbrush-recipe"
HIDDEN = "vaporbrush-hidden"  # on an image, with the number of its process
BABL: dict[tuple[Channels, Depth], str] = {
    ("RGBA", "u8"): "R'G'B'A u8",
    ("RGBA", "u16"): "R'G'B'A u16",
    ("RGBA", "f16"): "R'G'B'A half",
    ("RGBA", "f32"): "R'G'B'A float",
    ("GRAY", "u8"): "Y u8",  # linear: a selection's or a mask's value is a coverage, not a colour
    ("GRAY", "f32"): "Y float",
}
CLOSED = _("The image was closed while it was being painted, so there is no place for the result.")
LIGHT: dict[Depth, str] = {"u8": "RGBA u8", "u16": "RGBA u16", "f16": "RGBA half", "f32": "RGBA float"}


@dataclass(frozen=True)
class Place:
    """The content as it was before painting, and the layer above which the result goes (mostly the content itself)."""

    image: Any
    layer: Any
    below: Any
    name: str
    size: tuple[int, int]
    offset: tuple[int, int]

    @property
    def rectangle(self) -> regions.Place:
        """Where the content is in the image."""
        return regions.Place(*self.offset, *self.size)

    def now(self) -> tuple[Any, int, tuple[int, int]]:
        """Parent, position and offsets for the result as things are now: the layer may have been moved or deleted
        while it was painted. Without the layer below, the top of the stack.
        """
        offset = self.offset
        if self._has(self.layer):
            _found, *offset = self.layer.get_offsets()
        if not self._has(self.below):
            return None, 0, (offset[0], offset[1])
        return self.below.get_parent(), self.image.get_item_position(self.below), (offset[0], offset[1])

    def _has(self, layer: Any) -> bool:
        return layer.is_valid() and layer.get_image().get_id() == self.image.get_id()


def refuse(sentence: str) -> RequestError:
    """What cannot be painted, as one sentence."""
    return RequestError("bad_field", sentence)


def content_layers(image: Any, drawables: list[Any], *, several: bool) -> list[Any]:
    """The layers to paint, or a sentence that says what to select instead. `several`: whether more than one may be."""
    if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
        raise refuse(
            _("“{name}” has indexed colours, which cannot be painted: choose Image ▸ Mode ▸ RGB first.").format(
                name=image.get_name()
            )
        )
    check_not_floating(image)
    if not drawables:
        raise refuse(_("No layer is selected: select the one to paint."))
    if len(drawables) > 1 and not several:
        sentence = _n(
            "{count} layer is selected: select the one to paint.",
            "{count} layers are selected: select the one to paint.",
            len(drawables),
        )
        raise refuse(sentence.format(count=len(drawables)))
    return [_content_layer(image, drawable) for drawable in drawables]


def check_not_floating(image: Any) -> None:
    """A sentence for an image in which what was pasted belongs to no layer yet."""
    if image.get_floating_sel() is not None:
        raise refuse(
            _(
                "There is a floating selection: anchor it (Layer ▸ Anchor Layer) or make it a layer "
                "(Layer ▸ To New Layer) first."
            )
        )


def _content_layer(image: Any, drawable: Any) -> Any:
    if isinstance(drawable, Gimp.LayerMask):  # GIMP passes the mask while it is the one being edited
        drawable = Gimp.Layer.from_mask(drawable)
    if not isinstance(drawable, Gimp.Layer):
        raise refuse(_("“{name}” is a channel: select a layer to paint.").format(name=drawable.get_name()))
    if drawable.get_image().get_id() != image.get_id():
        raise refuse(_("“{name}” is a layer of another image.").format(name=drawable.get_name()))
    if drawable.get_width() < 1 or drawable.get_height() < 1 or (drawable.is_group() and not drawable.get_children()):
        raise refuse(_("The layer “{name}” is empty: there is nothing to paint.").format(name=drawable.get_name()))
    return drawable


def place_of(layer: Any, below: Any = None) -> Place:
    """Where a painting of `layer` will go: above it, or above another layer of its image."""
    _found, x, y = layer.get_offsets()
    size = (layer.get_width(), layer.get_height())
    return Place(layer.get_image(), layer, below or layer, layer.get_name(), size, (x, y))


def depth_of(image: Any) -> Depth:
    """The fewest bits that carry the image's colours in sRGB without loss."""
    profile = image.get_color_profile()
    if profile is None or profile.is_equal(Gimp.ColorProfile.new_rgb_srgb()):
        if image.get_precision() == Gimp.Precision.U8_NON_LINEAR:
            return "u8"
        if image.get_precision() == Gimp.Precision.U16_NON_LINEAR:
            return "u16"
    return "f32"


def file_depth(drawable: Any) -> Depth:
    """The same for a picture file, which has no floats."""
    return "u8" if depth_of(drawable.get_image()) == "u8" else "u16"


def read_drawable(drawable: Any, depth: Depth | None = None) -> Pixels:
    """The drawable's own pixels with its filters applied, without its mask, opacity and mode. `depth`: as deep as its
    image where left out.
    """
    depth = depth or depth_of(drawable.get_image())
    check_size(drawable, depth)
    size = (drawable.get_width(), drawable.get_height())
    if not (isinstance(drawable, Gimp.Layer) and drawable.get_filters()):
        return _read(drawable, (0, 0), size, "RGBA", depth)
    # The buffer is the layer before its non-destructive filters. They are merged in a copy, and the copy is in an image
    # that nobody sees: merging is a step of its image's undo history, which would end what can be redone there.
    scratch = scratch_image(drawable.get_image(), size)
    try:
        copy = Gimp.Layer.new_from_drawable(drawable, scratch)
        scratch.insert_layer(copy, None, 0)
        copy.merge_filters()
        return _read(copy, (0, 0), size, "RGBA", depth)
    finally:
        scratch.delete()


def scratch_image(like: Any, size: tuple[int, int], *, undo: bool = False) -> Any:
    """An empty image without a window. It is of the same kind, precision and profile: pixels are copied as they are.
    `undo`: whether it keeps a history, for a person.
    """
    scratch = Gimp.Image.new_with_precision(*size, like.get_base_type(), like.get_precision())
    if not undo:
        scratch.undo_disable()
    profile = like.get_color_profile()
    if profile is not None:
        scratch.set_color_profile(profile)
    return scratch


def hide(image: Any) -> None:
    """This image is nobody's but ours, as long as it is there or until it is shown."""
    image.attach_parasite(Gimp.Parasite.new(HIDDEN, FLEETING, str(os.getpid()).encode()))


def unhide(image: Any) -> None:
    """A person is to have this image."""
    image.detach_parasite(HIDDEN)


def clear_away() -> None:
    """Delete the hidden images of calls that were killed, as GIMP's own Cancel does: nobody else could."""
    for image in Gimp.get_images():
        hidden = image.get_parasite(HIDDEN)
        if hidden is not None and not processes.runs(int(bytes(hidden.get_data()))):
            image.delete()


def images() -> list[Any]:
    """The open images that a person knows of."""
    return [image for image in Gimp.get_images() if image.get_parasite(HIDDEN) is None]


def read_selection(place: Place) -> Pixels | None:
    """The selection over the content, softness included (255 or 1.0 = selected); None where nothing is selected. It
    has to touch a layer of its image.
    """
    if Gimp.Selection.is_empty(place.image):
        return None
    own = place.layer.get_image().get_id() == place.image.get_id()
    touches, *_box = place.layer.mask_intersect() if own else (True,)
    if not touches:
        raise refuse(
            _("The selection does not touch the layer “{name}”: move it there, or choose Select ▸ None.").format(
                name=place.name
            )
        )
    depth: Depth = "u8" if depth_of(place.image) == "u8" else "f32"
    return _read(place.image.get_selection(), place.offset, place.size, "GRAY", depth)


def selected_region(image: Any) -> Region:
    """What is selected, as a region for a style. Raises `RequestError` where nothing is."""
    _done, something, left, top, right, bottom = Gimp.Selection.bounds(image)
    if not something:
        raise refuse(regions.NOTHING_SELECTED)
    size = (right - left, bottom - top)
    mask = _read(image.get_selection(), (left, top), size, "GRAY", "u8")
    region = Region.of(mask.data, regions.Place(left, top, *size))
    if region is None:
        raise refuse(regions.NOTHING_SELECTED)
    return region


def select(image: Any, region: Region) -> None:
    """Make a region the selection, to be changed, in one undo step."""
    whole = regions.Place(0, 0, image.get_width(), image.get_height())
    mask = region.over(whole)
    if mask is None:
        raise refuse(regions.NOTHING_SELECTED)
    image.undo_group_start()
    try:
        channel = Gimp.Channel.new(image, "", whole.width, whole.height, 100, Gegl.Color.new("black"))
        image.insert_channel(channel, None, 0)
        buffer = channel.get_buffer()
        # GIMP copies a channel's bytes into the selection as they are, also where the channel's are sRGB-encoded
        encoded = Babl.format_get_encoding(channel.get_format()).startswith("Y'")
        area = Gegl.Rectangle.new(0, 0, whole.width, whole.height)
        buffer.set(area, "Y' u8" if encoded else "Y u8", mask)
        buffer.flush()
        image.select_item(Gimp.ChannelOps.REPLACE, channel)
        image.remove_channel(channel)
    finally:
        image.undo_group_end()
    Gimp.displays_flush()


def check_size(drawable: Any, depth: Depth) -> None:
    """A sentence for a picture that is larger than any daemon takes."""
    width, height = drawable.get_width(), drawable.get_height()
    if max(width, height) > MAX_SIDE or width * height * 4 * DEPTH_BYTES[depth] > MAX_BLOB_BYTES:
        raise RequestError(
            "too_large",
            _("“{name}” is {width} × {height} pixels; at most {side} on a side and {size} GiB fit.").format(
                name=drawable.get_name(), width=width, height=height, side=MAX_SIDE, size=MAX_BLOB_BYTES // 2**30
            ),
        )


def _read(drawable: Any, origin: tuple[int, int], size: tuple[int, int], channels: Channels, depth: Depth) -> Pixels:
    """The rectangle at `origin`; what lies outside the buffer is transparent black."""
    buffer, babl = drawable.get_buffer(), BABL[channels, depth]
    (left, above), (width, height) = origin, size

    def rows(top: int, count: int) -> bytes:
        return buffer.get(Gegl.Rectangle.new(left, above + top, width, count), 1.0, babl, Gegl.AbyssPolicy.NONE)

    data = row_strips.read(height, width * CHANNEL_COUNT[channels] * DEPTH_BYTES[depth], rows)
    return Pixels(data, width, height, channels, depth)


def write_drawable(drawable: Any, pixels: Pixels) -> None:
    """Fill a drawable that is as large as `pixels`."""
    linear = pixels.channels == "RGBA" and pixels.transfer == "linear"
    buffer, babl = drawable.get_buffer(), LIGHT[pixels.depth] if linear else BABL[pixels.channels, pixels.depth]

    def put(top: int, count: int, band: bytes) -> None:
        buffer.set(Gegl.Rectangle.new(0, top, pixels.width, count), babl, band)

    row = pixels.width * CHANNEL_COUNT[pixels.channels] * DEPTH_BYTES[pixels.depth]
    row_strips.write(pixels.height, row, pixels.data, put)
    buffer.flush()


def insert_result(place: Place, pixels: Pixels, name: str, record: bytes, where: Sequence[Region] = ()) -> Any:
    """The painting as a new layer directly above the content, in one undo step. `record` is kept on the layer, and so
    are the regions that it names by their hashes.
    """
    if not place.image.is_valid():
        raise refuse(CLOSED)
    layer = new_layer(place.image, name, (pixels.width, pixels.height))
    write_drawable(layer, pixels)
    keep_record(layer, record)
    region_store.keep(layer, where)
    place.image.undo_group_start()
    try:
        parent, position, offset = place.now()
        layer.set_offsets(*offset)
        place.image.insert_layer(layer, parent, position)
        copy_mask(place.layer, layer)
        layer.update(0, 0, pixels.width, pixels.height)
    finally:
        place.image.undo_group_end()
    Gimp.displays_flush()
    return layer


def new_layer(image: Any, name: str, size: tuple[int, int]) -> Any:
    """A transparent layer for an image, not in it yet."""
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kind = Gimp.ImageType.GRAYA_IMAGE if grey else Gimp.ImageType.RGBA_IMAGE
    return Gimp.Layer.new(image, name, *size, kind, 100, Gimp.LayerMode.NORMAL)


def keep_record(layer: Any, record: bytes) -> None:
    """Keep on a layer how it was painted, for `record_of`."""
    layer.attach_parasite(Gimp.Parasite.new(PARASITE, Gimp.PARASITE_PERSISTENT, record))


def copy_mask(content: Any, layer: Any) -> None:
    """What the content hides with its layer mask, the painting hides too."""
    if not content.is_valid() or content.get_mask() is None or not content.get_apply_mask():
        return
    size = (layer.get_width(), layer.get_height())
    if (content.get_width(), content.get_height()) != size:
        return
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    write_drawable(mask, _read(content.get_mask(), (0, 0), size, "GRAY", "f32"))
    mask.update(0, 0, *size)  # or the list of layers would go on showing it white
    layer.set_edit_mask(False)


def record_of(layer: Any) -> bytes | None:
    """What `keep_record` kept on the layer."""
    parasite = layer.get_parasite(PARASITE)
    return None if parasite is None else bytes(parasite.get_data())
