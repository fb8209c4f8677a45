"""Where the datasets of orders come from: items of the catalogue, and items at addresses that are allowed.

Belongs here: from what an order calls a dataset to its item with checked, absolute hrefs, and from such an href to a
place that GDAL may open. Not here: what an item means (``weft.orders.datasets``), or how an API is read
(``archive_api``).

The hrefs of an item in the catalogue were allowed when it was published. Those of an item that comes from outside must
lie where ``WEFT_ALLOW`` says, like the item itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import dagster as dg

from resources.archive_api import read_item
from resources.archive_item import MAX_DOCUMENT_BYTES, ArchivedItem, parse_json
from resources.catalogues.port import Catalogue
from resources.object_stores.port import ObjectStore
from weft.errors import RequestError, Unavailable
from weft.rasters.gdal import DRIVERS
from weft.rasters.reading import Place
from weft.scenes.hrefs import HrefPolicy, href_of
from weft.stac import Item
from weft.stac.order_products import ORDERS, Input

SETTING = "WEFT_ALLOW"
_SCHEMES = ("http", "https", "s3", "file")


class ItemSource:
    """Finds the datasets of orders."""

    def __init__(self, allow: Sequence[str]) -> None:
        """Raises :class:`RequestError` if an entry is no ``file:`` folder or URL prefix."""
        files = [entry for entry in allow if entry.startswith("file:")]
        self._roots = tuple(Path(unquote(urlsplit(entry).path)) for entry in files)
        self._prefixes = tuple(entry for entry in allow if entry not in files)
        self._policy("file:///")  # a wrong prefix is told at once

    def find(self, reference: str, catalogue: Catalogue) -> Input:
        """The dataset that an order names.

        Args:
            reference: id of an item of any collection, ``collection/id``, or URL of an item.
            catalogue: where ids are looked up.

        Raises:
            RequestError: there is none, several have this id, or it or one of its files lies where it must not.
            Unavailable: its server or disk does not answer.
        """
        if urlsplit(reference).scheme.lower() in _SCHEMES:
            entry = self._read(reference)
            if entry.problem is not None:
                raise RequestError(f"{reference}: {entry.problem}")
            return Input(reference, entry.location, self._checked(entry))
        return Input.of_catalogue(reference, _rasters_only(_of_catalogue(reference, catalogue)))

    def _read(self, url: str) -> ArchivedItem:
        place = self._policy(url).place(url)
        if place.startswith("/vsicurl/"):
            return read_item(href_of(place))
        if place.startswith("/vsis3/"):
            raise RequestError(f"{url}: items are read over https or from a file; only their rasters may lie in S3")
        path = Path(place)
        try:
            with path.open("rb") as file:
                document = parse_json(file.read(MAX_DOCUMENT_BYTES + 1))
        except FileNotFoundError as error:
            raise RequestError(f"{url} does not exist; correct the URL of the item") from error
        except ValueError as error:
            raise RequestError(f"{url}: {error}") from error
        except OSError as error:
            raise Unavailable(f"{url} cannot be read ({error.strerror}); check the disk and try again") from error
        return ArchivedItem.of(document, path.stem, path.as_uri())

    def _checked(self, entry: ArchivedItem) -> Item:
        item = _rasters_only(entry.item)
        local = urlsplit(entry.location).scheme == "file"
        policy = self._policy(unquote(urlsplit(entry.location).path) if local else entry.location)
        for asset in item["assets"].values():
            asset["href"] = href_of(policy.place(asset["href"]))
        return item

    def _policy(self, base: str) -> HrefPolicy:
        return HrefPolicy(base, self._roots, self._prefixes, SETTING)


class ItemSourceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the datasets of orders may come from, beside the catalogue.

    Attributes:
        allow: ``file:`` folders and URL prefixes.
    """

    allow: list[str]

    def open(self) -> ItemSource:
        """The source; raises :class:`RequestError` if the list is malformed."""
        return ItemSource(self.allow)


def places_of(inputs: Iterable[Input], store: ObjectStore, scratch: Path) -> Place:
    """Turns the hrefs of these inputs, which were checked when they were found, into places; refuses every other.

    What lies in the object store is fetched through it.
    """
    known = {asset["href"] for one in inputs for asset in one.item["assets"].values()}

    def place(href: str) -> str:
        if href not in known:
            raise RequestError(f"href {href!r:.200} is of none of the order's datasets; make order_inputs again")
        try:
            key = store.key_of(href)
        except RequestError:
            folder = href.rpartition("/")[0]
            if urlsplit(href).scheme == "file":
                return HrefPolicy(None, (Path(unquote(urlsplit(folder).path)),), ()).place(href)
            return HrefPolicy(None, (), (f"{folder}/",)).place(href)
        return str(store.fetch(key, scratch))

    return place


def _of_catalogue(reference: str, catalogue: Catalogue) -> Item:
    collection, _, item_id = reference.rpartition("/")
    collections = [collection] if collection else [one.collection for one in catalogue.collections()]
    found = [item for name in collections if name != ORDERS and (item := catalogue.get(name, item_id))]
    usable = [item for item in found if _rasters_only(item)["assets"]]
    if len(usable) > 1:
        names = ", ".join(f"{item['collection']}/{item['id']}" for item in usable)
        raise RequestError(f"{reference} is the id of several items; write one of {names}")
    if not usable:
        why = "has no rasters" if found else "is not in the catalogue"
        raise RequestError(f"{reference} {why}; `weft catalog search` lists what is, or give the URL of an item")
    return usable[0]


def _rasters_only(item: Item) -> Item:
    """A copy without the assets that no order reads: pictures, metadata, archives."""
    kept = deepcopy(item)
    assets = kept.get("assets")
    kept["assets"] = {
        key: asset for key, asset in (assets.items() if isinstance(assets, dict) else ()) if _is_raster(asset)
    }
    return kept


def _is_raster(asset: object) -> bool:
    href = asset.get("href") if isinstance(asset, dict) else None
    return isinstance(href, str) and PurePosixPath(href).suffix.lower() in DRIVERS
