"""Whether a run kept what is promised of time and memory. Pure.

Of stalls only those of faults that stand alone are judged, as others cannot be told apart; and of
the rest of the time what is far from any fault. So a short run with many faults says nothing of it,
and the report says how much was judged. Nobody but the run may use the machine.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator

from torture.checking import Violation
from torture.measuring import Felt, Late, Measured, Slope

AFTER_THE_LEASE_SECONDS = 1.0
LEAVE_WORST_SECONDS, LEAVE_MEDIAN_SECONDS = 1.0, 0.1
LEAST_LEAVES = 3
"""For their median to mean something."""
MIB_A_MINUTE = 1.0
LEAST_MINUTES = 7.5
"""Of a life, without its first two: a backlog fills the buffers once, and takes some MiB."""


def judged(measured: Measured) -> str:
    """What there was to be judged; of nothing else a green run says anything."""
    kinds = Counter(one.fault.kind for one in _alone(measured))
    median = "and" if kinds["leave"] >= LEAST_LEAVES else "without"
    lives = ", ".join(one.process for one in measured.slopes if one.minutes >= LEAST_MINUTES)
    leaves = f"{kinds['leave']} leaves {median} their median"
    return f"{kinds['kill']} crashes, {leaves}, memory of {lives or 'none'}"


def _alone(measured: Measured) -> list[Felt]:
    return [one for one in measured.faults if one.in_flight and not one.overlapping]


def beyond(measured: Measured, lease: float) -> list[Violation]:
    """Whatever took longer or grew more than promised."""
    alone = _alone(measured)
    return [
        *_crashes(alone, lease), *_leaves(alone), *_memory(measured.slopes), *_late(measured.late),
    ]  # fmt: skip


def _crashes(alone: list[Felt], lease: float) -> Iterator[Violation]:
    for one in alone:
        if one.fault.kind == "kill":
            yield from _worst(one, lease + AFTER_THE_LEASE_SECONDS)


def _leaves(alone: list[Felt]) -> Iterator[Violation]:
    leaves = [one for one in alone if one.fault.kind == "leave"]
    for one in leaves:
        yield from _worst(one, LEAVE_WORST_SECONDS)
    median = statistics.median([one.own for one in leaves] or [0.0])
    if len(leaves) >= LEAST_LEAVES and median > LEAVE_MEDIAN_SECONDS:
        what = f"{median:.3f} s at the median of {len(leaves)} leaves, and not within"
        yield Violation("stalled", f"{what} {LEAVE_MEDIAN_SECONDS} s")


def _worst(one: Felt, limit: float) -> Iterator[Violation]:
    """With the tries of poison, whose share is no matter here."""
    if one.stall > limit:
        fault = one.fault
        what = f"{one.stall:.2f} s after the {fault.kind} of {fault.whom}, and not within"
        yield Violation("stalled", f"{what} {limit:g} s", fault.t)


def _memory(slopes: list[Slope]) -> Iterator[Violation]:
    for one in slopes:
        if one.minutes >= LEAST_MINUTES and one.mib_a_minute > MIB_A_MINUTE:
            what = f"{one.process} by {one.mib_a_minute:.2f} MiB/min, and not within"
            yield Violation("growing", f"{what} {MIB_A_MINUTE:g}")


def _late(late: list[Late]) -> Iterator[Violation]:
    if late:
        worst = max(late, key=lambda one: one.seconds)
        what = f"{len(late):,} with no fault near, the worst by {worst.seconds:.2f} s"
        yield Violation("late", what, worst.accepted)
