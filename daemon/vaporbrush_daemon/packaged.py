"""The one place that finds packaged files, in an installed wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent
# What `models` holds, by name, and the sha256 that it was released with: checked when it is loaded.
MODEL_SHA256 = {"vgg19-lite.safetensors": "6e7cda6d9af9320f7257e6f3425f9b15e3c9003e7d2cd8d7a53cb9b202eb0973"}


def art() -> Path:
    """Bundled styles and the demo pair."""
    return _PACKAGE / "art"


def models() -> Path:
    """Models that come with the package."""
    return _PACKAGE / "models"


def templates() -> Path:
    """Templates of service units."""
    return _PACKAGE / "templates"


def plugins() -> Path:
    """The host programs' plug-ins: data in the wheel, a folder of the checkout."""
    packaged = _PACKAGE / "plugins"
    return packaged if packaged.is_dir() else _CHECKOUT / "plugins"


def specification() -> Path:
    """The vectors and transcripts beside the specification: data in the wheel, a folder of the checkout."""
    packaged = _PACKAGE / "specification"
    return packaged if packaged.is_dir() else _CHECKOUT / "protocol"


def protocol() -> Path:
    """The protocol package's own folder, which is copied beside a plug-in."""
    import vaporbrush_protocol

    return Path(vaporbrush_protocol.__file__).resolve().parent
