"""The ids of late, in sets: half of the memory of what would keep their order as well."""

from __future__ import annotations


class Remembered:
    """At least the last so many ids, and at most twice as many."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._young: set[str] = set()
        self._old: set[str] = set()

    def __contains__(self, one: str) -> bool:
        return one in self._young or one in self._old

    def add(self, one: str) -> None:
        """From now on; the older half is forgotten at once when the younger is full."""
        self._young.add(one)
        if len(self._young) >= self._least:
            self._old, self._young = self._young, set()
