"""A checked expression as a value: what it reads, and its result over whole arrays.

Belongs here: :class:`Expression`. Not here: how one is read from text (``grammar``) or evaluated over a raster that is
too large for memory (``streaming``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.expressions import tree
from weft.expressions.functions import Function, Values
from weft.rasters.grid import Window


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; made by :func:`weft.expressions.parse`. Equal if the canonical forms are equal.

    Attributes:
        text: canonical form: single spaces, shortest numbers, one spelling per function, presets spelled out.
        names: bands it reads.
        root: its tree.
    """

    text: str
    names: frozenset[str] = field(compare=False, repr=False)
    root: tree.Node = field(compare=False, repr=False)

    def __str__(self) -> str:
        """The canonical form."""
        return self.text

    @property
    def halo(self) -> int:
        """Margin in pixels that its filters need around a block; nested ones add up.

        Functions of the whole raster need more than any margin; ``streaming`` evaluates them before the rest.
        """
        return tree.halo(self.root)

    @property
    def categorical(self) -> bool:
        """Whether the values are names of things, as those of ``label``, so that an average of them means nothing."""
        return isinstance(self.root, tree.Call) and self.root.function.name == "label"

    def evaluate(self, bands: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Evaluate over whole arrays.

        Args:
            bands: band name to array of any real dtype, all of one shape, physical values, NaN where there is no data.
                Of two dimensions (height, width) if the expression looks at neighbours, else of any number. Bands the
                expression does not use are ignored, but give a constant expression its shape.

        Returns:
            float32 array of that shape, NaN where there is no value. Arithmetic is float64, rounded once at the end.

        Raises:
            RequestError: a band the expression uses is missing, or the bands differ in shape, or neighbours are asked
                for where there are no rows and columns, or a mask has more components than float32 can number.
        """
        missing = sorted(self.names - set(bands))
        if missing:
            raise RequestError(f"expression {self.text} needs {missing}; the bands given are {sorted(bands)}")
        shapes = {np.shape(array) for array in bands.values()}
        if len(shapes) > 1:
            raise RequestError(f"expression {self.text} got bands of different shapes {sorted(shapes)}; use one grid")
        shape = next(iter(shapes), ())
        if self._looks_around and (len(shape) != 2 or 0 in shape):
            raise RequestError(
                f"expression {self.text} looks at neighbours and needs arrays of rows and columns, got shape {shape}"
            )
        height, width = (1, 1, *shape)[-2:]
        with np.errstate(all="ignore"):
            values = tree.evaluate(self.root, _Arrays(bands), tree.Area(Window(0, 0, height, width), (height, width)))
            return np.array(np.broadcast_to(rounded(values), shape))

    @property
    def _looks_around(self) -> bool:
        return any(
            isinstance(node, tree.Call) and not isinstance(node.function, Function) for node in tree.walk(self.root)
        )


def rounded(values: Values) -> npt.NDArray[np.float32]:
    """As float32, NaN for what overflows; meant to run where NumPy's warnings are off."""
    single = values.astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    return single


@dataclass(frozen=True, slots=True)
class _Arrays:
    bands: Mapping[str, npt.NDArray[Any]]

    def band(self, name: str, area: tree.Area) -> npt.NDArray[Any]:
        return np.asarray(self.bands[name])

    def whole(self, call: tree.Call, area: tree.Area) -> npt.NDArray[Any]:
        return call.function(tree.evaluate(call.arguments[0], self, area))
