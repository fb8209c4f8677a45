"""Bringing images of one place onto each other: tie points, displacement, one resampling.

Belongs here: the public names of the package. Not here: any code. Two images lie on one grid (the reference grid);
x = column and y = row in pixels, integers are centres of pixels. A tie point at (x, y) with (dx, dy) says: what the
reference shows at (x, y), the secondary shows at (x + dx, y + dy).
"""

from weft.registration.displacement import Displacement
from weft.registration.estimate import estimate
from weft.registration.points import TiePoints
from weft.registration.resampling import resample
from weft.registration.tie_points import tie_points

__all__ = ["Displacement", "TiePoints", "estimate", "resample", "tie_points"]
