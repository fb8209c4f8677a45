"""Region files of a plan.

Belongs here: what is written into them. Not here: what is planned (``plan``), or what the keys mean (``weft.regions``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from weft import regions
from weft.planning.plan import LEAST_SHARE, Plan
from weft.regions import Mosaic, Region

_PLANNED = ("region", "tiles", "sheets")
_FILE = "file:"


def template(
    like: Path | None, out: Path, *, crs: str | None = None, resolution: float | None = None
) -> tuple[dict[str, Any], Mosaic]:
    """What a region file says besides its name, tiles and sheets.

    Args:
        like: region file to take it from; relative paths in it are made relative to ``out``. None: a public archive of
            Sentinel-2 and the defaults of all keys.
        out: the region file that will be written.
        crs: CRS of the mosaic instead of the template's, with sheets of 100 km or 1 degree.
        resolution: pixel of the mosaic instead of the template's, in the unit of the CRS.

    Returns:
        The document, and its mosaic.

    Raises:
        RequestError: ``like`` is no region file, or ``crs`` and ``resolution`` do not go together.
    """
    if like is None:
        text = files(__package__).joinpath("template.yaml").read_text(encoding="utf-8")
    else:
        regions.load(like)
        text = like.read_text(encoding="utf-8")
    document = {key: value for key, value in yaml.safe_load(text).items() if key not in _PLANNED}
    if like is not None:
        document["archive"] = _moved(document["archive"], like.parent, out.parent)
    mosaic = dict(document.get("mosaic", {}))
    if crs is not None:
        mosaic = {key: value for key, value in mosaic.items() if key not in ("sheet_km", "sheet_deg")} | {"crs": crs}
    if resolution is not None:
        mosaic["resolution"] = resolution
    return document | {"mosaic": mosaic}, regions.parse(Mosaic, mosaic, "mosaic")


def region_files(parts: Sequence[Plan], out: Path, like: dict[str, Any], *, name: str, source: str) -> dict[Path, str]:
    """The region files of a plan, or of its parts.

    Args:
        parts: what each region needs.
        out: path of the file; several are numbered, ``region-1.yaml``.
        like: document of :func:`template`.
        name: the region's name; several are numbered.
        source: what was planned, for the comment at the top.

    Returns:
        Path to YAML that :func:`weft.regions.load` reads, in the order of ``parts``; the same plan gives the same text.

    Raises:
        RequestError: the name is no region name, or a part has more tile_tracks than a region may have.
    """
    if len(parts) == 1:
        return {out: _text(parts[0], name, like, f"Planned from {source}.")}
    return {
        out.with_stem(f"{out.stem}-{number}"): _text(
            part, f"{name}-{number}", like, f"Planned from {source}, part {number} of {len(parts)}."
        )
        for number, part in enumerate(parts, start=1)
    }


def _text(plan: Plan, name: str, like: dict[str, Any], origin: str) -> str:
    document = {"region": name, **like, "tiles": list(plan.tile_tracks), "sheets": list(plan.sheets)}
    mosaic = regions.parse(Region, document, f"region {name}").mosaic
    edge = f"{mosaic.sheet_edge:g} degrees" if mosaic.geographic else f"{mosaic.sheet_edge / 1000:g} km"
    counts = plan.counts
    head = (
        f"# {origin}\n"
        f"# {counts['tile_tracks']} tile_tracks of {counts['tiles']} tiles and {counts['tracks']} tracks, for "
        f"{counts['sheets']} sheets of {edge} in {mosaic.crs}.\n"
        f"# What is under {LEAST_SHARE:.0%} of a tile, or of the area's part of it, is left out if others have it.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=118)


def _moved(archive: dict[str, Any], old: Path, new: Path) -> dict[str, Any]:
    def moved(place: str) -> str:
        path = place.removeprefix(_FILE)
        if path == place or Path(path).is_absolute():
            return place
        return f"{_FILE}{os.path.relpath(old / path, new)}{'/' if path.endswith('/') else ''}"

    lists = {"allow": [moved(prefix) for prefix in archive["allow"]]} if "allow" in archive else {}
    return archive | {"stac": moved(archive["stac"])} | lists
