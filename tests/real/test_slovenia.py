"""68 dates of Slovenia with their published maximum NDVI and count of valid observations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from weft.compositing import max_ndvi, percentiles


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "slovenia-s2-l1c-eopatch"


def read(folder: Path, name: str) -> NDArray[np.generic]:
    with rasterio.open(folder / f"{name}.tif") as dataset:
        return dataset.read()


def test_max_ndvi_is_the_published_one_exactly(folder: Path) -> None:
    ndvi, published = read(folder, "NDVI_68dates"), read(folder, "MAX_NDVI")[0]
    assert ndvi.shape == (68, 101, 100)
    # The file has the index, not its bands. Over a red of 1 a near infrared of n has the index (n - 1) / (n + 1), which
    # rises with n: the choice is the same, and every n is the stored number.
    stack = np.stack([ndvi, np.ones_like(ndvi)], axis=1)
    index = max_ndvi(stack, np.ones(ndvi.shape, bool), ["nir", "red"])
    np.testing.assert_array_equal(np.take_along_axis(ndvi, index[None].astype(np.intp), axis=0)[0], published)
    assert len(np.unique(index)) > 10
    top, count = percentiles(ndvi, np.ones(ndvi.shape, bool), [100])
    np.testing.assert_array_equal(top[0], published)
    assert (count == 68).all()


def test_valid_count_is_the_published_one_exactly(folder: Path) -> None:
    published, valid = read(folder, "VALID_COUNT")[0], read(folder, "IS_VALID_68dates") == 1
    result, count = percentiles(read(folder, "NDVI_68dates"), valid, [50])
    np.testing.assert_array_equal(count, published)
    assert (count.min(), count.max()) == (37, 44)
    assert not np.isnan(result).any()


def test_max_ndvi_of_the_scenes_is_the_one_of_their_index(folder: Path) -> None:
    """From the bands of the five whole scenes: the chosen date's index is the largest but for its last digits."""
    files = sorted((folder / "scenes").glob("*_13bands.tif"))
    pairs = []
    for file in files:
        with rasterio.open(file) as dataset:
            pairs.append(dataset.read([dataset.descriptions.index(label) + 1 for label in ("B08", "B04")]))
    stack = np.stack(pairs)
    index = max_ndvi(stack, np.ones((len(files), *stack.shape[2:]), bool), ["nir", "red"])
    with rasterio.open(folder / "NDVI_68dates.tif") as dataset:
        stamps = [name.replace("-", "").replace(":", "") for name in dataset.descriptions]
        ndvi = dataset.read([stamps.index(file.name.split("_")[2]) + 1 for file in files])
    chosen = np.take_along_axis(ndvi, index[None].astype(np.intp), axis=0)[0]
    assert np.abs(chosen - ndvi.max(axis=0)).max() <= 2.2e-7
    assert (chosen == ndvi.max(axis=0)).mean() > 0.999
