"""What the style is: a layer of any open image, a picture file that GIMP can open, or a bundled style's name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gi.repository import Gimp, Gio, GLib

from vaporbrush_host.order import Pixels, StyleRef
from vaporbrush_host.words import _
from vaporbrush_protocol.errors import RequestError

from .arguments import LAST_STYLE, STYLE, STYLE_FILE, STYLE_NAME
from .layers import read_drawable


@dataclass(frozen=True)
class Source:
    """One of the three; `title` is what people call it."""

    title: str
    layer: Any = None
    file: Any = None  # Gio.File
    name: str = ""

    def read(self) -> Pixels | None:
        """The style's pixels; None for a bundled style, which the daemon has."""
        if self.layer is not None:
            return read_drawable(self.layer)
        if self.file is not None:
            return _read_file(self.file)
        return None

    def put(self, config: Any) -> None:
        """Make this the style of a call."""
        config.set_property(STYLE, self.layer)
        config.set_property(STYLE_FILE, self.file)
        config.set_property(STYLE_NAME, self.name)
        config.set_property(LAST_STYLE, json.dumps(self.ref().to_json()))

    def ref(self) -> StyleRef:
        """What finds it again, in this session or a later one. A tattoo is a layer's number for life in its image."""
        if self.layer is not None:
            image = self.layer.get_image()
            return StyleRef("layer", self.title, str(self.layer.get_tattoo()), document_of(image))
        return StyleRef("file", self.file.get_uri()) if self.file is not None else StyleRef("bundled", self.name)


def document_of(image: Any) -> str:
    """What tells an image from others: its file, or its number in this session while it has none."""
    file = image.get_file()
    return file.get_uri() if file is not None else f"unsaved:{image.get_id()}"


def _last(config: Any) -> Source | None:
    """The style of the last call, if it can still be had."""
    try:
        ref = StyleRef.from_json(json.loads(config.get_property(LAST_STYLE) or "null"))
    except ValueError:
        return None
    return None if ref is None else found_again(ref)


def source_of(config: Any, *, alone: bool) -> Source:
    """The style of a call; where a person makes it (not `alone`) the last one may stand in. Raises `RequestError`
    where there is none, or more than one.
    """
    layer, file, name = (config.get_property(key) for key in (STYLE, STYLE_FILE, STYLE_NAME))
    given = [key for key, value in ((STYLE, layer), (STYLE_FILE, file), (STYLE_NAME, name)) if value]
    if len(given) > 1:
        raise RequestError(
            "bad_field", _("Only one style can be given, but there are {given}.").format(given=" and ".join(given))
        )
    if layer is not None:
        return of_layer(layer)
    if file is not None:
        return of_file(file)
    if name:
        return Source(name.removeprefix("@"), name=name.removeprefix("@"))
    if not alone and (last := _last(config)) is not None:
        return last
    raise RequestError("bad_field", _("No style is chosen: choose a layer, a picture file or a bundled style."))


def of_layer(layer: Any) -> Source:
    """A layer (or channel) as style. The only layer of a file is called like the file: mostly it is “Background”."""
    image = layer.get_image()
    file = image.get_file() or image.get_imported_file()
    alone = file is not None and len(image.get_layers()) == 1 and not layer.is_group()
    return Source(Path(file.get_basename()).stem if alone else layer.get_name(), layer=layer)


def of_file(file: Any) -> Source:
    """A picture file as style."""
    return Source(Path(file.get_basename() or "").stem, file=file)


def found_again(ref: StyleRef) -> Source | None:
    """The source that `ref` names, if it can still be had."""
    if ref.kind == "bundled":
        return Source(ref.name, name=ref.name)
    if ref.kind == "file":
        file = Gio.File.new_for_uri(ref.name)
        return of_file(file) if file.query_exists() else None
    tattoo = int(ref.layer) if ref.layer.isdecimal() else 0
    by_tattoo = [(image, image.get_layer_by_tattoo(tattoo)) for image in Gimp.get_images()]
    found = [layer for image, layer in by_tattoo if layer is not None and document_of(image) == ref.document]
    if not found:  # the image was saved under another name since; every image counts its tattoos from the same number
        found = [layer for _image, layer in by_tattoo if layer is not None and of_layer(layer).title == ref.name]
    return of_layer(found[0]) if len(found) == 1 else None


def layers_of_all_images() -> list[tuple[Any, Any]]:
    """(image, layer) of every open image, groups before what is in them, in the order of the layers' dialog."""
    found: list[tuple[Any, Any]] = []

    def walk(image: Any, layers: list[Any]) -> None:
        for layer in layers:
            found.append((image, layer))
            if layer.is_group():
                walk(image, layer.get_children())

    for image in Gimp.get_images():
        walk(image, image.get_layers())
    return found


def _read_file(file: Any) -> Pixels:
    """Whatever GIMP opens: every format, profile and orientation is its business, and layers are merged as seen."""
    path = file.get_path() or file.get_uri()
    if not file.query_exists():
        raise RequestError("bad_field", _("The style picture {path} does not exist.").format(path=path))
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    except GLib.Error as error:
        raise RequestError(
            "bad_field", _("The style picture {path} cannot be opened: {why}").format(path=path, why=error.message)
        ) from error
    if image is None:
        raise RequestError("bad_field", _("The style picture {path} cannot be opened by GIMP.").format(path=path))
    try:
        image.policy_rotate(False)
        layers = image.get_layers()
        seen = layers[0] if len(layers) == 1 else Gimp.Layer.new_from_visible(image, image, file.get_basename())
        return read_drawable(seen)
    finally:
        image.delete()
