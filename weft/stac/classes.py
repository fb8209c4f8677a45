"""Classification schemes as STAC describes them.

Belongs here: names and colours of the labels of each scheme. Not here: which labels count as observations, which is
the region's validity rule.
"""

from __future__ import annotations

from typing import Any

_NO_DATA = "no_data"

# Labels and colours: Sentinel-2 Level-2A Product Definition Document, scene classification; colours as in the legend
# of the SCL quick-look.
_SCHEMES: dict[str, tuple[tuple[int, str, str, str], ...]] = {
    "sentinel-2-scl": (
        (0, _NO_DATA, "No data", "000000"),
        (1, "saturated_or_defective", "Saturated or defective", "FF0000"),
        (2, "dark_area", "Dark area or topographic shadow", "2F2F2F"),
        (3, "cloud_shadow", "Cloud shadow", "643200"),
        (4, "vegetation", "Vegetation", "00A000"),
        (5, "not_vegetated", "Not vegetated", "FFE65A"),
        (6, "water", "Water", "0000FF"),
        (7, "unclassified", "Unclassified", "808080"),
        (8, "cloud_medium_probability", "Cloud, medium probability", "C0C0C0"),
        (9, "cloud_high_probability", "Cloud, high probability", "FFFFFF"),
        (10, "thin_cirrus", "Thin cirrus", "64C8FF"),
        (11, "snow_or_ice", "Snow or ice", "FF96FF"),
    ),
}


def class_fields(scheme: str) -> dict[str, Any]:
    """``classification:classes`` of a scheme; nothing for a scheme whose labels are not known here."""
    if scheme not in _SCHEMES:
        return {}
    return {
        "classification:classes": [
            {
                "value": value,
                "name": name,
                "title": title,
                "color_hint": colour,
                **({"nodata": True} if name == _NO_DATA else {}),
            }
            for value, name, title, colour in _SCHEMES[scheme]
        ]
    }
