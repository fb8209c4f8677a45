"""A scene archive behind a STAC API.

Belongs here: asking the API, within bounds of time and size. Not here: choosing items for a product (``archive``), or
retries (whoever runs the work decides on them).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import pystac
import requests
from pystac_client import Client
from pystac_client.conformance import ConformanceClasses
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import PystacClientWarning

from resources.archive_item import ArchivedItem, Extent, parse_json
from weft.errors import RequestError, Unavailable, WeftError
from weft.periods import TimeWindow

TIMEOUT_S = 30.0
"""Longest wait for a connection or for the next bytes; a whole answer may take four times as long."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_PAGES = 100
_PAGE_ITEMS = 100
_CHUNK_BYTES = 256 * 1024
_PASSING = {408, 425, 429}


class _GuardedIO(StacApiIO):
    """Talks to one server only, for a bounded time, and never opens a file."""

    def __init__(self, url: str) -> None:
        super().__init__(max_retries=None)
        self.server = _server(url)

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        if isinstance(source, pystac.Link):
            return str(super().read_text(source, *args, **kwargs))
        return self.request(str(source), *args, **kwargs)

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        if _server(href) != self.server:
            raise APIError(f"it points to {href!r:.200}, which is another server")
        body = {"json": parameters} if method == "POST" else {"params": parameters or {}}
        end = time.monotonic() + 4 * TIMEOUT_S
        try:
            with self.session.request(
                method or "GET", href, headers=headers, timeout=TIMEOUT_S, stream=True, allow_redirects=False, **body
            ) as response:
                content = bytearray()
                for chunk in response.iter_content(_CHUNK_BYTES):
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES or time.monotonic() > end:
                        raise APIError(f"its answer is larger than {MAX_ANSWER_BYTES} bytes or does not end")
        except requests.RequestException as error:
            raise APIError(str(error)) from error
        text = content.decode("utf-8", errors="replace")
        if response.status_code != requests.codes.ok:
            failure = APIError(f"status {response.status_code}: {text[:200]!r}")
            failure.status_code = response.status_code
            raise failure
        return text


@dataclass(frozen=True)
class StacApi:
    """A collection behind a STAC API.

    Attributes:
        url: landing page.
        collection: id of the collection.
    """

    url: str
    collection: str

    def candidates(self, tile: str, window: TimeWindow) -> list[ArchivedItem]:
        """Items acquired in ``window``, only those of ``tile`` where the API can tell.

        Raises:
            RequestError: there is no such collection, the API refuses the search, or finds far too much.
            Unavailable: the API does not answer, or not with STAC.
        """
        with _translated(self.url):
            client, _ = self._opened
            sample = next((item for item in next(self._pages(window, 1)) if isinstance(item, dict)), None)
            if sample is None:
                return []
            search = _tile_filter(client, sample, tile)
            return [self._archived(item) for page in self._pages(window, _PAGE_ITEMS, **search) for item in page]

    def extent(self) -> Extent:
        """First and last acquisition that the collection declares; raises as :meth:`candidates`."""
        with _translated(self.url):
            _, collection = self._opened
            first, last = collection.extent.temporal.intervals[0]
            return Extent(first, last)

    @cached_property
    def _io(self) -> _GuardedIO:
        return _GuardedIO(self.url)

    @cached_property
    def _opened(self) -> tuple[Client, pystac.Collection]:
        client = Client.open(self.url, stac_io=self._io)
        collection = client.get_collection(self.collection)
        if collection is None:
            raise RequestError(f"archive {self.url} has no collection {self.collection!r}; correct archive.collection")
        return client, collection

    def _pages(self, window: TimeWindow, limit: int, **search: Any) -> Iterator[list[Any]]:
        client, _ = self._opened
        methods = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
        method = "POST" if "POST" in methods else "GET"
        found = client.search(collections=[self.collection], datetime=[*window], limit=limit, method=method, **search)
        # Not found.pages(): it takes an answer without features, or an empty page before others, for the end.
        parameters = found.get_parameters()
        page = self._io.read_json(found.url, method=method, parameters=parameters)
        for _ in range(MAX_PAGES):
            if not isinstance(page["features"], list):
                raise TypeError("features is no list")
            yield page["features"]
            link = next((link for link in page.get("links", []) if link["rel"] == "next"), None)
            if link is None:
                return
            page = self._io.read_json(pystac.Link.from_dict(link), parameters=parameters)
        raise RequestError(
            f"archive {self.url} answers with more than {MAX_PAGES} pages; "
            "use shorter periods or an API that can filter by tile (query or filter extension)"
        )

    def _archived(self, item: Any) -> ArchivedItem:
        scene_id = str(item.get("id")) if isinstance(item, dict) else "unnamed"
        location = f"{self.url.rstrip('/')}/collections/{self.collection}/items/{scene_id}"
        links = item.get("links") if isinstance(item, dict) else None
        for link in links if isinstance(links, list) else ():
            if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
                location = link["href"] if urlsplit(link["href"]).scheme else location
        return ArchivedItem.of(item, scene_id, location)


def _tile_filter(client: Client, sample: dict[str, Any], tile: str) -> dict[str, Any]:
    """Search parameters for a tile, in the words in which ``sample`` tells its own; empty if the API cannot."""
    properties = sample.get("properties", {})
    parts = re.fullmatch(r"(\d{2})([A-Z])([A-Z]{2})", tile)
    wanted: dict[str, list[str | int]] = {}
    if "s2:mgrs_tile" in properties:
        wanted = {"s2:mgrs_tile": [tile]}
    elif "grid:code" in properties:
        # The MGRS zone is written with and without its leading zero.
        wanted = {"grid:code": sorted({f"MGRS-{tile}", f"MGRS-{tile.lstrip('0')}"})}
    elif parts:
        prefix = next((prefix for prefix in ("mgrs", "sentinel") if f"{prefix}:utm_zone" in properties), None)
        names = ("utm_zone", "latitude_band", "grid_square")
        values = (int(parts[1]), parts[2], parts[3])
        wanted = {f"{prefix}:{name}": [value] for name, value in zip(names, values, strict=True)} if prefix else {}
    if wanted and client.conforms_to(ConformanceClasses.QUERY):
        return {
            "query": {
                name: {"eq": values[0]} if len(values) == 1 else {"in": values} for name, values in wanted.items()
            }
        }
    if wanted and client.conforms_to(ConformanceClasses.FILTER):
        tests = [{"op": "in", "args": [{"property": name}, values]} for name, values in wanted.items()]
        return {"filter": {"op": "and", "args": tests}, "filter_lang": "cql2-json"}
    return {}


def read_item(url: str) -> ArchivedItem:
    """One STAC item by its own address, which the caller has allowed; no redirect is followed.

    Raises:
        RequestError: there is no such item.
        Unavailable: the server does not answer.
    """
    with _translated(url):
        return ArchivedItem.of(parse_json(_GuardedIO(url).request(url).encode()), url.rsplit("/", 1)[-1], url)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        status = getattr(error, "status_code", None)
        if status is not None and 400 <= status < 500 and status not in _PASSING:
            raise RequestError(f"archive {url} refuses the request ({error}); check archive.stac") from error
        raise Unavailable(f"archive {url} does not answer ({error}); try again later") from error
    except WeftError:
        raise
    except PystacClientWarning as error:
        raise RequestError(f"{url} is no STAC API that can be searched ({error!r:.200}); check archive.stac") from error
    except Exception as error:  # pystac raises whatever a malformed document provokes
        raise Unavailable(f"archive {url} answers with something that is not STAC ({error!r:.200})") from error


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
