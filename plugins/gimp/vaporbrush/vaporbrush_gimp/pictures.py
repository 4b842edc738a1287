"""Small pictures in the dialog: thumbnails, and the painting as it converges."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Babl, Gdk, GdkPixbuf, Gegl, Gimp, GLib, Gtk

from vaporbrush_host.regions import Place, Region

try:  # a cairo surface is the only picture that GTK 3 shows in the pixels of a screen of high density
    gi.require_foreign("cairo")
    SHARP = True
except ImportError:  # pragma: no cover (a GIMP whose Python came without pycairo)
    SHARP = False

# Themes for image editors keep their selection faint; a choice has to be seen at a glance.
CHOSEN = "background-color: @theme_selected_bg_color; background-color: alpha(@theme_fg_color, {strength});"
FRAME_GREY = 128  # around a region's picture: seen on light and on dark themes
SRGB_THUMBNAILS = 2  # GIMP 3.2: from this minor version on
THUMB = 80  # px: three columns beside the preview; a style is told apart at this size


def show_choice(widget: Gtk.Widget, selector: str, strength: float) -> None:
    """Have what is selected in a widget stand out."""
    css = Gtk.CssProvider()
    css.load_from_data(f"{selector}:selected {{ {CHOSEN.format(strength=strength)} }}".encode())
    widget.get_style_context().add_provider(css, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)


def pixbuf_from_rgb(pixels: Any, width: int, height: int, *, alpha: bool = False) -> GdkPixbuf.Pixbuf:
    """A picture from packed RGB (or RGBA) rows."""
    count = 4 if alpha else 3
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(bytes(pixels)), GdkPixbuf.Colorspace.RGB, alpha, 8, width, height, width * count
    )


def thumbnail(drawable: Any, side: int) -> GdkPixbuf.Pixbuf:
    """A drawable as a small picture of at most `side` pixels, what is transparent on GIMP's checks."""
    picture = small_picture(drawable, side)
    return on_checks(picture, picture.get_width(), picture.get_height())


def small_picture(drawable: Any, side: int) -> GdkPixbuf.Pixbuf:
    """A drawable as a small picture of at most `side` pixels, with its transparency.

    GIMP 3.0 hands thumbnails out in the drawable's own format, and its own way to make a picture of them knows eight
    bits only: for 16 bits and floats it gives none, and linear light it shows as if it were sRGB. From 3.2 on they are
    always sRGB of eight bits.
    """
    data, width, height, channels = drawable.get_thumbnail_data(side, side)
    area = Gegl.Rectangle.new(0, 0, width, height)
    if Gimp.MINOR_VERSION < SRGB_THUMBNAILS:
        name = Babl.format_get_encoding(drawable.get_format())
    else:
        name = "R'G'B'A u8" if channels == len("RGBA") else "R'G'B' u8"
    buffer = Gegl.Buffer.new(name, 0, 0, width, height)
    buffer.set(area, name, data.get_data())
    pixels = buffer.get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE)
    return pixbuf_from_rgb(pixels, width, height, alpha=True)


def on_checks(picture: GdkPixbuf.Pixbuf, width: int, height: int) -> GdkPixbuf.Pixbuf:
    """Scaled, with what is transparent shown as GIMP does."""
    if not picture.get_has_alpha():
        return picture.scale_simple(width, height, GdkPixbuf.InterpType.BILINEAR)
    return picture.composite_color_simple(width, height, GdkPixbuf.InterpType.BILINEAR, 255, 8, 0x999999, 0x666666)


def surface_of(picture: GdkPixbuf.Pixbuf, widget: Gtk.Widget) -> Any:
    """A picture whose pixels are the screen's, for `Gtk.Image.set_from_surface` and models; needs `SHARP`."""
    return Gdk.cairo_surface_create_from_pixbuf(picture, widget.get_scale_factor(), widget.get_window())


