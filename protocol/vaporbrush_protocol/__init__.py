"""The wire protocol: pure Python, standard library and msgpack."""

from .client import Client, connect
from .endpoint import Connection, home
from .errors import CODES, LinkError, RemoteError, RequestError, VaporbrushError
from .job import Job, Preview
from .progress import Progress
from .recipe import Held, Image, Recipe, Style
from .version import __version__

__all__ = [
    "CODES",
    "Client",
    "Connection",
    "Held",
    "Image",
    "Job",
    "LinkError",
    "Preview",
    "Progress",
    "Recipe",
    "RemoteError",
    "RequestError",
    "Style",
    "VaporbrushError",
    "__version__",
    "connect",
    "home",
]
