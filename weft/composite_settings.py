"""What a region file says about observations and composites: two strict models and the names they use.

Belongs here: which pixels count, which composites and layers are asked for, and whether that makes sense. Not here: the
rest of a region (``weft.regions``), or doing any of it (``weft.calibration``, ``weft.compositing``).
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Method = Literal[
    "s2gm", "s2gm_v1", "medoid", "short_term", "max_ndvi", "first_valid", "mean", "percentiles", "geomedian"
]
"""A reduction of all observations of a pixel to one value per band and statistic."""

SELECTING: tuple[Method, ...] = ("s2gm", "s2gm_v1", "medoid", "short_term", "max_ndvi", "first_valid")
"""Methods that take every pixel from one observation, so that it has a date, a class and angles."""
WITH_SPREAD: tuple[Method, ...] = ("s2gm", "s2gm_v1", "medoid")
"""Those that say how far the observations lie from the medoid."""

Preference = Literal["standard", "vegetation", "soil"]
"""The Sentinel-2 Global Mosaic service's STD, VEG and SOI."""

ExtraLayer = Literal[
    "quality_aot",
    "quality_cloud_confidence",
    "quality_snow_confidence",
    "quality_scene_classification",
    "view_zenith_mean",
    "view_azimuth_mean",
    "sun_zenith",
    "sun_azimuth",
    "valid_obs",
    "medoid_mos",
]
"""A layer of the Sentinel-2 Global Mosaic service that is made on request."""
EXTRA_LAYERS: tuple[ExtraLayer, ...] = get_args(ExtraLayer)

_SHORT_TERM_BANDS = {
    1: ("blue", "green", "red", "nir", "swir16", "swir22"),
    2: ("blue", "green", "red", "nir", "nir08", "swir16", "swir22"),
}


class Strict(BaseModel):
    """A part of a document in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Validity(Strict):
    """Which pixels count as observations.

    Attributes:
        classes: scene classes that are valid.
        view_zenith_max: largest view zenith angle in degrees, applied where the archive has the angle layer.
        cloud_confidence_max: largest cloud confidence in percent, applied where the archive has the layer.
        snow_confidence_max: largest snow confidence in percent, applied where the archive has the layer.
        dilate_m: grow clouds, which is every invalid class but shadow and no-data, by this many metres.
        shadow_dilate_m: grow cloud shadow by this many metres.
    """

    classes: tuple[Annotated[int, Field(ge=0, le=255)], ...] = (2, 4, 5, 6, 11)
    view_zenith_max: Annotated[float, Field(gt=0, le=90)] | None = None
    cloud_confidence_max: Annotated[float, Field(ge=0, le=100)] | None = None
    snow_confidence_max: Annotated[float, Field(ge=0, le=100)] | None = None
    dilate_m: Annotated[float, Field(ge=0, le=5000)] = 0.0
    shadow_dilate_m: Annotated[float, Field(ge=0, le=5000)] = 0.0


class ShortTerm(Strict):
    """How ``short_term``, and ``s2gm`` where it has too few observations for a medoid, choose one.

    Attributes:
        version: 1 prefers by scene class, 2 by reflectance alone.
        mode: of version 1: the published rules to the letter, or what they evidently intend.
        thresholds: of version 2: name -> value, see :class:`weft.compositing.short_term_v2.ShortTermThresholds`.
    """

    version: Literal[1, 2] = 1
    mode: Literal["intended", "literal"] = "intended"
    thresholds: dict[str, float] = {}

    @field_validator("thresholds")
    @classmethod
    def _known_thresholds(cls, thresholds: dict[str, float]) -> dict[str, float]:
        if thresholds:
            # Here, because few regions have any and the module loads the compiler of the kernels.
            from weft.compositing.short_term_v2 import ShortTermThresholds

            known = ShortTermThresholds.__dataclass_fields__
            unknown = sorted(thresholds.keys() - known.keys())
            if unknown:
                raise ValueError(f"there are no thresholds {unknown}; known: {', '.join(known)}")
        return thresholds


class Composite(Strict):
    """Which composites are made.

    Attributes:
        methods: in the order of the layers; the first one that selects observations gives the layers about them.
        medoid_min: ``s2gm``: fewest observations for which the medoid is taken instead of a short-term choice.
        percentiles: percentiles between 0 and 100.
        percentile_method: ``linear`` interpolates between two observations, ``nearest`` takes one of them.
        percentile_min: fewest observations for which percentiles are given; below it the pixel has none.
        short_term: how to choose among few observations.
        preference: which state of a field the methods that select observations show where it was seen both green and
            bare: ``vegetation`` leaves its bare observations (scene class 5) out, ``soil`` its vegetated ones (4).
        layers: layers made on request, or ``all`` that the methods allow.
    """

    methods: tuple[Method, ...] = ("medoid", "percentiles")
    medoid_min: Annotated[int, Field(ge=1, le=255)] = 5
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (25, 50, 75)
    percentile_method: Literal["linear", "nearest"] = "linear"
    percentile_min: Annotated[int, Field(ge=1, le=255)] = 1
    short_term: ShortTerm = ShortTerm()
    preference: Preference = "standard"
    layers: Literal["all"] | tuple[ExtraLayer, ...] = ()

    @model_validator(mode="after")
    def _something_to_make(self) -> Composite:
        if not self.methods:
            raise ValueError(f"name at least one of {', '.join(get_args(Method))}")
        if "percentiles" in self.methods and not self.percentiles:
            raise ValueError("method percentiles needs at least one number under percentiles")
        if self.preference != "standard" and self.selecting is None:
            raise ValueError(
                f"preference {self.preference} chooses among observations, which none of {list(self.methods)} does; "
                f"add one of {', '.join(SELECTING)}"
            )
        for names in (self.methods, self.percentiles, self.layers):
            if not isinstance(names, str) and len(set(names)) != len(names):
                raise ValueError("methods, percentiles and layers must not repeat")
        if self.layers != "all":
            for layer in self.layers:
                if layer not in self._possible():
                    methods = WITH_SPREAD if layer == "medoid_mos" else SELECTING
                    raise ValueError(
                        f"layer {layer} tells of the observation a pixel comes from: the first of the methods that "
                        f"select one must be of {', '.join(methods)}"
                    )
        return self

    @property
    def selecting(self) -> Method | None:
        """The first method that selects observations, None if none does."""
        return next((method for method in self.methods if method in SELECTING), None)

    @property
    def extra_layers(self) -> tuple[ExtraLayer, ...]:
        """The layers asked for beyond those every composite has, in the order of :data:`EXTRA_LAYERS`."""
        wanted = self._possible() if self.layers == "all" else self.layers
        return tuple(layer for layer in EXTRA_LAYERS if layer in wanted)

    def needed_bands(self) -> dict[Method, tuple[str, ...]]:
        """Common Band Names that methods cannot do without."""
        short_term = _SHORT_TERM_BANDS[self.short_term.version]
        needed: dict[Method, tuple[str, ...]] = {
            "s2gm": short_term,
            "s2gm_v1": _SHORT_TERM_BANDS[1],
            "short_term": short_term,
            "max_ndvi": ("nir", "red"),
        }
        return {method: needed[method] for method in self.methods if method in needed}

    def _possible(self) -> tuple[ExtraLayer, ...]:
        if self.selecting is None:
            return ("valid_obs",)
        return tuple(one for one in EXTRA_LAYERS if one != "medoid_mos" or self.selecting in WITH_SPREAD)
