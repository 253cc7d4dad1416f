"""How long this reactor may believe that it holds what it holds. Pure but for the clock.

The lease runs from the moment *before* the renewal was sent, so that the database always counts
longer than we do. It is for speed alone; the fence is what keeps a late reactor out.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Lease:
    """The local view of the lease."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._until = float("-inf")
        self._outage = False
        self._back_since: float | None = None

    @property
    def left(self) -> float:
        """Seconds that are left; not above 0 once it ran out."""
        return self._until - self._clock()

    def renewed(self, sent_at: float) -> None:
        """The renewal that was sent at `sent_at` was answered."""
        self._until = sent_at + self.seconds
        if self._outage:
            self._outage, self._back_since = False, sent_at

    def missed(self) -> None:
        """A renewal was not answered."""
        if self._until != float("-inf") and self.left <= 0:
            self._outage = True

    @property
    def may_take_expired(self) -> bool:
        """Whether others' expired partitions may be claimed.

        After our own outage the others have one lease to renew theirs, as they were probably cut
        off just like us. A fresh process does not wait.
        """
        return self._back_since is None or self._clock() - self._back_since >= self.seconds
