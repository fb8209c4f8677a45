"""The layers of a composite: names, types, scales and fills.

Belongs here: what each layer is called and how its values are stored. Not here: computing them (``reduce``,
``provenance``), or which of them a mosaic carries on (``weft.mosaicking.layers``).

Types, scales and fills of the layers made on request are those of the Sentinel-2 Global Mosaic service, where it states
them. It states no fill for aerosol: 65535 it is, since 0 is clear air. Fills that are possible values (an azimuth of
327.68 degrees is stored as 32768) push such a value aside by one step, as a reflectance of zero is stored as 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from weft.bands import BANDS
from weft.calibration.sentinel2 import REFLECTANCE_SCALE
from weft.composite_settings import ExtraLayer, Method
from weft.compositing.recipe import Recipe
from weft.rasters.product import LayerSpec

COUNT = LayerSpec("count", "Number of valid observations", "uint16", None)
SPREAD = LayerSpec("medoid_spread", "Mean distance of the medoid to all observations", "float32", math.nan, unit="1")
SOURCE_INDEX = LayerSpec("source_index", "Index of the selected observation", "int16", -1, categorical=True)
OBSERVATION_DATE = LayerSpec(
    "observation_date", "Date of the selected observation, days since 1970-01-01", "uint16", 0, unit="d",
    categorical=True,
)  # fmt: skip
DEVIATIONS = (
    LayerSpec("geomedian_smad", "Median cosine distance to the geomedian", "float32", math.nan, unit="1"),
    LayerSpec("geomedian_emad", "Median Euclidean distance to the geomedian", "float32", math.nan, unit="1"),
    LayerSpec("geomedian_bcmad", "Median Bray-Curtis distance to the geomedian", "float32", math.nan, unit="1"),
)


def _angle(key: str, title: str) -> LayerSpec:
    # An average of 359 and 1 degrees would be south instead of north: overviews take the nearest.
    return LayerSpec(key, f"{title} of the selected observation", "uint16", 32768, 0.01, unit="deg", categorical=True)


EXTRA: dict[ExtraLayer, LayerSpec] = {
    "quality_aot": LayerSpec(
        "quality_aot", "Aerosol optical thickness of the selected observation", "uint16", 65535, 0.0001, unit="1"
    ),
    "quality_cloud_confidence": LayerSpec(
        "quality_cloud_confidence", "Cloud confidence of the selected observation", "uint8", 255, unit="%"
    ),
    "quality_snow_confidence": LayerSpec(
        "quality_snow_confidence", "Snow confidence of the selected observation", "uint8", 255, unit="%"
    ),
    "quality_scene_classification": LayerSpec(
        "quality_scene_classification", "Scene class of the selected observation", "uint8", 0, categorical=True
    ),
    "view_zenith_mean": _angle("view_zenith_mean", "View zenith angle"),
    "view_azimuth_mean": _angle("view_azimuth_mean", "View azimuth angle"),
    "sun_zenith": _angle("sun_zenith", "Sun zenith angle"),
    "sun_azimuth": _angle("sun_azimuth", "Sun azimuth angle"),
    "valid_obs": LayerSpec("valid_obs", "Number of valid observations", "uint8", None),
    "medoid_mos": LayerSpec(
        "medoid_mos", "Mean distance of the medoid to all observations", "uint16", 65535, 0.0001, unit="1"
    ),
}


def composite_layers(recipe: Recipe, extra: Sequence[ExtraLayer]) -> tuple[LayerSpec, ...]:
    """The layers a composite has, in order.

    Args:
        recipe: what is made.
        extra: which of the layers made on request can be made.
    """
    layers: list[LayerSpec] = []
    for method in recipe.composite.methods:
        for statistic in statistics_of(method, recipe):
            layers += [reflectance_layer(band, statistic) for band in recipe.bands]
        layers += {"medoid": (SPREAD,), "geomedian": DEVIATIONS}.get(method, ())
    if recipe.composite.selecting:
        layers += [SOURCE_INDEX, OBSERVATION_DATE]
    return (*layers, *(EXTRA[key] for key in extra), COUNT)


def statistics_of(method: Method, recipe: Recipe) -> tuple[str, ...]:
    """``p25`` ... of the percentiles, the name of the method for all others."""
    return tuple(map(percentile_key, recipe.composite.percentiles)) if method == "percentiles" else (method,)


def percentile_key(q: float) -> str:
    """``p25`` for 25, ``p2_5`` for 2.5."""
    return f"p{q:g}".replace(".", "_")


def reflectance_layer(band: str, statistic: str) -> LayerSpec:
    """Layer of one band and statistic: uint16 reflectance, scale 0.0001, nodata 0."""
    return LayerSpec(
        f"{band}_{statistic}",
        f"{BANDS[band].title}, {statistic}",
        "uint16",
        0,
        scale=REFLECTANCE_SCALE,
        unit="1",
        band=band,
        statistic=statistic,
    )
