"""What is remembered of late: never less than was asked for, and never more than twice that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homing_api.remembering import Remembered


@given(st.integers(1, 20), st.lists(st.integers(0, 50).map(str), max_size=200))
def test_the_last_ones_are_remembered_and_the_old_ones_are_not(least: int, ids: list[str]) -> None:
    """Repeats count as one."""
    remembered = Remembered(least)
    for one in ids:
        remembered.add(one)
    latest = list(dict.fromkeys(reversed(ids)))
    assert all(one in remembered for one in latest[:least])
    assert sum(one in remembered for one in latest) <= 2 * least
