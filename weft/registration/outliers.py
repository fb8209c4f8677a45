"""Which tie points to believe.

Belongs here: the local and the global consistency tests. Not here: matching, or the models that are chosen between
(``weft.registration.estimate``). Nothing is drawn at random and every loop is bounded, so that the same points always
give the same answer, soon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from weft.registration.displacement import powers
from weft.registration.points import Floats, Mask, TiePoints

_NEIGHBOURS = 16
_FEWEST = 4
# Two true neighbours differ by their noise, about a pixel each in radar images, and by what the displacement changes
# between them: up to two in a hundred pixels, a rotation by more than a degree.
_NEAR, _SLOPE, _WIDEST = 2.0, 0.02, 6.0
# Six in ten points may be wrong: of 16 neighbours of a true one, three are true in 98 of 100 cases even then.
_SUPPORT = 3 / 16
_TUKEY, _ROUNDS = 4.685, 10
_DEVIATIONS = 3.5
_FLOOR = 0.1
# Median length of a two-dimensional normal error in units of its standard deviation along an axis.
_RAYLEIGH = 1.1774


def reject(points: TiePoints, shape: tuple[int, int]) -> Mask:
    """Find the points that agree with their surroundings and with the whole.

    Three tests, each among those that passed the one before: at least 3 of the 16 nearest points show a similar
    displacement; a robust cubic trend (iteratively reweighted, Tukey's biweight) is not missed by far; a
    robust plane through the 16 nearest points is met within 3.5 standard deviations.

    Args:
        points: tie points; those with ``inlier`` false stay out.
        shape: (height, width) of the reference grid, pixels.

    Returns:
        bool, one for each point.
    """
    kept = points.inlier.copy()
    for test in (_is_like_its_neighbours, _follows_the_trend, _lies_on_its_plane, _lies_on_its_plane):
        if np.count_nonzero(kept) <= _FEWEST:
            break
        chosen = points.select(kept)
        places = np.column_stack((chosen.x, chosen.y))
        moves = np.column_stack((chosen.dx, chosen.dy))
        kept[kept] = test(places, moves, shape)
    return kept


def _is_like_its_neighbours(places: Floats, moves: Floats, shape: tuple[int, int]) -> Mask:
    distance, near = _nearest(places)
    difference = np.linalg.norm(moves[near] - moves[:, None], axis=-1)
    alike = difference <= np.minimum(_NEAR + _SLOPE * distance, _WIDEST)
    return np.asarray(alike.sum(axis=1) >= max(2, round(_SUPPORT * near.shape[1])))


def _follows_the_trend(places: Floats, moves: Floats, shape: tuple[int, int]) -> Mask:
    left = moves - np.median(moves, axis=0)
    for terms in (3, 6, 10):
        if len(places) < 4 * terms:
            break
        columns = powers(places[:, 0], places[:, 1], shape, terms)
        for _ in range(_ROUNDS):
            weights = np.sqrt(_biweight(np.linalg.norm(left, axis=1)))[:, None]
            left = moves - columns @ np.linalg.lstsq(columns * weights, moves * weights, rcond=None)[0]
    length = np.linalg.norm(left, axis=1)
    return np.asarray(length <= max(_TUKEY * _deviation(length), _NEAR))


def _lies_on_its_plane(places: Floats, moves: Floats, shape: tuple[int, int]) -> Mask:
    distance, near = _nearest(places)
    offset = (places[near] - places[:, None]) / np.maximum(distance[:, -1], 1.0)[:, None, None]
    columns = np.concatenate((np.ones((*near.shape, 1)), offset), axis=-1)
    weights = np.ones(near.shape)
    # Neighbours on one line define no plane: a trace of ridge makes theirs the flattest.
    ridge = 1e-3 * np.diag([0.0, 1.0, 1.0])
    for _ in range(3):
        weighted = columns * weights[..., None]
        inverse = np.linalg.inv(np.swapaxes(weighted, 1, 2) @ columns + ridge)
        plane = inverse @ (np.swapaxes(weighted, 1, 2) @ moves[near])
        left = np.linalg.norm(moves[near] - columns @ plane, axis=-1)
        weights = _biweight(left) + 1e-3
    # The plane is less certain where neighbours lie on one side, as they do at the border.
    length = np.linalg.norm(moves - plane[:, 0], axis=1) / np.sqrt(1 + inverse[:, 0, 0])
    return np.asarray(length <= max(_DEVIATIONS * _deviation(length), _FLOOR))


def _nearest(places: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Distances to and positions of the nearest other points, nearest first."""
    count = min(_NEIGHBOURS, len(places) - 1)
    distance, near = cKDTree(places).query(places, k=count + 1)
    # Each point finds itself first, unless another lies at the same place.
    own = near == np.arange(len(places))[:, None]
    own[~own.any(axis=1), -1] = True
    return distance[~own].reshape(-1, count), near[~own].reshape(-1, count)


def _deviation(lengths: Floats) -> float:
    return float(np.median(lengths)) / _RAYLEIGH


def _biweight(lengths: Floats) -> Floats:
    limit = _TUKEY * max(_deviation(lengths), _FLOOR / _TUKEY)
    return np.asarray(np.where(lengths < limit, (1 - (lengths / limit) ** 2) ** 2, 0.0))
