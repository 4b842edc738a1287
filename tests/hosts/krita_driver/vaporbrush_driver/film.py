"""What the scripts that paint animations share: an animated layer, and its frames as the test looks at them."""

from krita import Krita

from .kit import FOLDER, picture, space
from .qt import QByteArray


def frames(layer):
    """The times of a layer's keyframes."""
    return [time for time in range(40) if layer.hasKeyframeAtTime(time)]


def save(layer, name):
    """Write every frame's pixels on the canvas for the test to look at; returns what they are."""
    for moment in frames(layer):
        (FOLDER / f"{name}-{moment}.raw").write_bytes(layer.pixelDataAtTime(0, 0, 96, 72, moment).data())
    return {"frames": frames(layer), "space": space(layer), "name": layer.name(), "opacity": layer.opacity()}


def animate(document, name, times, sources):
    """An animated layer at the top, made as an artist makes it: by the action for a new frame."""
    layer = document.createNode(name, "paintlayer")
    document.rootNode().addChildNode(layer, None)
    yield 0.4
    document.setActiveNode(layer)
    yield 0.4
    layer.enableAnimation()
    for moment, source in zip(times, sources, strict=True):
        document.setCurrentTime(moment)
        document.waitForDone()
        yield 0.2
        if not layer.hasKeyframeAtTime(moment):
            Krita.instance().action("add_blank_frame").trigger()
            document.waitForDone()
            yield 0.2
        if source is not None:
            own = space(layer)
            drawn = document.createNode("drawn", "paintlayer")
            data, width, height = picture(source)
            drawn.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
            drawn.setPixelData(QByteArray(data), 0, 0, width, height)
            drawn.setColorSpace(*own)
            layer.setPixelData(drawn.pixelData(0, 0, width, height), 0, 0, width, height)
    document.setCurrentTime(5)
    document.waitForDone()
    yield 0.4
