"""Which address a file has: the one in its lock, or the one that a package index of the person's own names (PEP 691,
PEP 503).
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import VaporbrushError

from .kit import File

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
SCHEMES = ("http", "https")
KNOWN = {"files.pythonhosted.org": "PyPI", "download.pytorch.org": "PyTorch", "download-r2.pytorch.org": "PyTorch"}

Fetch = Callable[[str, str], tuple[str, str]]  # address, what is accepted → text, content type


@dataclass(frozen=True)
class Index:
    """The person's settings: an index instead of the addresses in the lock, and a proxy instead of the system's."""

    url: str = ""
    proxy: str = ""

    def address(self, file: File, fetch: Fetch) -> str:
        """Where to fetch a file. What an index says of its hash does not matter: the lock's counts."""
        found = self._named(file, fetch) if self.url else file.url
        if urlsplit(found).scheme not in SCHEMES:
            raise VaporbrushError(
                "download_failed",
                _("{name} has the address {url}, but only http and https are used.").format(name=file.name, url=found),
            )
        if urlsplit(self.url).scheme == "https" and urlsplit(found).scheme != "https":
            raise VaporbrushError(
                "download_failed",
                _("The index {index} names {url} for {name}, which is not https.").format(
                    index=self.url, url=found, name=file.name
                ),
            )
        return found

    def host_of(self, file: File) -> str:
        """Where a file comes from, in a word."""
        host = urlsplit(self.url or file.url).hostname or ""
        return KNOWN.get(host, host)

    def hosts(self, files: tuple[File, ...]) -> tuple[str, ...]:
        """Where files come from, each once."""
        return tuple(dict.fromkeys(self.host_of(file) for file in files))

    def _named(self, file: File, fetch: Fetch) -> str:
        page = f"{self.url.rstrip('/')}/{file.project}/"
        if urlsplit(page).scheme not in SCHEMES:
            raise VaporbrushError(
                "download_failed",
                _("{url} is no address of a package index: it begins with http.").format(url=self.url),
            )
        try:
            text, kind = fetch(page, ACCEPT)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            error.close()
            text, kind = "", ""  # it does not know the project at all
        for name, url in _links(text, kind):
            if name == file.name:
                return urljoin(page, urldefrag(url).url)
        raise VaporbrushError(
            "download_failed", _("The index {url} does not have {name}.").format(url=self.url, name=file.name)
        )


def _links(text: str, kind: str) -> list[tuple[str, str]]:
    """Names and addresses on a project's page."""
    if "json" in kind:
        try:
            files = json.loads(text)["files"]
            return [(str(one["filename"]), str(one["url"])) for one in files]
        except (ValueError, KeyError, TypeError):  # no such page: as if nothing were on it
            return []
    page = _Page()
    page.feed(text)
    return [(urldefrag(url).url.rsplit("/", 1)[-1].replace("%2B", "+").replace("%2b", "+"), url) for url in page.links]


class _Page(HTMLParser):
    """Collects the addresses of links."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for every tag."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
