"""Taking an archived item into the catalogue as a calibrated dataset, or setting it aside with a reason.

Belongs here: what can be told before a pixel is read. Not here: reading a mission's metadata (``weft.scenes``) or what
reading the pixels brings to light (``weft.compositing``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from assets.archive import local_size
from resources.archive import SceneArchive
from resources.archive_item import ArchivedItem
from weft.errors import IntegrityError, RequestError, SceneRejected
from weft.fingerprints import fingerprint
from weft.scenes.hrefs import href_of
from weft.scenes.scene import Layer, Scene
from weft.stac import Item
from weft.stac.calibrated import calibrated_item
from weft.stac.validation import validate

VERSION = 2


def calibrated(archive: SceneArchive, entry: ArchivedItem, tile_track: str) -> Item:
    """The calibrated dataset of an archived scene; its hrefs are absolute.

    Raises:
        SceneRejected: the item is no readable scene, belongs to another tile or track than it claimed, points at files
            it must not, or a local file is missing or shorter than the item says.
    """
    scene = entry.scene()
    if f"{scene.track}_{scene.tile}" != tile_track:
        raise SceneRejected(scene.id, f"it is of {scene.track}_{scene.tile}, not of {tile_track}")
    policy = archive.policy(entry)

    def resolve(layer: Layer) -> Layer:
        try:
            place = policy.place(layer.href)
        except RequestError as error:
            raise SceneRejected(scene.id, str(error)) from error
        _check_size(scene.id, layer, place)
        return replace(layer, href=href_of(place))

    mark = fingerprint("calibrated_dataset", VERSION, item=entry.document)
    item = calibrated_item(_with_layers(scene, resolve), fingerprint=mark, tile_track=tile_track)
    try:
        validate(item)
    except IntegrityError as error:
        raise SceneRejected(scene.id, str(error)) from error
    return item


def _with_layers(scene: Scene, change: Callable[[Layer], Layer]) -> Scene:
    return replace(
        scene,
        bands={cbn: change(layer) for cbn, layer in scene.bands.items()},
        classes=replace(scene.classes, layer=change(scene.classes.layer)) if scene.classes else None,
        angles={key: change(layer) for key, layer in scene.angles.items()},
        quality={key: change(layer) for key, layer in scene.quality.items()},
    )


def _check_size(scene_id: str, layer: Layer, place: str) -> None:
    if place.startswith("/vsi"):
        return
    size = local_size(place)
    if size is None:
        raise SceneRejected(scene_id, f"its file {Path(place).name} does not exist; fetch it or remove the item")
    if layer.size is not None and size != layer.size:
        raise SceneRejected(
            scene_id, f"its file {Path(place).name} has {size} bytes, its item says {layer.size}; fetch it again"
        )
