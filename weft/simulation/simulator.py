"""Making an archive: what happens in which order, and what is left on the disk.

Belongs here: the one public action. Not here: any part of the model.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from weft.errors import RequestError
from weft.mosaicking.tracks import HALF_SWATH_KM
from weft.progress import Progress
from weft.rasters.grid import Bounds
from weft.regions import Region
from weft.simulation.archive import COLLECTION, write_catalogue
from weft.simulation.landscape import Landscape, positions
from weft.simulation.passes import sun_position
from weft.simulation.plan import Granule, flights, granules, grids, swath_over, tile_tracks
from weft.simulation.presets import Preset, preset_of
from weft.simulation.sensor import VIEW_GRADIENT
from weft.simulation.spectra import BANDS
from weft.simulation.studio import Scenery, Shot, take
from weft.simulation.truth import TRUTH_FILE
from weft.simulation.weather import Weather

VERSION = 2
"""Raise it when the same seed gives another archive."""
REGION_FILE, ARCHIVE_FOLDER = "region.yaml", "archive"

_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Simulation:
    """An archive on the disk.

    Attributes:
        archive: root document of the static STAC catalogue.
        region: region file for it.
        truth: what it was made from; see :class:`weft.simulation.truth.Truth`.
        granules: number of items.
        created: False if it was there already.
    """

    archive: Path
    region: Path
    truth: Path
    granules: int
    created: bool


def simulate(
    directory: Path, *, preset: str, seed: int, progress: Progress | None = None, workers: int | None = None
) -> Simulation:
    """Simulate an archive into ``directory``: ``archive/``, ``region.yaml`` and ``truth.json``.

    Args:
        directory: folder, made if need be.
        preset: ``demo`` (four tiles at 180 m), ``bench`` (one tile at 10 m), ``tiny`` (for tests) or ``shifted`` (one
            tile whose passes lie off by known shifts).
        seed: equal seeds give equal bytes.
        progress: called after each granule.
        workers: threads; as many as the process may use if None. The result does not depend on it.

    Returns:
        What lies in the folder now. A complete archive of the same preset and seed is left as it is.

    Raises:
        RequestError: no such preset, or the folder holds another archive.
    """
    chosen = preset_of(preset)
    planned = granules(chosen, seed)
    truth = _truth(chosen, seed, planned)
    made = Simulation(
        directory / ARCHIVE_FOLDER / "catalog.json", directory / REGION_FILE, directory / TRUTH_FILE, len(planned), True
    )
    if (directory / ARCHIVE_FOLDER).exists():
        if not made.archive.is_file() or _read(made.truth) != truth:
            raise RequestError(
                f"{directory} holds another archive than preset {preset} with seed {seed}; choose another folder, or "
                f"delete {ARCHIVE_FOLDER} in it"
            )
        return Simulation(made.archive, made.region, made.truth, made.granules, created=False)
    partial = directory / f"{ARCHIVE_FOLDER}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shots = _take_all(chosen, seed, planned, partial / COLLECTION, progress, workers or len(os.sched_getaffinity(0)))
    write_catalogue(partial, shots, pixel=chosen.pixel)
    made.region.write_text(_region(chosen), encoding="utf-8")
    made.truth.write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    # Last and in one step: where the folder exists, everything is complete.
    partial.rename(directory / ARCHIVE_FOLDER)
    return made


def _take_all(
    preset: Preset, seed: int, planned: Sequence[Granule], folder: Path, progress: Progress | None, workers: int
) -> list[Shot]:
    scenery = Scenery(seed, Landscape(seed, preset.pixel), _weather(preset, seed))
    jobs = []
    for tile in preset.tiles:
        here = [granule for granule in planned if granule.tile == tile]
        jobs += [here[first : first + _AT_ONCE] for first in range(0, len(here), _AT_ONCE)]
    shots: list[Shot] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for done in as_completed([pool.submit(take, scenery, job, folder) for job in jobs]):
                shots += done.result()
                if progress:
                    progress(len(shots), len(planned))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return shots


def _weather(preset: Preset, seed: int) -> dict[str, Weather]:
    corners = [positions(grid.at_resolution(grid.width * grid.x_size / 2)) for grid in grids(preset).values()]
    x, y = (np.concatenate([corner[axis].ravel() for corner in corners]) for axis in (0, 1))
    area = Bounds(float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    centre = next(iter(grids(preset).values())).footprint().centroid
    return {
        flight.name: Weather.of_pass(
            seed,
            flight.name,
            area=area,
            sun=sun_position(flight.sensed, longitude=centre.x, latitude=centre.y),
            pixel=preset.pixel,
        )
        for track in flights(preset).values()
        for flight in track
    }


def _region(preset: Preset) -> str:
    document = {
        "region": preset.name,
        "archive": {"stac": f"file:./{ARCHIVE_FOLDER}/catalog.json", "collection": COLLECTION},
        "calendar": preset.calendar,
        "start": preset.period,
        "bands": list(BANDS),
        "working_resolution": preset.pixel,
        "validity": {
            "classes": [2, 4, 5, 6, 11],
            "dilate_m": 2 * preset.pixel,
            "shadow_dilate_m": 2 * preset.pixel,
        },
        "coregistration": {"method": "phase" if preset.shifts else "none"},
        "composite": {
            "methods": ["medoid", "percentiles"],
            "percentiles": [25, 50, 75],
            "layers": ["quality_aot", "quality_scene_classification", "view_zenith_mean"],
        },
        "mosaic": {
            "crs": "EPSG:3035",
            "resolution": preset.mosaic_resolution,
            "sheet_km": preset.sheet_km,
            "blend": "seamless",
        },
        "expressions": {"ndvi": "(norm_diff nir red)"},
        "tiles": [f"{track}_{tile}" for track, tile in tile_tracks(preset)],
    }
    Region.model_validate(document)
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120)


def _truth(preset: Preset, seed: int, planned: Sequence[Granule]) -> dict[str, Any]:
    older = [granule for granule in planned if granule.superseded]
    newer = {(granule.tile, granule.flight.name): granule.id for granule in planned if not granule.superseded}
    parts: dict[tuple[str, str], list[str]] = {}
    for granule in planned:
        if granule.part is not None:
            parts.setdefault((granule.tile, granule.flight.name), []).append(granule.id)
    truth = {
        "version": VERSION,
        "seed": seed,
        "preset": {key: value for key, value in asdict(preset).items() if key != "shifts" or value},
        "bands": list(BANDS),
        "tile_tracks": [f"{track}_{tile}" for track, tile in tile_tracks(preset)],
        "view_gradient": VIEW_GRADIENT,
        "half_swath_km": HALF_SWATH_KM,
        "cloud_cover": {name: round(weather.cover, 4) for name, weather in sorted(_weather(preset, seed).items())},
        "defects": {
            "duplicates": [{"id": one.id, "superseded_by": newer[one.tile, one.flight.name]} for one in older],
            "split": sorted(parts.values()),
            "dn1_edges": [granule.id for granule in planned if _is_cut_by_swath(granule, preset)],
            "zero_stripes": [
                granule.id for granule in planned if granule.zero_stripe and _is_cut_by_swath(granule, preset)
            ],
            "offset": [granule.id for granule in planned if granule.offset],
            "scale_not_told": [granule.id for granule in planned if not granule.tells_scale],
            "jp2": [granule.id for granule in planned if granule.jp2],
            "multiband": [granule.id for granule in planned if granule.multiband],
            **({"shifted": {granule.id: granule.shift for granule in planned}} if preset.shifts else {}),
        },
    }
    # As it reads back: tuples become lists.
    return dict(json.loads(json.dumps(truth)))


def _is_cut_by_swath(granule: Granule, preset: Preset) -> bool:
    return swath_over(granule.flight.track, granule.tile, preset.pixel).share() < 1 - 1e-6


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
