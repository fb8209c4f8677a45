"""How an order wants its datasets registered: one strict model.

Belongs here: the ``coregistration`` block of an order, its defaults, bounds and messages. Not here: which dataset is
paired with which band (``weft.orders.stack_plan``), or registering (``weft.registration.registration``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from weft.composite_settings import Strict

Matching = Literal["cross_corr", "multimodal"]
"""How windows are compared: by their values, or by the directions of their edges."""
Method = Literal["auto", "stack", "cross_corr", "multimodal"]
Kernel = Literal["cubic", "lanczos", "bilinear", "nearest"]
Fit = Literal["auto", "shift", "affine", "polynomial", "polynomial1", "polynomial2", "polynomial3", "snap", "field"]

DEFAULT_TEMPLATE: dict[Matching, int] = {"cross_corr": 64, "multimodal": 101}
"""Edge of the matching window in pixels; texture of unlike sensors agrees only over larger windows."""

_DatasetIndex = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}$")]
_Band = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Registering(Strict):
    """How secondaries are brought onto the reference, and what a registration must prove.

    Lengths are pixels of the grid that matching works on.

    Attributes:
        method: ``stack`` trusts geolocation; ``cross_corr`` compares values, ``multimodal`` the directions of edges;
            ``auto`` takes ``cross_corr`` for two bands of one modality and ``multimodal`` otherwise.
        pairing: 1-based index of a dataset -> its band that is matched with the reference asset.
        model: the displacement's model; ``auto`` chooses by error on held-out points.
        warp_order: order of the polynomial of ``snap``.
        rms_threshold: of ``snap``: residual in pixels from which its points are dropped.
        resampling: kernel of the one resampling.
        resolution: pixel size of the stack in units of the reference grid; its own by default.
        template: edge of the matching window; 64 for ``cross_corr`` and 101 for ``multimodal`` by default.
        search: largest displacement along an axis that is looked for around the coarse shift.
        coarse_search: largest coarse shift along an axis; 0 looks for none.
        spacing: distance between tie points; by default such that about 3,000 cover the grid.
        min_points: fewest inliers.
        min_agreement: smallest share of all matches that agree with the model fitted without them.
        min_coverage: smallest share of the cells of the usable overlap that hold inliers.
        max_ce90: largest circle that may hold 90 % of what is left at held-out points.
        on_failure: whether a refused registration fails the order, or leaves the dataset where its geolocation is.
    """

    method: Method = "auto"
    pairing: dict[_DatasetIndex, _Band] = Field(default={}, max_length=1000)
    model: Fit = "auto"
    warp_order: Annotated[int, Field(ge=1, le=3)] = 2
    rms_threshold: Annotated[float, Field(ge=0.001, le=10)] = 0.05
    resampling: Kernel = "cubic"
    resolution: Annotated[float, Field(gt=0, le=100_000)] | None = None
    template: Annotated[int, Field(ge=16, le=512)] | None = None
    search: Annotated[int, Field(ge=2, le=128)] = 20
    coarse_search: Annotated[int, Field(ge=0, le=1024)] = 64
    spacing: Annotated[int, Field(ge=4, le=2048)] | None = None
    min_points: Annotated[int, Field(ge=8, le=100_000)] = 12
    min_agreement: Annotated[float, Field(ge=0.1, le=1)] = 0.25
    min_coverage: Annotated[float, Field(ge=0.1, le=1)] = 0.4
    max_ce90: Annotated[float, Field(gt=0, le=10)] = 3.0
    on_failure: Literal["fail", "geometry"] = "fail"

    @field_validator("method", mode="before")
    @classmethod
    def _not_yet(cls, method: object) -> object:
        if method == "dem_assisted":
            raise ValueError(
                "dem_assisted needs orbits and a terrain model and comes with radar geometry in a later step; "
                "use multimodal or stack on datasets that lie on a map grid"
            )
        return method

    @model_validator(mode="after")
    def _only_with_snap(self) -> Registering:
        given = self.model_fields_set & {"warp_order", "rms_threshold"}
        if given and self.model != "snap":
            raise ValueError(f"{' and '.join(sorted(given))} belong to model snap, not {self.model}; set model: snap")
        return self

    def window(self, matching: Matching) -> int:
        """Edge of the matching window in pixels."""
        return DEFAULT_TEMPLATE[matching] if self.template is None else self.template
