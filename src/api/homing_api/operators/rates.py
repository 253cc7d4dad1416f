"""How many commands come and go per second, from one look to the next. Pure.

What is accepted is told by the stream's last sequence, whichever replica took it; what has ended by
the outcomes that each look counts since the one before. Averaged over some seconds, or the figures
could not be read.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

from homing.storage.sight import Status
from homing_api.operators.state import RatesShown

WINDOW = 10


class Rates:
    """The last looks."""

    def __init__(self) -> None:
        self._sequences: deque[tuple[datetime, int]] = deque(maxlen=WINDOW + 1)
        self._ended: deque[tuple[float, dict[Status, int]]] = deque(maxlen=WINDOW)
        self._looked_at: float | None = None

    def accepted(self, at: datetime, sequence: int) -> None:
        """The stream's last sequence at a time; the same time again tells nothing."""
        if not self._sequences or self._sequences[-1][0] != at:
            self._sequences.append((at, sequence))

    def accepted_unknown(self) -> None:
        """The stream cannot be asked; what comes meanwhile is no rate of the next moment."""
        self._sequences.clear()

    def ended(self, at: float, outcomes: dict[Status, int]) -> None:
        """How many outcomes there are since the look before; `at` is a monotonic time."""
        if self._looked_at is not None:
            self._ended.append((at - self._looked_at, outcomes))
        self._looked_at = at

    def shown(self) -> RatesShown:
        """The averages."""
        seconds = sum(spent for spent, _ in self._ended)

        def rate(status: Status) -> float | None:
            count = sum(outcomes.get(status, 0) for _, outcomes in self._ended)
            return round(count / seconds, 1) if seconds else None

        return RatesShown(self._accepted(), rate("succeeded"), rate("rejected"), rate("failed"))

    def _accepted(self) -> float | None:
        if len(self._sequences) < 2:
            return None
        (since, first), (until, last) = self._sequences[0], self._sequences[-1]
        # A stream that was made anew begins to count again.
        return round(max(0, last - first) / (until - since).total_seconds(), 1)
