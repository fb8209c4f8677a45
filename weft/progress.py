"""How far long work has come.

Belongs here: how it is counted, and telling it where lines stay. Not here: bars on a terminal (``pipelines.cli``).
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many parts are done and how many there are."""


def in_tenths(say: Callable[[str], None], title: str) -> Progress:
    """Says ``title: done of total`` whenever another tenth is done: ten lines at most, however many parts."""
    said = 0

    def tell(done: int, total: int) -> None:
        nonlocal said
        if total and done * 10 // total > said:
            said = done * 10 // total
            say(f"{title}: {done} of {total}")

    return tell
