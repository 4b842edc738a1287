"""What the styles are: layers of any open image, a picture file that GIMP can open, a bundled style's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gi.repository import Gimp, Gio, GLib

from vaporbrush_host import png, presets
from vaporbrush_host.regions import Region
from vaporbrush_host.request import MAX_WEIGHT, Pixels, StyleInput, StyleRef
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.presets import NewStyle
from vaporbrush_protocol.recipe import Depth

from .arguments import LAST_STYLES, MORE_STYLES, STYLE, STYLE_FILE, STYLE_NAME, STYLE_WEIGHTS, numbers, refused
from .layers import file_depth, images, read_drawable
from .region_store import finder


@dataclass(frozen=True)
class Source:
    """One style: a layer, a file or a name; `title` is what people call it, `weight` its share among several."""

    title: str = field(compare=False)
    layer: Any = None
    file: Any = None  # Gio.File
    name: str = ""
    weight: float = 1.0
    region: Region | None = None  # where it paints; None: what regions leave

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells its picture from others, for as long as this process lives."""
        layer = None if self.layer is None else self.layer.get_id()
        return (layer, None if self.file is None else self.file.get_uri(), self.name)

    def read(self) -> StyleInput:
        """The style with its pixels; a bundled one has none, because the daemon has them."""
        if self.layer is not None:
            if not self.is_there():
                raise gone(self)
            return StyleInput(read_drawable(self.layer), weight=self.weight)
        if self.file is not None:
            return StyleInput(_read_file(self.file), weight=self.weight)
        return StyleInput(name=self.name, weight=self.weight)

    def like(self, size: tuple[int, int]) -> StyleInput:
        """The same without its pixels, for an estimate; a file counts as large as `size`."""
        if self.name:
            return StyleInput(name=self.name, weight=self.weight)
        if self.layer is not None and self.is_there():
            size = (self.layer.get_width(), self.layer.get_height())
        return StyleInput(Pixels(b"", *size), weight=self.weight)

    def is_there(self) -> bool:
        """Whether it was not closed meanwhile."""
        return self.layer is None or self.layer.is_valid()

    def weighted(self, weight: float) -> Source:
        """The same style with another weight."""
        return replace(self, weight=weight)

    def placed(self, region: Region | None) -> Source:
        """The same style, which paints elsewhere."""
        return replace(self, region=region)

    def same_source(self, other: object) -> bool:
        """Whether both are the same picture, whatever its weight."""
        return isinstance(other, Source) and self.key == other.key

    def ref(self) -> StyleRef:
        """What finds it again, in this session or a later one. A tattoo is a layer's number for life in its image."""
        if self.layer is not None:
            tattoo, document = str(self.layer.get_tattoo()), document_of(self.layer.get_image())
            return StyleRef("layer", self.title, tattoo, document, self.weight, self.region)
        if self.file is not None:
            return StyleRef("file", self.file.get_uri(), weight=self.weight, region=self.region)
        return StyleRef("bundled", self.name, weight=self.weight, region=self.region)


def document_of(image: Any) -> str:
    """What tells an image from others: its file, or its number in this session while it has none."""
    file = image.get_file()
    return file.get_uri() if file is not None else f"unsaved:{image.get_id()}"


def title_of(sources: Sequence[Source], titles: Mapping[str, str] | None = None) -> str:
    """What people call a mix. `titles`: of bundled styles, by name; a script and a remembered call know only names."""
    known = titles or {}
    return " + ".join(known.get(source.name) or source.title for source in sources)