def put_picture(image: Gtk.Image, picture: GdkPixbuf.Pixbuf) -> None:
    """Show a picture that was made `scale_of(image)` times as large as it is to appear."""
    if SHARP:
        image.set_from_surface(surface_of(picture, image))
    else:  # pragma: no cover
        image.set_from_pixbuf(picture)


def scale_of(widget: Gtk.Widget) -> int:
    """How many of the screen's pixels are one of the widget's, on each side."""
    return widget.get_scale_factor() if SHARP else 1


def square(pixbuf: GdkPixbuf.Pixbuf, side: int = THUMB) -> GdkPixbuf.Pixbuf:
    """The middle of a picture as a square: a grid of equal tiles is easier on the eye than letterboxes."""
    width, height = pixbuf.get_width(), pixbuf.get_height()
    short = min(width, height)
    cut = pixbuf.new_subpixbuf((width - short) // 2, (height - short) // 2, short, short)
    return cut.scale_simple(side, side, GdkPixbuf.InterpType.BILINEAR)


def region_picture(region: Region, canvas: Place, most: tuple[int, int]) -> GdkPixbuf.Pixbuf:
    """Where a region is in its image `canvas`: white on dark with a frame, as GIMP shows masks, at most this large."""
    grey, width, height = region.thumbnail(canvas, (most[0] - 2, most[1] - 2))
    edge = bytes([FRAME_GREY]) * (width + 2)
    rows = (edge[:1] + grey[start : start + width] + edge[:1] for start in range(0, width * height, width))
    values = edge + b"".join(rows) + edge
    return pixbuf_from_rgb(bytes(value for value in values for _channel in range(3)), width + 2, height + 2)


def blank(side: int = THUMB) -> GdkPixbuf.Pixbuf:
    """A quiet grey tile for a picture that is not there yet."""
    tile = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, side, side)
    tile.fill(0x80808040)
    return tile


class Canvas(Gtk.ScrolledWindow):
    """Shows one picture as large as it fits, centred, enlarged at most four times.

    Made of ready widgets: drawing by hand would need pycairo, which not every GIMP has. It asks for `side` pixels on
    each side, and can do with less.
    """

    MOST = 4.0
    LEAST_SIDE = 160  # px

    def __init__(self, side: int) -> None:
        super().__init__(shadow_type=Gtk.ShadowType.IN)
        self.set_policy(Gtk.PolicyType.EXTERNAL, Gtk.PolicyType.EXTERNAL)  # a picture never makes the dialog grow
        self._side = side
        self._image = Gtk.Image()
        self.add(self._image)
        self._room = (side, side)
        self._picture: GdkPixbuf.Pixbuf | None = None
        self.connect("size-allocate", self._allocated)

    def do_get_preferred_width(self) -> tuple[int, int]:
        """(least, natural), for GTK."""
        return self.LEAST_SIDE, self._side

    def do_get_preferred_height(self) -> tuple[int, int]:
        """(least, natural), for GTK."""
        return self.LEAST_SIDE, self._side

    @property
    def picture(self) -> GdkPixbuf.Pixbuf | None:
        """What is shown."""
        return self._picture

    def show_picture(self, picture: GdkPixbuf.Pixbuf | None) -> None:
        """Replace the picture."""
        self._picture = picture
        if picture is None:
            self._image.clear()
            return
        width, height = picture.get_width(), picture.get_height()
        scale = min(self._room[0] / width, self._room[1] / height, self.MOST)
        dense = scale_of(self)
        width, height = max(1, int(width * scale)) * dense, max(1, int(height * scale)) * dense
        put_picture(self._image, on_checks(picture, width, height))

    def _allocated(self, _widget: Gtk.Widget, room: Any) -> None:
        inner = (max(1, room.width - 4), max(1, room.height - 4))
        if inner != self._room:
            self._room = inner
            GLib.idle_add(lambda: self.show_picture(self._picture))  # not while sizes are being negotiated
