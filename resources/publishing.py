"""Publishing: the only way a product leaves scratch space.

Belongs here: the order of the steps that makes readers see the old product or the new one, never a mixture. Not here:
how a file was made (``weft.rasters``), what an item says (``weft.stac``), how bytes and items are kept (the two ports).

Everything before the last step touches only keys that no item refers to yet: a key carries the fingerprint of the work.
A crash leaves at most such unreferenced objects, and publishing again finds and completes them.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rasterio.errors import RasterioError

from resources.catalogues.port import Catalogue, check_id
from resources.object_stores.port import ObjectStore
from weft.errors import IntegrityError, RequestError
from weft.rasters.cog import check_cog
from weft.rasters.gdal import UnreadableRaster
from weft.stac import Item
from weft.stac.validation import validate

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,190}\.[a-z0-9]{1,8}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SHA256_MULTIHASH = "1220"  # STAC file extension: hash function 0x12, 0x20 bytes


def publish(item: Item, files: Mapping[str, Path], *, store: ObjectStore, catalogue: Catalogue) -> Item:
    """Publish a product: prove its files, store them under immutable keys, then let the catalogue show the item.

    Args:
        item: STAC item with ``weft:fingerprint`` in its properties. Its assets that are files have no ``href`` yet;
            rasters carry ``weft:pixel_sha256``. It is not changed.
        files: asset key -> local file, one for each asset without ``href``. A file keeps its name.
        store: where the files go, see :func:`folder_of`.
        catalogue: where the item goes, last and at once.

    Returns:
        The published item: ``href``, ``file:checksum`` and ``file:size`` filled in.

    Raises:
        RequestError: malformed ids, fingerprint or asset keys, or files that do not match the assets.
        IntegrityError: a file is empty or not what its asset says, another file holds its key, or the item is not
            valid STAC. Nothing is visible to readers.
        Unavailable: store or catalogue did not answer; publishing again continues.
    """
    mark = item.get("properties", {}).get("weft:fingerprint")
    folder = folder_of(item.get("collection"), item.get("id"), mark)
    published = copy.deepcopy(item)
    assets: dict[str, dict[str, Any]] = published["assets"]
    _match(folder, assets, files)
    for key, path in sorted(files.items()):
        _prove(f"{folder}/{path.name}", assets[key], path)
    for key, path in sorted(files.items()):
        with path.open("rb") as source:
            checksum = hashlib.file_digest(source, "sha256").hexdigest()
        object_key = f"{folder}/{path.name}"
        store.put(object_key, path)
        assets[key] |= {
            "href": store.url(object_key),
            "file:checksum": _SHA256_MULTIHASH + checksum,
            "file:size": path.stat().st_size,
        }
    validate(published)
    catalogue.upsert([published])
    return published


def folder_of(collection: object, item_id: object, fingerprint: object) -> str:
    """Key prefix of the files of an item: ``{collection}/{item id}/{fingerprint[:16]}``.

    Raises:
        RequestError: a malformed id or fingerprint.
    """
    check_id("collection", collection)
    check_id("item id", item_id)
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise RequestError(
            f"item {collection}/{item_id} has weft:fingerprint {fingerprint!r}; it must be 64 hex digits"
        )
    return f"{collection}/{item_id}/{fingerprint[:16]}"


def _match(folder: str, assets: Mapping[str, Mapping[str, Any]], files: Mapping[str, Path]) -> None:
    pending = {key for key, asset in assets.items() if "href" not in asset}
    if pending != set(files):
        raise RequestError(
            f"{folder}: assets without href are {sorted(pending)} but files are {sorted(files)}; give one file for each"
        )
    for key, path in files.items():
        check_id("asset key", key)
        if not _FILE_NAME.fullmatch(path.name):
            raise RequestError(
                f"{folder}/{key}: file name {path.name!r} is not plain; use at most 200 letters, digits, '_', '.' and "
                f"'-' and an ending, like {key}.tif"
            )
    names = sorted(path.name.casefold() for path in files.values())  # some file systems do not tell case apart
    if len(set(names)) != len(names):
        raise RequestError(f"{folder}: two files have the same name among {', '.join(names)}; name each differently")


def _prove(name: str, asset: Mapping[str, Any], path: Path) -> None:
    if not path.is_file() or not path.stat().st_size:
        raise IntegrityError(f"{name}: file {path} is missing or empty; make it again")
    if path.suffix != ".tif":
        return
    if "weft:pixel_sha256" not in asset:
        raise IntegrityError(f"{name}: a raster needs weft:pixel_sha256, or nobody can prove what it holds")
    try:
        check_cog(path, asset["weft:pixel_sha256"])
    except (UnreadableRaster, RasterioError) as error:
        raise IntegrityError(f"{name}: file {path} cannot be read back: {error}; make it again") from error
