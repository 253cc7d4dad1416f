"""Waits for outcomes, counted: how each ended, and which outcomes were told after it.

A wait is a held response, or the stream of one command with a timeout. It ends once: in time, when
its time is up, when its client left, or when this process would not go on with it. Outcomes of
those whose time was up are late, and are looked for whenever one is told.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from homing import telemetry
from homing.outcome import Outcome, Stored, now

LATE_MAX = 50_000
LEFT, TIMED_OUT, DRAINED = "left", "timed-out", "drained"


class Heard(NamedTuple):
    """An outcome, and when (monotonic) this process got it."""

    stored: Stored
    at: float


def heard_now(stored: Stored) -> Heard:
    """It was heard at this moment."""
    return Heard(stored, time.monotonic())


class Wait:
    """One wait."""

    def __init__(
        self, late: OrderedDict[str, None], over: str, command_id: str, *, counts: bool
    ) -> None:
        self._late = late
        self._over = over
        self._command_id = command_id
        self._ended = not counts
        if counts:
            telemetry.WAITS_HELD.inc()

    def end(self, cause: str) -> None:
        """By an outcome's status, or one of the causes above; only the first counts."""
        if self._ended:
            return
        self._ended = True
        telemetry.WAITS_HELD.dec()
        telemetry.WAITS_ENDED.labels(self._over, cause).inc()
        if cause == TIMED_OUT:
            self._late[self._command_id] = None
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)


class Waits:
    """All waits of this process, and what is told to whom."""

    def __init__(self) -> None:
        self._late: OrderedDict[str, None] = OrderedDict()
        """Commands whose wait was over before their outcome came, oldest first."""

    @contextmanager
    def open(self, over: str, command_id: str, *, counts: bool = True) -> Iterator[Wait]:
        """A wait over a `response` or a `stream`; whoever leaves the block before its end, left."""
        wait = Wait(self._late, over, command_id, counts=counts)
        try:
            yield wait
        finally:
            wait.end(LEFT)

    def told(self, over: str, outcome: Outcome, heard_at: float | None = None) -> None:
        """An outcome is being written; `heard_at` if that was waited for, and not just read."""
        telemetry.EVENTS_SENT.labels(over).inc()
        self.seen(outcome.command_id)
        if heard_at is not None:
            exemplar = telemetry.exemplar_of(outcome.traceparent or "")
            spent = time.monotonic() - heard_at
            telemetry.STEP_SECONDS.labels("write").observe(spent, exemplar)
            spent = (now() - outcome.timeline.accepted_at).total_seconds()
            telemetry.LOOP_SECONDS.labels(over).observe(max(0.0, spent), exemplar)

    def seen(self, command_id: str) -> None:
        """A client knows the outcome from now on, however it asked."""
        if self._late.pop(command_id, self) is None:
            telemetry.TOLD_LATE.inc()
