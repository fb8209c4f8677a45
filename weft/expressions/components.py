"""Functions of the whole raster: ``label`` and ``fill_holes``.

Belongs here: connected components of a mask, found exactly while the mask comes strip by strip, and what the two
functions make of them. Not here: where the labels wait until the last strip has come (``streaming``).

A component is a set of pixels that hang together by their edges, not their corners (SciPy's default). Each strip is
labelled by itself; labels that meet at the border between two strips are joined in a table (Rosenfeld and Pfaltz,
J. ACM 13, 1966). Strips and the pixels in them are counted from the top, and joined labels go by their smallest:
the order of the labels is that of each component's first pixel, however the raster is cut.

Nodata is no part of a mask, and the result is nodata there. It is no wall either: a hole that is open to the edge of
the raster through nodata is not filled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from weft.errors import RequestError
from weft.expressions.functions import Signature, Values

TRUE, FALSE, NODATA = 1, 0, -1
MAX_COMPONENTS = 1 << 24
"""Up to here float32 tells whole numbers apart."""

Truth = npt.NDArray[np.int8]


def truth(values: Values) -> Truth:
    """TRUE for any number but 0, FALSE for 0, NODATA for NaN; int8 of the same shape."""
    return np.where(np.isnan(values), NODATA, values != 0).astype(np.int8)


class Components:
    """The components of a mask that comes in strips of whole rows, from the top."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._count = 0
        self._parents: dict[int, int] = {}  # only labels that were joined to a smaller one
        self._outermost: set[int] = set()
        self._last: npt.NDArray[np.int32] | None = None

    def add(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Provisional labels, from 1 up and 0 outside of the mask, of the next strip (rows, width).

        Raises:
            RequestError: there are more than MAX_COMPONENTS components.
        """
        labels = np.empty(mask.shape, np.int32)
        found = ndimage.label(mask, output=labels)
        np.add(labels, self._count, out=labels, where=mask)
        self._count += found
        if self._last is None:
            self._outermost.update(np.unique(labels[0]).tolist())
        else:
            self._join(self._last, labels[0])
        self._outermost.update(np.unique(labels[:, [0, -1]]).tolist())
        self._last = labels[-1].copy()
        self._check(mergeable=mask.shape[1])
        return labels

    def numbers(self) -> npt.NDArray[np.float32]:
        """Provisional label to final number: components are counted from 1 in the order of their first pixels.

        Raises:
            RequestError: there are more than MAX_COMPONENTS components.
        """
        self._check(mergeable=0)
        first = np.ones(self._count + 1, np.bool_)
        first[0] = False
        first[list(self._parents)] = False
        numbers = np.cumsum(first, dtype=np.float32)
        for label in self._parents:
            numbers[label] = numbers[self._first(label)]
        return numbers

    def enclosed(self) -> npt.NDArray[np.bool_]:
        """Whether the component of each provisional label keeps off the edge of the raster; True for 0.

        Raises:
            RequestError: there are more than MAX_COMPONENTS components.
        """
        self._check(mergeable=0)
        enclosed = np.ones(self._count + 1, np.bool_)
        last = [] if self._last is None else np.unique(self._last).tolist()
        enclosed[[self._first(label) for label in self._outermost.union(last) - {0}]] = False
        for label in self._parents:
            enclosed[label] = enclosed[self._first(label)]
        return enclosed

    def _join(self, above: npt.NDArray[np.int32], below: npt.NDArray[np.int32]) -> None:
        meeting = (above > 0) & (below > 0)
        pairs = np.unique(np.stack([above[meeting], below[meeting]]), axis=1)
        for one, other in pairs.T.tolist():
            small, large = sorted((self._first(one), self._first(other)))
            if small != large:
                self._parents[large] = small

    def _first(self, label: int) -> int:
        while label in self._parents:
            parent = self._parents[label]
            self._parents[label] = self._parents.get(parent, parent)  # halves the path for the next one
            label = parent
        return label

    def _check(self, mergeable: int) -> None:
        if self._count - len(self._parents) - mergeable > MAX_COMPONENTS:
            raise RequestError(
                f"label and fill_holes work on at most {MAX_COMPONENTS} components, and this mask has more; "
                f"smooth what it is made of first, e.g. with median_filter"
            )


@dataclass(frozen=True, slots=True)
class Whole(Signature):
    """A function of one mask that needs the whole raster.

    Attributes:
        chosen: the pixels whose components matter, from the mask's truth.
        values: provisional label to result, once all components are known; index 0 is for pixels not chosen.
    """

    chosen: Callable[[Truth], npt.NDArray[np.bool_]]
    values: Callable[[Components], npt.NDArray[Any]]

    def __call__(self, mask: Values) -> Values:
        """Apply to a whole raster (height, width) of float64, NaN where there is no data."""
        components = Components()
        labels = self.labels(truth(mask), components)
        return self.table(components)[labels].astype(np.float64)

    def labels(self, strip: Truth, components: Components) -> npt.NDArray[np.int32]:
        """Provisional labels of the next strip (rows, width), NODATA where it is nodata; adds to ``components``."""
        labels = components.add(self.chosen(strip))
        labels[strip == NODATA] = NODATA
        return labels

    def table(self, components: Components) -> npt.NDArray[np.float32]:
        """What becomes of provisional labels, as ``table[labels]``: its last entry, that of NODATA, is NaN."""
        values = self.values(components)
        table = np.full(len(values) + 1, np.nan, np.float32)
        table[:NODATA] = values
        return table


WHOLES: MappingProxyType[str, Whole] = MappingProxyType(
    {
        function.name: function
        for function in (
            Whole("fill_holes", "(fill_holes mask)", 1, 1, lambda strip: strip != TRUE, Components.enclosed),
            Whole("label", "(label mask)", 1, 1, lambda strip: strip == TRUE, Components.numbers),
        )
    }
)
"""Name to function. ``label`` numbers the components of a mask from 1; ``fill_holes`` is the mask with everything added
that it encloses: 1 or 0."""
