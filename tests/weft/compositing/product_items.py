"""One row of ``identities.csv`` as the STAC item an archive would serve.

Here: how each archive spells the same product. Not here: what is expected of it (the table), or anything imported from
the code under test.

Columns of the table: ``case`` (rows that arrive together), ``id``, ``dialect``, then the product (satellite, start of
the datatake, absolute and relative orbit, tile, receiving or processing station, start of the datastrip, baseline,
generation time, the item's datetime), then what the item says beyond it or keeps to itself (``says``: ``flag=`` of the
applied offset, ``raster=`` offset or none, ``drop=`` facts, ``without=`` an asset, ``href=jp2``, ``epsg=``, ...).
"""

from __future__ import annotations

import re
from typing import Any

Row = dict[str, str]

NAMES = {"B02": "blue", "B08": "nir", "SCL": "scl"}
METRES = {"B02": 10, "B08": 10, "SCL": 20}
HIDDEN = {
    "generation": ("s2:generation_time",),
    "baseline": ("s2:processing_baseline",),
    "datastrip": ("s2:datastrip_id",),
    "datatake": ("s2:datatake_id",),
    "product": ("s2:product_uri",),
    "granule": ("s2:granule_id", "s2:tile_id"),
    "names": ("s2:datastrip_id", "s2:datatake_id", "s2:product_uri", "s2:granule_id", "s2:tile_id"),
    "orbit": ("sat:relative_orbit",),
    "tile": ("s2:mgrs_tile", "grid:code"),
    "datetime": ("datetime",),
}


def iso(stamp: str) -> str:
    """``20200401T175716`` -> ``2020-04-01T17:57:16.024Z``."""
    return re.sub(r"(....)(..)(..)T(..)(..)(..)", r"\1-\2-\3T\4:\5:\6.024Z", stamp)


def says(row: Row) -> dict[str, str]:
    return dict(word.split("=") for word in row["says"].split())


def item(row: Row) -> dict[str, Any]:
    """The item of a row."""
    said, dialect = says(row), row["dialect"]
    properties = {
        "datetime": iso(row["datetime"]),
        "created": "2024-12-24T00:00:00Z",
        "platform": said.get("platform", f"sentinel-2{row['satellite'].lower()}"),
        **{"es-v0": earth_search_v0, "pc": planetary_computer}.get(dialect, esa_names_and_grid)(row),
    }
    flag = {"true": True, "false": False}.get(said.get("flag", ""), said.get("flag"))
    if flag is not None:
        properties[f"{'sentinel' if dialect == 'es-v0' else 'earthsearch'}:boa_offset_applied"] = flag
    if dialect.startswith("es-v"):
        properties["sentinel:sequence" if dialect == "es-v0" else "s2:sequence"] = said.get("sequence", "0")
    zone = f"32{6 if row['tile'][2] >= 'N' else 7}{row['tile'][:2]}"
    if dialect in ("stac11", "es-c1"):
        properties["proj:code"] = f"EPSG:{said.get('epsg', zone)}"
    else:
        properties["proj:epsg"] = int(said.get("epsg", zone))
    hidden = [key for fact in said.get("drop", "").split(",") for key in HIDDEN.get(fact, ())]
    # Without a generation time an archive has no honest creation time either, or the item's age would stand in for it.
    hidden += ["created"] if "s2:generation_time" in hidden else []
    return {
        "type": "Feature",
        "stac_version": "1.1.0" if dialect == "stac11" else "1.0.0",
        "id": row["id"],
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "properties": {key: value for key, value in properties.items() if key not in hidden},
        "links": [],
        "assets": {key: asset for label in NAMES if label != said.get("without") for key, asset in assets(row, label)},
    }


def product_name(row: Row) -> str:
    level = says(row).get("level", "L2A")
    baseline = row["baseline"].replace(".", "")
    stamp = row["generated"] or row["start"]
    return f"S2{row['satellite']}_MSI{level}_{row['start']}_N{baseline}_R{row['orbit']}_T{row['tile']}_{stamp}"


def planetary_computer(row: Row) -> dict[str, Any]:
    return esa_names(row) | {
        "platform": says(row).get("platform", f"Sentinel-2{row['satellite']}"),
        "s2:mgrs_tile": row["tile"],
    }


def esa_names_and_grid(row: Row) -> dict[str, Any]:
    return esa_names(row) | {"grid:code": f"MGRS-{row['tile']}"}


def esa_names(row: Row) -> dict[str, Any]:
    level = says(row).get("level", "L2A")
    operation = f"S2{row['satellite']}_OPER_MSI_{level}"
    made = f"{row['station']:_<4}_{row['generated'] or row['start']}"
    granule = f"{operation}_TL_{made}_A{row['absolute']}_T{row['tile']}_N{row['baseline']}"
    return {
        "s2:product_type": f"S2MSI{level[1:]}",
        "s2:processing_baseline": row["baseline"],
        "s2:product_uri": f"{product_name(row)}.SAFE",
        "s2:generation_time": iso(row["generated"]),
        "s2:datatake_id": f"GS2{row['satellite']}_{row['start']}_{row['absolute']}_N{row['baseline']}",
        "s2:datastrip_id": f"{operation}_DS_{made}_S{row['segment']}_N{row['baseline']}",
        # stactools' granules keep the name even where they know nothing of the product.
        "s2:tile_id" if row["dialect"] == "stactools" else "s2:granule_id": granule,
        **({"s2:tile_id": granule} if row["dialect"] == "stac11" else {}),
        "sat:relative_orbit": int(row["orbit"]),
    }


def earth_search_v0(row: Row) -> dict[str, Any]:
    return {
        "sentinel:utm_zone": int(row["tile"][:2]),
        "sentinel:latitude_band": row["tile"][2],
        "sentinel:grid_square": row["tile"][3:],
        "sentinel:product_id": product_name(row),
    }


def assets(row: Row, label: str) -> list[tuple[str, dict[str, Any]]]:
    """The asset of a band, and beside it what the archive keeps in a second format."""
    said, dialect, metres = says(row), row["dialect"], METRES[label]
    # One corner for each tile: enough to tell neighbours apart.
    left, top = 100_000 * (ord(row["tile"][3]) - 64), 100_000 * (ord(row["tile"][4]) - 40)
    suffix = "jp2" if said.get("href") == "jp2" or (dialect == "stactools") else "tif"
    asset: dict[str, Any] = {
        "href": f"https://archive.example/{row['id']}/{label}.{suffix}",
        "proj:shape": [10980 * 10 // metres] * 2,
        "proj:transform": [metres, 0, left, 0, -metres, top],
    }
    offset = {} if said.get("raster", "none") == "none" or label == "SCL" else {"offset": float(said["raster"])}
    described = {"nodata": 0, "data_type": "uint16", **({} if label == "SCL" else {"scale": 0.0001}), **offset}
    if dialect in ("pc", "es-v0"):
        return [(label, asset | {"eo:bands": [{"name": label, "common_name": NAMES[label]}]})]
    if dialect == "stac11":
        renamed = {f"raster:{key}" if key in ("scale", "offset") else key: value for key, value in described.items()}
        return [(label, asset | {"bands": [{"name": label, **renamed}]})]
    asset |= {"eo:bands": [{"name": NAMES[label], "common_name": NAMES[label]}], "raster:bands": [described]}
    original = asset | {"href": f"s3://esa-originals/{row['id']}/{label}.jp2"}
    return [(NAMES[label], asset), *([(f"{NAMES[label]}-jp2", original)] if dialect == "es-v1" else [])]