def refs_of(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """What finds them again, as JSON; those that were closed are left out."""
    return [source.ref().to_json() for source in sources if source.is_there()]


def remember(config: Any, sources: Sequence[Source]) -> None:
    """Make these the last styles of a call, and the only ones: GIMP keeps its other arguments less well."""
    for key in (STYLE, *MORE_STYLES):
        config.set_property(key, None)
    config.set_property(STYLE_FILE, None)
    config.set_property(STYLE_NAME, "")
    config.set_property(STYLE_WEIGHTS, "")
    config.set_property(LAST_STYLES, json.dumps(refs_of(sources)))


def last(config: Any, image: Any, *, whole: bool = False) -> tuple[Source, ...]:
    """The last styles, as far as they can still be had, with the regions that belong to `image`; raises `RequestError`
    where the `whole` mix is wanted.
    """
    try:
        raw = json.loads(config.get_property(LAST_STYLES) or "null")
    except ValueError:  # another version wrote it: as if none was used
        return ()
    refs = StyleRef.several(raw, finder(image))
    found = all_found_again(refs)
    if whole and len(found) < len(refs):
        raise RequestError("bad_field", _("A style used last is not open any more: choose styles with the dialog."))
    if whole and any(ref.region is None and one.get("region") for ref, one in zip(refs, raw, strict=False)):
        raise RequestError(
            "bad_field", _("The regions used last belong to another image: choose styles with the dialog.")
        )
    return found


def sources_of(config: Any, image: Any, *, alone: bool, whole: bool = True) -> tuple[Source, ...]:
    """The styles of a call for `image`; where a person makes it (not `alone`) the last ones may stand in. Raises
    `RequestError` where there are none, or not the `whole` mix.
    """
    layers = [config.get_property(key) for key in (STYLE, *MORE_STYLES)]
    file, name = (config.get_property(key) for key in (STYLE_FILE, STYLE_NAME))
    found = [of_layer(layer) for layer in layers if layer is not None]
    found += [of_file(file)] if file is not None else []
    found += [of_name(name)] if name else []
    if not found:
        if not alone and (before := last(config, image, whole=whole)):
            return before
        raise RequestError("bad_field", _("No style is chosen: choose a layer, a picture file or a bundled style."))
    text = config.get_property(STYLE_WEIGHTS)
    weights = numbers(text or "") or (1.0,) * len(found)
    if (
        isinstance(weights, str)
        or not all(0 < weight <= MAX_WEIGHT for weight in weights)
        or len(weights) != len(found)
    ):
        wanted = _("one number for each style ({count}), above 0 and up to {high:g}, or empty")
        raise refused(STYLE_WEIGHTS, text, wanted.format(high=MAX_WEIGHT, count=len(found)))
    return tuple(source.weighted(weight) for source, weight in zip(found, weights, strict=True))


def of_layer(layer: Any) -> Source:
    """A layer (or channel) as style. The only layer of a file is called like the file: mostly it is “Background”."""
    image = layer.get_image()
    file = image.get_file() or image.get_imported_file()
    alone = file is not None and len(image.get_layers()) == 1 and not layer.is_group()
    return Source(Path(file.get_basename()).stem if alone else layer.get_name(), layer=layer)


def of_file(file: Any) -> Source:
    """A picture file as style."""
    return Source(Path(file.get_basename() or "").stem, file=file)


def of_name(name: str) -> Source:
    """A bundled style, also with the @ of the command line."""
    return Source(name.removeprefix("@"), name=name.removeprefix("@"))


def all_found_again(refs: Sequence[StyleRef]) -> tuple[Source, ...]:
    """The sources that `refs` name, as far as they can still be had."""
    found = [(ref, _found_again(ref)) for ref in refs]
    return tuple(replace(source, weight=ref.weight, region=ref.region) for ref, source in found if source is not None)


def _found_again(ref: StyleRef) -> Source | None:
    if ref.kind == "bundled":
        return of_name(ref.name)
    if ref.kind == "file":
        file = Gio.File.new_for_uri(ref.name)
        return of_file(file) if file.query_exists() else None
    tattoo = int(ref.layer) if ref.layer.isdecimal() else 0
    by_tattoo = [(image, image.get_layer_by_tattoo(tattoo)) for image in images()]
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

    for image in images():
        walk(image, image.get_layers())
    return found


def kept(source: Source) -> NewStyle:
    """A style as a preset keeps it: a layer and what only GIMP reads become a PNG."""
    if source.layer is not None:
        if not source.is_there():
            raise gone(source)
        pixels = read_drawable(source.layer, file_depth(source.layer))
        return NewStyle(data=png.encode(pixels), title=source.title, weight=source.weight)
    if source.file is not None:
        path = source.file.get_path()
        if path is None:  # on another computer
            data = png.encode(_read_file(source.file, file_depth))
            return NewStyle(data=data, title=source.title, weight=source.weight)
        return presets.file_style(path, source.weight, source.title, lambda: _read_file(source.file, file_depth))
    return NewStyle(name=source.name, weight=source.weight)


def gone(source: Source) -> RequestError:
    """The sentence about a style that was closed."""
    return RequestError("bad_field", _("The style “{name}” is not open any more.").format(name=source.title))


def _read_file(file: Any, depth: Callable[[Any], Depth] | None = None) -> Pixels:
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
        return read_drawable(seen, None if depth is None else depth(seen))
    finally:
        image.delete()
