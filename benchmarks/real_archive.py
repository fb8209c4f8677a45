"""A STAC catalogue over the real Sentinel-2 patch of the sample data, written so that the region can be materialised.

Belongs here: describing files that lie in the data folder. Not here: copying them, or comparing products (``real``).
"""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from weft.mosaicking import sheets_over
from weft.rasters.grid import Grid
from weft.regions import Mosaic

PATCH = Grid("EPSG:32631", 501360, 5629680, 10, 10, 64, 64)
BANDS_10M = ("B02", "B03", "B04", "B08")
BANDS_20M = ("B05", "B06", "B07", "B8A", "B11", "B12")
TILE = "31UDS"
PERIODS = ("2018-03", "2018-06")


def write(data: Path, home: Path) -> Path:
    """Write catalogue and region file below ``home`` for the scenes in ``data``; return the region file."""
    archive = home / "archive"
    items = archive / "sentinel-2-l2a"
    items.mkdir(parents=True, exist_ok=True)
    with (data / "s2_scenes.csv").open(encoding="utf-8") as table:
        scenes = [_item(data, row) for row in csv.DictReader(table)]
    for item in scenes:
        _dump(items / f"{item['id']}.json", item)
    links = [{"rel": "item", "href": f"./{item['id']}.json", "type": "application/geo+json"} for item in scenes]
    _dump(items / "collection.json", _collection(scenes, links))
    root = {
        "type": "Catalog",
        "id": "belgium",
        "stac_version": "1.1.0",
        "description": "Real Sentinel-2 L2A patch in Belgium",
        "links": [{"rel": "child", "href": "./sentinel-2-l2a/collection.json", "type": "application/json"}],
    }
    _dump(archive / "catalog.json", root)
    region_file = home / "region.yaml"
    region_file.write_text(yaml.safe_dump(_region(data), sort_keys=False), encoding="utf-8")
    return region_file


def _region(data: Path) -> dict[str, Any]:
    # On the patch's own lattice warping moves nothing, so that the oracle can demand equality to the last bit.
    mosaic = {"crs": PATCH.crs, "resolution": 10, "sheet_km": 1, "blend": "seamless"}
    return {
        "region": "belgium",
        "archive": {"stac": "file:./archive/catalog.json", "collection": "sentinel-2-l2a", "allow": [f"file:{data}"]},
        "calendar": "glad-seasons",
        "start": "2017-06",
        "bands": ["blue", "green", "red", "nir", "swir16", "swir22"],
        "working_resolution": 10,
        "composite": {"methods": ["medoid", "percentiles"], "percentiles": [25, 50, 75]},
        "mosaic": mosaic,
        "expressions": {"ndvi": "(norm_diff nir red)"},
        "tiles": [f"R051_{TILE}", f"R094_{TILE}"],
        "sheets": [sheet.name for sheet in sheets_over([PATCH], Mosaic.model_validate(mosaic))],
    }


def _item(data: Path, row: dict[str, str]) -> dict[str, Any]:
    start = datetime.fromisoformat(f"{row['date']}T{row['time_utc']}+00:00")
    stamp, orbit = row["date"].replace("-", ""), int(row["relative_orbit_derived"])
    outline = PATCH.footprint()
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": f"{row['platform_derived']}_{TILE}_{stamp}_R{orbit:03d}_L2A",
        "collection": "sentinel-2-l2a",
        "geometry": outline.__geo_interface__,
        "bbox": list(outline.bounds),
        "properties": {
            "datetime": start.isoformat().replace("+00:00", "Z"),
            "created": (start + timedelta(days=1)).isoformat().replace("+00:00", "Z"),
            "platform": row["platform_derived"].replace("S2", "sentinel-2").lower(),
            "constellation": "sentinel-2",
            "grid:code": f"MGRS-{TILE}",
            "sat:relative_orbit": orbit,
            "sat:orbit_state": "descending",
            "proj:code": PATCH.crs,
        },
        "links": [{"rel": "collection", "href": "./collection.json", "type": "application/json"}],
        "assets": {
            "msi_10m": _asset(data / "s2" / f"S2_L2A_{stamp}_10m.tif", 10, BANDS_10M),
            "msi_20m": _asset(data / "s2" / f"S2_L2A_{stamp}_20m.tif", 20, BANDS_20M),
            "SCL": _asset(data / "s2" / f"S2_L2A_{stamp}_SCL.tif", 20, ()),
        },
    }


def _asset(path: Path, resolution: float, bands: tuple[str, ...]) -> dict[str, Any]:
    grid = PATCH.at_resolution(resolution)
    asset: dict[str, Any] = {
        "href": f"file://{path}",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "nodata": 0,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
    }
    if bands:
        asset |= {"bands": [{"name": band} for band in bands], "raster:scale": 0.0001, "raster:offset": 0.0}
    return asset


def _collection(items: list[dict[str, Any]], links: list[dict[str, str]]) -> dict[str, Any]:
    times = sorted(item["properties"]["datetime"] for item in items)
    return {
        "type": "Collection",
        "id": "sentinel-2-l2a",
        "stac_version": "1.1.0",
        "description": "Contains modified Copernicus Sentinel data 2017-2018",
        "license": "other",
        "extent": {"spatial": {"bbox": [items[0]["bbox"]]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        "links": links,
    }


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
