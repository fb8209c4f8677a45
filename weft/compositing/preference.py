"""Fields change from bare to green and back within a season: which of the two states a composite is to show.

Belongs here: leaving out the observations of the other state. Not here: choosing among those that are left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from weft.composite_settings import Preference

_VEGETATION, _BARE = 4, 5


def preferred(
    valid: npt.NDArray[np.bool_], classes: npt.NDArray[np.uint8], preference: Preference
) -> npt.NDArray[np.bool_]:
    """Validity without the state that is not preferred, at pixels that were seen in both.

    Args:
        valid: bool (time, y, x).
        classes: Sentinel-2 scene classes, uint8 (time, y, x); anything where nothing is valid.
        preference: ``vegetation`` leaves out bare observations, ``soil`` vegetated ones, ``standard`` none.

    Returns:
        bool (time, y, x); never empty at a pixel where ``valid`` is not.
    """
    if preference == "standard":
        return valid
    kept, left_out = (_VEGETATION, _BARE) if preference == "vegetation" else (_BARE, _VEGETATION)
    seen = ((classes == kept) & valid).any(axis=0)
    chosen: npt.NDArray[np.bool_] = valid & ~((classes == left_out) & seen)
    return chosen
