"""Results of expressions stored as whole numbers.

Belongs here: the conversion an order may ask for and its inverse's scale. Not here: writing files (``weft.rasters``).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from weft.composite_settings import Strict


class Scaling(Strict):
    """How a result is stored; without one it is float32 with NaN for nodata.

    physical = stored * ``scale``. The lowest number of the type is nodata: 0 for ``uint16``, as in every reflectance
    layer, -32768 for ``int16``, which suits indices and dB.

    Attributes:
        dtype: type of the stored numbers.
        scale: physical value of one step.
    """

    dtype: Literal["uint16", "int16"] = "uint16"
    scale: Annotated[float, Field(ge=1e-9, le=1e9)] = 1e-4

    @property
    def nodata(self) -> int:
        """The stored number that means "no value here"."""
        return int(np.iinfo(self.dtype).min)

    def stored(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint16 | np.int16]:
        """Round half up to whole steps; what lies beyond the ends of the type takes the value of that end.

        Nothing but NaN becomes nodata: the lowest value is one step above it.

        Args:
            values: physical values of any shape, NaN where there is none.

        Returns:
            Array of the same shape and of ``dtype``.
        """
        steps = np.floor(values.astype(np.float64) / self.scale + 0.5)
        steps = np.clip(steps, self.nodata + 1, np.iinfo(self.dtype).max)
        return np.where(np.isnan(steps), self.nodata, steps).astype(self.dtype)
