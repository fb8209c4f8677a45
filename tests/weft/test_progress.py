from __future__ import annotations

import pytest

from weft.progress import in_tenths


@pytest.mark.parametrize(("total", "lines"), [(0, 0), (1, 1), (7, 7), (10, 10), (25, 10), (1000, 10)])
def test_every_tenth_is_told_once(total: int, lines: int) -> None:
    said: list[str] = []
    tell = in_tenths(said.append, "R051_31UES")
    for done in range(total + 1):
        tell(done, total)
    assert len(said) == lines
    assert not total or said[-1] == f"R051_31UES: {total} of {total}"
