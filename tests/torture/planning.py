"""What a run does, out of its seed: which commands, which faults, in which order. Pure.

The same seed gives the same plan. What comes of it differs from run to run, as real processes do:
a victim is named by a number between 0 and 1, and chosen among those that are there at that moment.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torture.history import Kind, Way

KINDS: tuple[str, ...] = (
    "kill", "freeze", "leave", "nats-kill", "join", "expire", "usurp", "cut-postgres",
    "postgres-stop", "cut-nats", "api-kill", "terminate", "api-leave", "api-freeze",
)  # fmt: skip
OFTEN, MORE = ("leave", "join"), 2
"""Come so many times more than others, as a limit is put on the median of leaves."""
SPEND_SHARE, POISON_SHARE, RACE_SHARE = 0.25, 0.001, 0.005
SINGLE_SHARE, WAIT_SHARE, EVENTS_SHARE = 0.02, 0.02, 0.01
RIVALS = 3
NAMES_EACH = 8
"""Races of the same rivals: a chain keeps its names for ever."""
OVERLAP_SHARE = 0.2


class Planned(NamedTuple):
    """A command to be sent."""

    key: int
    kind: Kind
    way: Way
    name: str = ""


class PlannedFault(NamedTuple):
    """A fault to come."""

    kind: str
    pause: float
    """Seconds before it: since the end of the one before, or its start if they shall overlap."""
    overlapping: bool
    victim: float
    seconds: float
    """0 to 1: how long it lasts, between what is short and what is long for its kind."""
    rough: bool
    """Of two ways to do it, the worse."""


class Commands:
    """Deals out commands: keys by Zipf's law, now and then a race of several for one name."""

    def __init__(self, seed: int, keys: int) -> None:
        self._dice = random.Random(f"commands {seed}")
        self._keys = keys
        self._weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(keys)))
        self._rank = list(range(keys))
        self._dice.shuffle(self._rank)
        self._races: dict[int, int] = {}
        self._owed: list[Planned] = []

    def next(self) -> Planned:
        """The next command."""
        if self._owed:
            return self._owed.pop()
        dice = self._dice
        key = self._rank[dice.choices(range(self._keys), cum_weights=self._weights)[0]]
        if dice.random() < RACE_SHARE and (owed := self._race(key // RIVALS)):
            self._owed = owed
            return self._owed.pop()
        return Planned(key, self._kind(), self._way())

    def _race(self, group: int) -> list[Planned]:
        number = self._races.get(group, 0)
        rivals = [group * RIVALS + index for index in range(RIVALS)]
        if number == NAMES_EACH or rivals[-1] >= self._keys:
            return []
        self._races[group] = number + 1
        self._dice.shuffle(rivals)
        return [Planned(key, "take", self._way(), f"n-{group}-{number}") for key in rivals]

    def _kind(self) -> Kind:
        number = self._dice.random()
        if number < POISON_SHARE:
            return "explode" if number < POISON_SHARE / 2 else "overflow"
        return "spend" if number < POISON_SHARE + SPEND_SHARE else "link"

    def _way(self) -> Way:
        number = self._dice.random()
        if number < WAIT_SHARE:
            return "wait"
        if number < WAIT_SHARE + EVENTS_SHARE:
            return "events"
        return "single" if number < WAIT_SHARE + EVENTS_SHARE + SINGLE_SHARE else "batch"


def faults(seed: int, kinds: Sequence[str], pace: float) -> Iterator[PlannedFault]:
    """For ever, in rounds of all kinds; in the first one every kind comes once."""
    dice = random.Random(f"faults {seed}")
    first = True
    while True:
        deck = list(kinds)
        if not first:
            deck += [kind for kind in kinds if kind in OFTEN] * MORE
            dice.shuffle(deck)
        for kind in deck:
            overlapping = not first and dice.random() < OVERLAP_SHARE
            share = dice.uniform(0.02, 0.3) if overlapping else dice.uniform(1.02, 1.3)
            yield PlannedFault(
                kind, pace * (0.3 if first else share), overlapping, dice.random(), dice.random(),
                dice.random() < 0.5,
            )  # fmt: skip
            first = False
