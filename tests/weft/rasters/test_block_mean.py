from __future__ import annotations

import numpy as np

from weft.rasters.block_mean import block_mean


def test_blocks_are_averaged_without_gaps():
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(block_mean(values, 2, 3), [[4, 7], [16, 19]])
    values[0, :3] = np.nan
    np.testing.assert_array_equal(block_mean(values, 2, 3), [[7, 7], [16, 19]])
    values[1, 0] = np.nan
    np.testing.assert_array_equal(block_mean(values, 2, 3), [[np.nan, 7], [16, 19]])


def test_incomplete_blocks_at_the_edge_need_half_of_a_complete_one():
    values = np.ones((5, 7), np.float32)
    np.testing.assert_array_equal(block_mean(values, 2, 4), [[1, 1], [1, 1], [1, np.nan]])
    values[4, 3] = np.nan
    assert np.isnan(block_mean(values, 2, 4)[2, 0])
