"""A smooth displacement field through tie points.

Belongs here: fitting an affine trend and a lattice of cubic B-splines with a penalty on roughness. Not here: evaluating
them (``weft.registration.displacement``) or choosing how smooth (``weft.registration.estimate``).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solveh_banded

from weft.registration import polynomial
from weft.registration.displacement import MAX_NODES, Displacement, spline_weights
from weft.registration.points import Floats, TiePoints

# A lattice cell should hold about this many points, so that the penalty and not the lattice decides on smoothness.
_POINTS_PER_CELL = 2.0
# Far from points a field falls back to its affine part, within about three nodes: sqrt(2) * 0.1 ** (-1/4).
_PULL = 0.1
_DECIMALS = 6


def fit(points: TiePoints, shape: tuple[int, int], smoothness: float) -> Displacement:
    """Fit by penalised least squares (P-splines: Eilers and Marx 1996, Statistical Science 11, 89-121).

    Minimised for dx and dy each: the sum of squared residuals plus ``smoothness`` times the sum of squared second
    differences of the lattice along both axes, and a small pull towards the affine trend.

    Args:
        points: at least 8, all of them used.
        shape: (height, width) of the reference grid, pixels.
        smoothness: weight of the penalty against one point's squared residual, > 0.

    Returns:
        a ``field`` whose nodes are rounded to a millionth of a pixel.
    """
    trend = polynomial.fit(points, shape, 1, model="affine")
    dx, dy = trend.at(points.x, points.y)
    rows, columns = _lattice(len(points), shape)
    basis = _basis(points, shape, rows, columns)
    penalty = smoothness * (
        sparse.kron(_roughness(rows), sparse.eye_array(columns))
        + sparse.kron(sparse.eye_array(rows), _roughness(columns))
        + _PULL * sparse.eye_array(rows * columns)
    )
    left = np.column_stack((points.dx - dx, points.dy - dy))
    solved = solveh_banded(_upper_bands(basis.T @ basis + penalty), basis.T @ left)
    # Adding zero turns a rounded -0.0 into 0.0.
    lattices = (solved.T.reshape(2, rows, columns).round(_DECIMALS) + 0.0).tolist()
    return Displacement(
        "field", shape, trend.coefficients, tuple(tuple(tuple(row) for row in lattice) for lattice in lattices)
    )


def _lattice(count: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of nodes: square cells where the limits allow."""
    edge = math.sqrt(shape[0] * shape[1] * _POINTS_PER_CELL / count)
    rows, columns = (min(max(round(side / edge), 1), MAX_NODES - 3) + 3 for side in shape)
    return rows, columns


def _basis(points: TiePoints, shape: tuple[int, int], rows: int, columns: int) -> sparse.csr_array:
    first_row, along_y = spline_weights(points.y, shape[0], rows)
    first_column, along_x = spline_weights(points.x, shape[1], columns)
    offsets = np.arange(4)
    nodes = (first_row[:, None] + offsets)[:, :, None] * columns + (first_column[:, None] + offsets)[:, None, :]
    values = along_y[:, :, None] * along_x[:, None, :]
    which = np.repeat(np.arange(len(points)), 16)
    return sparse.csr_array((values.ravel(), (which, nodes.ravel())), shape=(len(points), rows * columns))


def _roughness(nodes: int) -> sparse.csr_array:
    second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(nodes - 2, nodes))
    return sparse.csr_array(second.T @ second)


def _upper_bands(matrix: sparse.sparray) -> Floats:
    """A symmetric sparse matrix in the form that LAPACK's banded solver takes."""
    entries = sparse.triu(matrix).tocoo()
    above: NDArray[np.int32] = entries.col - entries.row
    width = int(above.max())
    bands = np.zeros((width + 1, matrix.shape[1]))
    bands[width - above, entries.col] = entries.data
    return bands
