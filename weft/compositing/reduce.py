"""One block of all observations to the layers of its composites, by every method that is asked for.

Belongs here: calling the methods and storing what they find. Not here: the methods themselves (one module each), where
the block comes from (``blocks``), or layers of the selected observation that have to be read (``provenance``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from weft.calibration.sentinel2 import REFLECTANCE_SCALE
from weft.composite_settings import SELECTING, Method
from weft.compositing.geomedian import geomedian
from weft.compositing.layers import DEVIATIONS, OBSERVATION_DATE, SOURCE_INDEX, SPREAD, percentile_key
from weft.compositing.medoid import medoid
from weft.compositing.percentiles import percentiles
from weft.compositing.planes import planes
from weft.compositing.preference import preferred
from weft.compositing.recipe import Recipe
from weft.compositing.s2gm import s2gm
from weft.compositing.short_term import short_term
from weft.compositing.short_term_v2 import ShortTermThresholds
from weft.compositing.simple import first_valid, max_ndvi, mean

S2GM_V1_MEDOID_MIN = 4
"""Fewest observations of a medoid in the published script."""
_MOS_FILL = 65535
_LANES = 4096


@dataclass(frozen=True, slots=True)
class Block:
    """All observations of one window, newest first.

    Attributes:
        stack: uint16 reflectance x 10000 (time, band, y, x).
        valid: bool (time, y, x).
        classes: scene classes of the valid pixels, uint8 (time, y, x); None unless the recipe needs them.
        cloud_confidence: percent, uint8 (time, y, x); None unless the recipe needs it and every scene has it.
    """

    stack: npt.NDArray[np.uint16]
    valid: npt.NDArray[np.bool_]
    classes: npt.NDArray[np.uint8] | None = None
    cloud_confidence: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Reduced:
    """What became of a block.

    Attributes:
        layers: layer key -> stored values (y, x).
        winner: index along time of the first method that selects observations, int16 (y, x), -1 for none; None if no
            method does.
    """

    layers: Mapping[str, npt.NDArray[Any]]
    winner: npt.NDArray[np.int16] | None


def reduce_block(block: Block, recipe: Recipe, days: Sequence[int]) -> Reduced:
    """Reduce a block with every method of a recipe.

    Args:
        block: the observations.
        recipe: what to make.
        days: date of each observation, days since 1970-01-01.

    Raises:
        RequestError: a valid class that the short-term rules do not know.
    """
    count = block.valid.sum(axis=0, dtype=np.uint16)
    layers: dict[str, npt.NDArray[Any]] = {"count": count, "valid_obs": count.astype(np.uint8)}
    winner: npt.NDArray[np.int16] | None = None
    for method in recipe.composite.methods:
        if method in SELECTING:
            index, spread = _select(method, block, recipe)
            _store_selected(block, recipe, method, index, layers)
            if method == "medoid" and spread is not None:
                layers[SPREAD.key] = spread * np.float32(REFLECTANCE_SCALE)
            if winner is None:
                winner = index
                layers[SOURCE_INDEX.key] = index
                # The index of none, -1, finds the fill at the end.
                layers[OBSERVATION_DATE.key] = np.append(np.asarray(days, np.uint16), np.uint16(0))[index]
                if spread is not None:
                    layers["medoid_mos"] = _spread_in_steps(spread)
        elif method == "mean":
            values, _ = mean(block.stack, block.valid)
            for band, one in zip(recipe.bands, values, strict=True):
                layers[f"{band}_mean"] = _stored(one, count, 1)
        elif method == "percentiles":
            _store_percentiles(block, recipe, count, layers)
        else:
            _store_geomedian(block, recipe, count, layers)
    return Reduced(layers, winner)


def _select(
    method: Method, block: Block, recipe: Recipe
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32] | None]:
    settings = recipe.composite
    # Where no rule reads classes, some of the right shape will do: a plane of zeros repeated without memory.
    classes = block.classes
    if classes is None:
        classes = np.broadcast_to(np.zeros(block.valid.shape[1:], np.uint8), block.valid.shape)
    valid = preferred(block.valid, classes, settings.preference)
    if method == "medoid":
        return medoid(block.stack, valid)
    if method == "max_ndvi":
        return max_ndvi(block.stack, valid, recipe.bands), None
    if method == "first_valid":
        return first_valid(block.stack, valid), None
    seen = block.stack, valid, recipe.bands, classes, block.cloud_confidence
    if method == "s2gm_v1":
        index, _, spread = s2gm(*seen, medoid_min=S2GM_V1_MEDOID_MIN, version=1, mode="literal")
        return index, spread
    rules = settings.short_term
    thresholds = ShortTermThresholds(**rules.thresholds)
    if method == "short_term":
        return short_term(*seen, version=rules.version, mode=rules.mode, thresholds=thresholds), None
    index, _, spread = s2gm(
        *seen, medoid_min=settings.medoid_min, version=rules.version, mode=rules.mode, thresholds=thresholds
    )
    return index, spread


def _store_selected(
    block: Block,
    recipe: Recipe,
    method: Method,
    index: npt.NDArray[np.int16],
    layers: dict[str, npt.NDArray[Any]],
) -> None:
    source = planes(block.stack)
    for position, band in enumerate(recipe.bands):
        layers[f"{band}_{method}"] = chosen = np.empty(index.shape, np.uint16)
        _gather(source.flat, source.offsets[:, position].copy(), index.reshape(-1), chosen.reshape(-1))


def _store_percentiles(
    block: Block, recipe: Recipe, count: npt.NDArray[np.uint16], layers: dict[str, npt.NDArray[Any]]
) -> None:
    settings = recipe.composite
    for position, band in enumerate(recipe.bands):
        results, _ = percentiles(
            block.stack[:, position], block.valid, settings.percentiles, method=settings.percentile_method
        )
        for q, values in zip(settings.percentiles, results, strict=True):
            layers[f"{band}_{percentile_key(q)}"] = _stored(values, count, settings.percentile_min)


def _store_geomedian(
    block: Block, recipe: Recipe, count: npt.NDArray[np.uint16], layers: dict[str, npt.NDArray[Any]]
) -> None:
    found = geomedian(block.stack, block.valid)
    for band, values in zip(recipe.bands, found.median, strict=True):
        layers[f"{band}_geomedian"] = _stored(values, count, 1)
    smad, emad, bcmad = (layer.key for layer in DEVIATIONS)
    layers |= {smad: found.smad, emad: found.emad * np.float32(REFLECTANCE_SCALE), bcmad: found.bcmad}


def _stored(values: npt.NDArray[Any], count: npt.NDArray[np.uint16], least: int) -> npt.NDArray[np.uint16]:
    """Round half up; a true zero becomes 1 (an error of 0.0001), because 0 says that nothing is there."""
    stored = np.empty(values.shape, np.uint16)
    _round(np.ascontiguousarray(values).reshape(-1), count.reshape(-1), least, stored.reshape(-1))
    return stored


def _spread_in_steps(spread: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Whole steps of 0.0001, rounded half up; the fill where there is no spread."""
    return np.where(np.isnan(spread), _MOS_FILL, np.minimum(np.floor(spread + np.float32(0.5)), _MOS_FILL - 1)).astype(
        np.uint16
    )


@nb.njit(nogil=True, parallel=True, cache=True)
def _gather(flat, offsets, index, chosen):  # type: ignore[no-untyped-def]
    for block in nb.prange((len(index) + _LANES - 1) // _LANES):
        for p in range(block * _LANES, min(len(index), (block + 1) * _LANES)):
            chosen[p] = max(np.uint16(1), flat[offsets[index[p]] + p]) if index[p] >= 0 else np.uint16(0)


@nb.njit(nogil=True, cache=True)
def _round(values, count, least, stored):  # type: ignore[no-untyped-def]
    # In float32, and by selects instead of branches: eight values at once. Adding a half is exact in float32 from a
    # half on, and what lies below becomes 1 in any case.
    half, lowest, highest = np.float32(0.5), np.float32(1.0), np.float32(65535.0)
    for p in range(len(values)):
        rounded = min(highest, max(lowest, np.floor(values[p] + half)))
        enough = count[p] >= least
        stored[p] = np.uint16(np.int32(rounded)) if enough else np.uint16(0)
