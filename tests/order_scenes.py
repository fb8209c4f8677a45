"""Simulated stand-ins for the datasets of the Charter's tutorial, which are not ours to ship.

Belongs here: which datasets, so that every test that orders something shares them. Not here: how they are simulated
(``weft.simulation.order_scenes``), or the orders (``tests/charter``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weft.rasters.grid import transformer
from weft.simulation.order_scenes import OrderScene, Site, simulate_order_scenes, takes

CHARTER = Path(__file__).resolve().parent / "charter"
SIZE = 500
"""Pixels of a side at 10 m: the area of the tutorial's orders lies within."""

_SITE = Site("EPSG:32737", *transformer("EPSG:4326", "EPSG:32737").transform(37.36, -17.64))


@dataclass(frozen=True)
class Datasets:
    """What orders are tried on.

    Attributes:
        folder: of all files.
        optical: the reference, Sentinel-2-like; bands red, green, blue, nir (10 m), swir16 (20 m).
        fine: NewSat-like, 5 m in another CRS; bands red, nir.
        radar: Sentinel-1-like, 10 m; bands s0_db_c_vv, s0_db_c_vh.
    """

    folder: Path
    optical: OrderScene
    fine: OrderScene
    radar: OrderScene

    @property
    def all(self) -> Mapping[str, OrderScene]:
        """By id."""
        return {scene.take.id: scene for scene in (self.optical, self.fine, self.radar)}


def simulate(folder: Path) -> Datasets:
    """Write them."""
    optical, fine, radar = takes(SIZE, _SITE)
    wanted = (
        replace(optical, id="sentinel-2-20220321", bands=("red", "green", "blue", "nir", "swir16"), coarse=("swir16",)),
        replace(fine, id="newsat-20220322", bands=("red", "nir")),
        replace(radar, id="sentinel-1-20220320"),
    )
    return Datasets(folder, *simulate_order_scenes(folder, wanted))
