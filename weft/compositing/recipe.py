"""What is to be made of the observations of a tile, as one value.

Belongs here: the recipe and what makes one impossible. Not here: the models of the region file that it holds
(``weft.composite_settings``), the layers that come of it (``layers``) or making them (``composite``).
"""

from __future__ import annotations

from dataclasses import dataclass

from weft.composite_settings import Composite, Validity
from weft.compositing.geomedian import require_geomad
from weft.errors import RequestError


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of the observations.

    Attributes:
        bands: Common Band Names, in output order.
        validity: which pixels count.
        composite: which reductions.
        resolution: pixel size of the output, CRS units.
        nbar: whether observations are brought to nadir view before they are reduced.

    Raises:
        RequestError: a method needs a band that is not among the bands, or a package that is not installed.
    """

    bands: tuple[str, ...]
    validity: Validity
    composite: Composite
    resolution: float
    nbar: bool = False

    def __post_init__(self) -> None:
        """Fail before the first pixel is read rather than in the middle of a tile."""
        for method, needed in self.composite.needed_bands().items():
            if missing := [band for band in needed if band not in self.bands]:
                raise RequestError(f"composite method {method} needs the bands {missing}; add them to the bands")
        if "geomedian" in self.composite.methods:
            require_geomad()

    @property
    def needs_classes(self) -> bool:
        """Whether a method chooses by scene class, so that every observation's classes are kept."""
        methods = self.composite.methods
        if self.composite.preference != "standard":
            return True
        return "s2gm_v1" in methods or (self.composite.short_term.version == 1 and self.chooses_by_rules)

    @property
    def chooses_by_rules(self) -> bool:
        """Whether a method takes the region's own short-term rules."""
        return "s2gm" in self.composite.methods or "short_term" in self.composite.methods
