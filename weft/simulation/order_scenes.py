"""Calibrated datasets of three missions over one small area, displaced by known amounts: what orders are tried on.

Belongs here: the three instruments, where each says its pixels lie and where they really lie, files and items. Not
here: the ground they see (``landscape``), or the archive of whole scenes that regions are tried on (``simulator``).

A dataset is displaced if it shows at a place what the ground has elsewhere: the kind of error that co-registration
removes. The Sentinel-2-like one is true; the others show what lies at ground position g at g + drift(g). The site may
be anywhere: the invented ground is laid under it as a plane.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weft.fingerprints import fingerprint
from weft.rasters.cog import write_layers
from weft.rasters.grid import Grid, transformer
from weft.rasters.product import LayerSpec
from weft.scenes.scene import Layer, Scene
from weft.simulation.landscape import Cover, Landscape, reflectance
from weft.simulation.noise import seed_of
from weft.simulation.sensor import INSIDE, OUTSIDE, digitise
from weft.simulation.spectra import BANDS, CROPS
from weft.stac import Item
from weft.stac.calibrated import calibrated_item

_GROUND = 3_980_000.0, 3_060_000.0  # fields, woods and a town, EPSG:3035
_OTHER_CRS = "EPSG:3857"
_LOOKS = 12.0  # of the radar image: what is left of speckle after filtering
# Sigma nought in dB: crops in the order of CROPS, then what covers them. Radar sees structure and water, not colour.
_CROP_DB = {
    "vv": (-12.0, -16.0, -9.0, -10.0, -7.5, -8.5, -14.0),
    "vh": (-19.0, -22.0, -14.5, -16.5, -14.0, -15.0, -23.0),
}
_COVER_DB = {
    "vv": {"verge": -11.0, "forest": -9.0, "town": -3.0, "water": -20.0},
    "vh": {"verge": -17.0, "forest": -14.0, "town": -10.0, "water": -28.0},
}

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Site:
    """Where on Earth the datasets lie.

    Attributes:
        crs: a CRS in metres, that of the reference dataset.
        x: easting of the middle.
        y: northing of the middle.
    """

    crs: str = "EPSG:32631"
    x: float = 640_000.0
    y: float = 5_686_000.0


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a dataset shows the ground from where it is, in metres of the CRS of its site.

    Attributes:
        east: everywhere.
        north: everywhere.
        wave: amplitude of a smooth wave on top of both.
        length: of the wave, metres.
    """

    east: float = 0.0
    north: float = 0.0
    wave: float = 0.0
    length: float = 6_000.0

    def at(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Metres to the east and to the north of what lies at ground positions in the CRS of the site."""
        turn = 2 * math.pi / self.length
        return self.east + self.wave * np.sin(turn * y), self.north + self.wave * np.cos(turn * x)

    def pixels(self, grid: Grid, x: Values, y: Values) -> tuple[Values, Values]:
        """The same as (dx, dy) at pixel positions of a grid in the CRS of the site, as registration counts them.

        Args:
            grid: the reference grid.
            x: columns, a whole number is the centre of a pixel.
            y: rows.
        """
        east, north = self.at(grid.left + (x + 0.5) * grid.x_size, grid.top - (y + 0.5) * grid.y_size)
        return east / grid.x_size, -north / grid.y_size


@dataclass(frozen=True, slots=True)
class Take:
    """One dataset to be simulated.

    Attributes:
        id: of its item.
        mission: ``sentinel-2``, ``newsat`` or ``sentinel-1``: which instrument.
        acquired: when, UTC.
        grid: of its finest bands.
        coarse: bands with pixels of twice that size.
        bands: names, in the order in which they are written.
        drift: what is to be found out.
        gain: of the reflectances.
        site: where it lies.
    """

    id: str
    mission: str
    acquired: datetime
    grid: Grid
    bands: tuple[str, ...]
    coarse: tuple[str, ...] = ()
    drift: Drift = Drift()
    gain: float = 1.0
    site: Site = Site()


@dataclass(frozen=True, slots=True)
class OrderScene:
    """A dataset that was simulated.

    Attributes:
        take: what was asked for.
        path: of its STAC item; the files lie beside it, its hrefs are relative.
        item: the same as ``calibrated-datasets`` has it, with absolute hrefs.
    """

    take: Take
    path: Path
    item: Item


def takes(size: int = 320, site: Site = Site()) -> tuple[Take, Take, Take]:
    """An optical reference, an optical and a radar dataset that are displaced.

    Args:
        size: pixels of a side of the reference at 10 m; the others cover nearly the same ground.
        site: where they lie.
    """
    extent = 10.0 * size
    left, top = site.x - extent / 2, site.y + extent / 2
    xs, ys = transformer(site.crs, _OTHER_CRS).transform([left, site.x + extent / 2], [site.y - extent / 2, top])
    # Another CRS, a pixel of 5 m on the ground, and an anchor that is a multiple of nothing.
    fine = (xs[1] - xs[0]) / (2 * size)
    other = Grid(_OTHER_CRS, xs[0] + 21.7, ys[1] - 42.3, fine, fine, int(1.96 * size), int(1.92 * size))
    return (
        Take(
            "S2B_31UFS_20210612",
            "sentinel-2",
            datetime(2021, 6, 12, 10, 56, 19, tzinfo=UTC),
            Grid(site.crs, left, top, 10.0, 10.0, size, size),
            ("blue", "green", "red", "nir", "swir16", "swir22"),
            coarse=("swir16", "swir22"),
            site=site,
        ),
        Take(
            "NEWSAT18_20210622",
            "newsat",
            datetime(2021, 6, 22, 14, 12, 40, tzinfo=UTC),
            other,
            ("blue", "green", "red", "nir"),
            drift=Drift(23.0, -17.5, 4.0),
            gain=1.12,
            site=site,
        ),
        Take(
            "S1A_IW_20210615",
            "sentinel-1",
            datetime(2021, 6, 15, 17, 33, 2, tzinfo=UTC),
            Grid(site.crs, left - 203.0, top + 147.0, 10.0, 10.0, size + 30, size + 30),
            ("s0_db_c_vv", "s0_db_c_vh"),
            drift=Drift(-28.0, 34.0, 3.0),
            site=site,
        ),
    )


def simulate_order_scenes(
    folder: Path, wanted: Sequence[Take] | None = None, *, seed: int = 1
) -> tuple[OrderScene, ...]:
    """Write datasets: ``{folder}/{id}/{band}.tif`` and ``{folder}/{id}/{id}.json``.

    Args:
        folder: where they go.
        wanted: see :func:`takes`, which are the default.
        seed: equal seeds give equal bytes.
    """
    landscape = Landscape(seed, 10.0)
    return tuple(_simulate(folder, take, landscape) for take in wanted or takes())


def _simulate(folder: Path, take: Take, landscape: Landscape) -> OrderScene:
    own = folder / take.id
    seen = _radar(take, landscape) if take.mission == "sentinel-1" else _optical(take, landscape)
    layers = {}
    for band, (spec, grid, stored) in seen.items():
        (file,) = write_layers(grid, {spec: stored}, own)
        layers[band] = Layer(f"./{file.path.name}", 1, grid, spec.scale, spec.offset, spec.nodata, spec.unit)
    scene = Scene(
        id=take.id,
        mission=take.mission,
        platform=f"{take.mission}-simulated",
        acquired=take.acquired,
        datatake=take.id,
        segment=take.id,
        tile=None,
        track=None,
        geolocation=take.grid,
        bands=layers,
    )
    mark = fingerprint("order_scene", 1, take=take.id, seed=landscape.seed)
    item = calibrated_item(scene, fingerprint=mark, tile_track="simulated")
    path = own / f"{take.id}.json"
    path.write_text(json.dumps(item, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    absolute = deepcopy(item)
    for asset in absolute["assets"].values():
        asset["href"] = (own / asset["href"]).resolve().as_uri()
    return OrderScene(take, path, absolute)


def _optical(take: Take, landscape: Landscape) -> Mapping[str, tuple[LayerSpec, Grid, npt.NDArray[np.uint16]]]:
    cover = _cover(take, landscape)
    edge = np.where(_inside(take), INSIDE, OUTSIDE).astype(np.uint8)
    ground, _ = reflectance(cover, np.array([float(take.acquired.timetuple().tm_yday)]))
    made = {}
    for band in take.bands:
        values, rim = ground[0, BANDS.index(band)] * np.float32(take.gain), edge
        grid = take.grid
        if band in take.coarse:
            grid = grid.at_resolution(2 * grid.x_size)
            height, width = grid.shape
            values = values.reshape(height, 2, width, 2).mean(axis=(1, 3), dtype=np.float32)
            rim = rim[::2, ::2]
        seed = seed_of(landscape.seed, take.id, band)
        spec = LayerSpec(band, band, "uint16", 0, 0.0001, 0.0, "1", band)
        # Nothing counts as water to the sensor: dark water stays above the stored 0 that means "no data".
        stored = digitise(values, rim, np.zeros(rim.shape, bool), seed=seed, row=0, column=0, offset=0)
        made[band] = (spec, grid, stored)
    return made


def _radar(take: Take, landscape: Landscape) -> Mapping[str, tuple[LayerSpec, Grid, npt.NDArray[np.float32]]]:
    cover = _cover(take, landscape)
    inside = _inside(take)
    made = {}
    for band in take.bands:
        polarisation = band.rpartition("_")[2]
        strength = _scatter(cover, polarisation)
        speckle = np.random.default_rng(int(seed_of(landscape.seed, take.id, band))).gamma(
            _LOOKS, 1 / _LOOKS, strength.shape
        )
        decibel = np.where(inside, 10.0 * np.log10(strength * speckle), np.nan).astype(np.float32)
        made[band] = (LayerSpec(band, band, "float32", math.nan, unit="dB", band=band), take.grid, decibel)
    return made


def _scatter(cover: Cover, polarisation: str) -> npt.NDArray[np.float64]:
    """Sigma nought as a ratio, without speckle."""
    strength = _ratio(np.array(_CROP_DB[polarisation][: len(CROPS)]))[cover.crop]
    shares = {"verge": cover.verge, "forest": cover.forest, "town": cover.town, "water": cover.water}
    for name, share in shares.items():
        strength += share * (_ratio(_COVER_DB[polarisation][name]) - strength)
    return strength


def _ratio(decibel: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(10.0 ** (np.asarray(decibel) / 10.0))


def _cover(take: Take, landscape: Landscape) -> Cover:
    """The ground that each pixel of a dataset really shows."""
    grid = take.grid
    x, y = np.meshgrid(
        grid.left + (np.arange(grid.width) + 0.5) * grid.x_size, grid.top - (np.arange(grid.height) + 0.5) * grid.y_size
    )
    shown_x, shown_y = transformer(grid.crs, take.site.crs).transform(x, y)
    ground_x, ground_y = shown_x, shown_y
    for _ in range(4):  # the drift is given on the ground and varies by less than a hundredth, so this converges
        east, north = take.drift.at(ground_x, ground_y)
        ground_x, ground_y = shown_x - east, shown_y - north
    return landscape.cover_at(ground_x - take.site.x + _GROUND[0], ground_y - take.site.y + _GROUND[1])


def _inside(take: Take) -> npt.NDArray[np.bool_]:
    """All of the true dataset; of the others a swath whose edges are not those of the file."""
    height, width = take.grid.shape
    if take.drift == Drift():
        return np.ones((height, width), bool)
    rows, columns = np.mgrid[0:height, 0:width]
    across = columns + 0.2 * rows
    inside: npt.NDArray[np.bool_] = (across > 0.12 * width) & (across < 1.1 * width)
    return inside
