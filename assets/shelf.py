"""What an asset has published and publishes: its collection in the catalogue, with files in the object store.

Belongs here: the steps every product takes from finished files to a published item. Not here: publishing itself
(``resources.publishing``) or what the files hold (``weft``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.units import Nothing, Unit
from resources.catalogue import Catalogue, CatalogueResource
from resources.object_store import ObjectStore, ObjectStoreResource
from resources.publishing import publish
from weft.periods import TimeWindow
from weft.rasters.product import Product, Rejected
from weft.rasters.quicklook import quicklook
from weft.stac import Item
from weft.stac.parts import ItemRef
from weft.stac.products import product_item

THUMBNAIL_SIZE = 128
"""Pixels of the longer side: the picture is also kept in Dagster's event log, once for each partition and run."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The place of one product family.

    Attributes:
        collection: id of its collection.
        catalogue: where its items are.
        store: where its files are.
    """

    collection: str
    catalogue: Catalogue
    store: ObjectStore

    @classmethod
    def open(cls, collection: str, catalogue: CatalogueResource, store: ObjectStoreResource) -> Shelf:
        """The shelf behind the resources of a run."""
        return cls(collection, catalogue.open(), store.open())

    def settle(self, unit: Unit, item_id: str, mark: str, make: Callable[[], Item | Nothing]) -> None:
        """Keep a published item that is the same work, or else make it; the only place where work is skipped.

        Args:
            unit: takes the item.
            item_id: id of the item.
            mark: fingerprint of the work.
            make: publishes the item and returns it. Where it says nothing can be made, an item published before is
                taken out of the catalogue; its files stay until garbage collection.
        """
        item = self.catalogue.get(self.collection, item_id)
        if item and mark_of(item) == mark:
            unit.kept.append(item)
            return
        made = make()
        if isinstance(made, Nothing):
            self.catalogue.delete(self.collection, item_id)
            unit.missing.append(made)
        else:
            unit.made.append(made)

    def publish_item(self, item: Item, files: Mapping[str, Path] | None = None) -> Item:
        """Publish an item with its files, under their own names; most items that call this have none."""
        return publish(item, files or {}, store=self.store, catalogue=self.catalogue)

    def publish_product(
        self,
        product: Product,
        scratch: Path,
        *,
        item_id: str,
        mark: str,
        window: TimeWindow,
        sources: Sequence[Item],
        properties: Mapping[str, Any],
        name: Callable[[str], str] = str,
        pictures: Mapping[str, bytes] | None = None,
    ) -> Item:
        """Publish a product with a thumbnail.

        Args:
            product: finished files.
            scratch: folder for the thumbnail.
            item_id: id of the item.
            mark: fingerprint of the work.
            window: acquisition window of the period.
            sources: items the pixels come from.
            properties: what identifies the product.
            name: name of the file of an asset, without ending; the asset's key by default.
            pictures: asset key -> PNG of further pictures.
        """
        item = product_item(
            collection=self.collection,
            item_id=item_id,
            product=product,
            window=window,
            fingerprint=mark,
            derived_from=[ItemRef(source["collection"], source["id"]) for source in sources],
            properties=properties,
            thumbnail=True,
        )
        files = {file.layer.key: file.path for file in product.files}
        thumbnail = next(iter(quicklook(product, max_size=THUMBNAIL_SIZE).values()))
        for key, png in {"thumbnail": thumbnail, **(pictures or {})}.items():
            item["assets"].setdefault(key, {"type": "image/png", "roles": ["overview"], "title": key.capitalize()})
            files[key] = scratch / f"{key}.png"
            files[key].write_bytes(png)
        named = {key: path.rename(path.with_name(name(key) + path.suffix)) for key, path in files.items()}
        return self.publish_item(item, named)

    def fetcher(self, scratch: Path) -> Callable[[str], Path]:
        """Turns the href of a published asset into a local file."""
        return lambda href: self.store.fetch(self.store.key_of(href), scratch)


def mark_of(item: Item) -> str:
    """Fingerprint of the work that made an item."""
    mark: str = item["properties"]["weft:fingerprint"]
    return mark


def rejected_of(item: Item) -> tuple[Rejected, ...]:
    """Scenes that were set aside before or while an item was made."""
    return tuple(Rejected(scene["id"], scene["reason"]) for scene in item["properties"].get("weft:rejected", ()))
