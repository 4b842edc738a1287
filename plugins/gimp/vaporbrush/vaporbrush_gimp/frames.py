"""An image's layers as the frames of a film, as GIMP's animations have them: each layer at the top of the image is one,
the lowest is the first, and its name says how long it shows. Their paintings become the layers of a new image, as those
of GIMP's own Filters ▸ Animation do: the image itself is left alone, and Playback and the export find what they know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gi.repository import Gimp

from vaporbrush_host.request import Pixels
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.recipe import CHANNEL_COUNT, DEPTH_BYTES, Image

from . import layers

REPLACE = re.compile(r"\(replace\)", re.IGNORECASE)  # in a layer's name: it is not laid over the frame before
FEWEST = 2  # layers of a film


class LayerFrames:
    """The frames as they were when this was made (`vaporbrush_host.film.Frames`), and `made`, the image of their
    paintings: None before there is one, and hidden until somebody is to have it. `record` gives what is kept with a
    frame of this name. `close` lets go.
    """

    def __init__(self, image: Any) -> None:
        """Raises `RequestError` for an image that is no film."""
        layers.check_not_floating(image)
        if len(image.get_layers()) < FEWEST:
            raise layers.refuse(
                _("“{name}” has one layer only: each layer is a frame of the film, so two are needed at least.").format(
                    name=image.get_name()
                )
            )
        self._source = image.duplicate()
        self._source.undo_disable()
        layers.hide(self._source)
        if self._source.get_base_type() == Gimp.ImageBaseType.INDEXED:  # as every GIF is
            self._source.convert_rgb()
        self.size = (image.get_width(), image.get_height())
        self._layers = list(reversed(self._source.get_layers()))
        for layer in self._layers:
            layer.set_visible(False)
            layer.set_mode(Gimp.LayerMode.NORMAL)  # a frame by itself has nothing to be mixed with
        self._shown: dict[int, Any] = {}  # in the source: what frames show, which those after them may be laid over
        self._keeping = False  # all of those; else the last one only
        self._placed: dict[int, Any] = {}  # the new layers, by the frame's number
        self.record: Callable[[str], bytes] = lambda _frame: b""
        self.made: Any = None

    def __len__(self) -> int:
        return len(self._layers)

    def seen(self, number: int) -> Any:
        """What a frame shows, as a layer of the whole canvas."""
        known = max((one for one in self._shown if one <= number), default=-1)
        for one in range(known + 1, number + 1):
            self._see(one)
        return self._shown[number]

    def _see(self, number: int) -> None:
        """By itself, or laid over the frame before, which was seen."""
        layer, below = self._layers[number], self._shown.get(number - 1)
        over = [layer] if below is None or REPLACE.search(layer.get_name()) else [layer, below]
        for one in over:
            one.set_visible(True)
        shown = Gimp.Layer.new_from_visible(self._source, self._source, layer.get_name())
        for one in over:
            one.set_visible(False)
        if below is not None and not self._keeping:
            self._source.remove_layer(self._shown.pop(number - 1))
        self._source.insert_layer(shown, None, len(self._source.get_layers()))  # below whatever is laid over it
        shown.set_visible(False)
        self._shown[number] = shown

    def in_any_order(self) -> None:
        """From now on, what frames show is kept: to see one anew takes all those that it is laid over."""
        self._keeping = True

    def read(self, number: int) -> Pixels | None:
        """What a frame shows. One that shows nothing stays an empty frame."""
        pixels = layers.read_drawable(self.seen(number), layers.depth_of(self._source))
        if _shows_something(pixels):
            return pixels
        if number not in self._placed:
            self._insert(number, self._layer(number))
        return None

    def put(self, number: int, image: Image, pixels: Buffer) -> None:
        """The painting of a frame becomes a layer of the new image, with the frame's name. Like all that puts something
        there, raises `RequestError` where a person has closed it.
        """
        layer = self._layer(number)
        form = Pixels(pixels, image.width, image.height, image.channels, image.depth, image.transfer)
        layers.write_drawable(layer, form)
        layers.keep_record(layer, self.record(self._name(number)))
        self._insert(number, layer)
        layer.update(0, 0, *self.size)

    def repeat(self, number: int, other: int) -> None:
        """A frame gets the painting of another one, unless a person has deleted that one's layer."""
        self.check_open()
        if not self._placed[other].is_valid():
            raise layers.refuse(
                _("The layer “{name}” that this was painted from is not in the image any more.").format(
                    name=self._name(other)
                )
            )
        layer = self._placed[other].copy()
        layer.set_name(self._name(number))
        self._insert(number, layer)

    def _name(self, number: int) -> str:
        return str(self._layers[number].get_name())

    def check_open(self) -> None:
        """Raises `RequestError` where there was a new image and it is closed."""
        if self.made is not None and not self.made.is_valid():
            raise layers.refuse(layers.CLOSED)

    def _layer(self, number: int) -> Any:
        self.check_open()
        self._make()
        return layers.new_layer(self.made, self._name(number), self.size)

    def _make(self) -> None:
        if self.made is None:
            source = self._source
            self.made = layers.scratch_image(source, self.size, undo=True)
            layers.hide(self.made)
            _found, across, down = source.get_resolution()
            self.made.set_resolution(across, down)

    def _insert(self, number: int, layer: Any) -> None:
        """In its place among the frames, and in that of an earlier painting of it."""
        self.made.undo_freeze()  # a person may work in the new image already: what they did stays undoable
        try:
            if number in self._placed and self._placed[number].is_valid():
                self.made.remove_layer(self._placed[number])
            above = [one for key, one in self._placed.items() if key > number and one.is_valid()]
            self.made.insert_layer(layer, None, len(above))
        finally:
            self.made.undo_thaw()
        self._placed[number] = layer
        Gimp.displays_flush()

    def close(self) -> None:
        """Let go of the copy."""
        if self._source.is_valid():
            self._source.delete()

    def forget(self) -> None:
        """Nobody wants the new image."""
        if self.made is not None and self.made.is_valid():
            self.made.delete()
        self.made = None


def _shows_something(pixels: Pixels) -> bool:
    """Whether not all of it is transparent."""
    depth, data = DEPTH_BYTES[pixels.depth], bytes(pixels.data)
    size = depth * CHANNEL_COUNT[pixels.channels]
    return any(data[at::size].strip(b"\0") for at in range(size - depth, size))
