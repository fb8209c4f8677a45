"""Small items in the dialects of the public archives, with the field values those archives use."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

LABELS = {"B02": "blue", "B05": "rededge1", "B08": "nir", "B8A": "nir08", "B11": "swir16"}
RESOLUTIONS = {"B02": 10, "B05": 20, "B08": 10, "B8A": 20, "B11": 20, "SCL": 20}
BUCKET = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/31/U/FU/2023/7/S2A_31UFU_20230701_0_L2A"


def projected(metres: int, left: float = 600000, top: float = 5900040, edge: int = 10980) -> dict[str, Any]:
    """Shape and transform of a tile's asset; ``edge`` is its size in 10 m pixels."""
    pixels = edge * 10 // metres
    return {"proj:shape": [pixels, pixels], "proj:transform": [metres, 0, left, 0, -metres, top]}


def earth_search_v1() -> dict[str, Any]:
    """Properties of a real item (S2A_31UFU_20230701_0_L2A), with the archive's contradictory offset."""
    item = _item(
        "S2A_31UFU_20230701_0_L2A",
        {
            "datetime": "2023-07-01T10:46:30.262000Z",
            "created": "2023-07-02T01:49:17.191Z",
            "platform": "sentinel-2a",
            "proj:epsg": 32631,
            "mgrs:utm_zone": 31,
            "mgrs:latitude_band": "U",
            "mgrs:grid_square": "FU",
            "grid:code": "MGRS-31UFU",
            "s2:product_type": "S2MSI2A",
            "s2:processing_baseline": "05.09",
            "s2:product_uri": "S2A_MSIL2A_20230701T103631_N0509_R008_T31UFU_20230701T200058.SAFE",
            "s2:generation_time": "2023-07-01T20:00:58.000000Z",
            "s2:datatake_id": "GS2A_20230701T103631_041904_N05.09",
            "s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_2APS_20230701T200058_S20230701T104159_N05.09",
            "s2:granule_id": "S2A_OPER_MSI_L2A_TL_2APS_20230701T200058_A041904_T31UFU_N05.09",
            "s2:sequence": "0",
            "earthsearch:boa_offset_applied": True,
        },
    )
    for label, name in LABELS.items():
        band = {"name": name, "common_name": name.rstrip("1")}
        raster = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}
        described = {"eo:bands": [band], "raster:bands": [raster], **projected(RESOLUTIONS[label])}
        item["assets"][name] = {"href": f"{BUCKET}/{label}.tif", **described}
        item["assets"][f"{name}-jp2"] = {"href": f"s3://sentinel-s2-l2a/tiles/31/U/FU/{label}.jp2", **described}
    item["assets"]["scl"] = {"href": f"{BUCKET}/SCL.tif", "raster:bands": [{"nodata": 0}], **projected(20)}
    item["assets"]["visual"] = {
        "href": f"{BUCKET}/TCI.tif",
        "eo:bands": [{"name": name, "common_name": name} for name in ("red", "green", "blue")],
        **projected(10),
    }
    item["assets"]["thumbnail"] = {"href": f"{BUCKET}/thumbnail.jpg"}
    return item


def planetary_computer(baseline: str = "02.12") -> dict[str, Any]:
    """No scale, no offset: only the baseline tells."""
    item = _item(
        "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531",
        {
            "datetime": "2019-06-29T21:25:29.024000Z",
            "platform": "Sentinel-2B",
            "proj:epsg": 32606,
            "s2:mgrs_tile": "06VVN",
            "s2:datatake_id": "GS2B_20190629T212529_012081_N02.12",
            "s2:product_uri": "S2B_MSIL2A_20190629T212529_N0212_R043_T06VVN_20201006T080531.SAFE",
            "s2:datastrip_id": "S2B_OPER_MSI_L2A_DS_ESRI_20201006T080533_S20190629T212530_N02.12",
            "s2:generation_time": "2020-10-06T08:05:31.830Z",
            "sat:relative_orbit": 43,
            "s2:processing_baseline": baseline,
        },
    )
    for label in (*LABELS, "SCL"):
        asset = {"href": f"https://example.com/{label}_{RESOLUTIONS[label]}m.tif", **projected(RESOLUTIONS[label])}
        common = {"B05": "rededge", "B8A": "rededge"}.get(label, LABELS.get(label, ""))
        item["assets"][label] = asset | (
            {} if label == "SCL" else {"eo:bands": [{"name": label, "common_name": common}]}
        )
    return item


def stac_1_1(scene_id: str = "S2A_R051_31UDS_20220321", **properties: Any) -> dict[str, Any]:
    """Bands inside one file, class and angle layers beside it, relative hrefs: what the simulation writes."""
    item = _item(
        scene_id,
        {
            "datetime": "2022-03-21T10:50:21Z",
            "platform": "sentinel-2a",
            "proj:code": "EPSG:32631",
            "grid:code": "MGRS-31UDS",
            "sat:relative_orbit": 51,
            "s2:datatake_id": "GS2A_20220321T105021_035226_N04.00",
            "s2:processing_baseline": "04.00",
            **properties,
        },
    )
    item["assets"] = {
        "bands": {
            "href": "./bands.tif",
            "file:size": 1234,
            "raster:scale": 0.0001,
            "bands": [
                {"name": "B02", "eo:common_name": "blue", "raster:offset": -0.1},
                {"name": "B05", "eo:common_name": "rededge071", "raster:offset": -0.1, "raster:scale": 0.0002},
                {"name": "B08", "eo:common_name": "nir", "nodata": 65535},
            ],
            **projected(10, 399960, 5700000, 240),
        },
        "SCL": {"href": "./scl.jp2", **projected(20, 399960, 5700000, 240)},
        "view_zenith": {
            "href": "./angles.tif",
            "bands": [{"name": "view_zenith", "raster:scale": 0.01, "nodata": 65535}],
            **projected(60, 399960, 5700000, 240),
        },
    }
    return item


def without(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A copy without some properties."""
    copy = deepcopy(item)
    for key in keys:
        del copy["properties"][key]
    return copy


def _item(scene_id: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": scene_id,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {},
    }
