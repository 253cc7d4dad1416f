"""How far a partition is applied."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Checkpoint(NamedTuple):
    """How far a partition is applied."""

    sequence: int
    at: datetime | None
    """The stream's time of that message; None before the first one."""

    def covers(self, sequence: int, stored_at: datetime) -> bool:
        """Whether a message of the partition is applied.

        By its time, too: a stream that was put back gives sequences out again, until it is adopted.
        """
        return sequence <= self.sequence and self.at is not None and stored_at <= self.at
