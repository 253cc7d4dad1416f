"""What a partition is suspected of after a failed round, and how that narrows its next rounds.

Pure. A failed round of g partitions is halved: each may next join a round of at most g/2; a lone
partition's next batch has half its commands; a single command has its tries. Past the last sequence
of the failed round the partition is normal again.
"""

from __future__ import annotations

from dataclasses import dataclass

from homing_reactor.failure import TRIES

UNLIMITED = 1_000_000
PAUSE_FIRST_SECONDS, PAUSE_MAX_SECONDS = 0.04, 1.0


@dataclass
class Suspicion:
    """How wide and how long the next round of a partition may be."""

    width: int = UNLIMITED
    """Partitions in its round."""
    length: int = UNLIMITED
    """Commands in its batch."""
    until: int = 0
    """The last sequence that is suspected."""
    accused: int = 0
    """The sequence of the command that stands alone."""
    tries: int = 0
    """Failed attempts that count against it."""
    attempts: int = 0
    """All failed attempts of it."""
    not_before: float = 0.0
    """Monotonic; when the next attempt is due."""
    reason: str = ""

    @property
    def suspected(self) -> bool:
        """Whether it may not join any round."""
        return self.width < UNLIMITED

    @property
    def condemned(self) -> bool:
        """Whether the command that stands alone has used up its tries."""
        return self.tries >= TRIES

    def failed(
        self,
        partitions: int,
        last_sequence: int,
        commands: int,
        now: float,
        *,
        counts: bool = True,
        jitter: float = 1.0,
    ) -> None:
        """A round of so many partitions failed, with so many commands of this one in it.

        `counts`: against the command, once it stands alone. `jitter` scales the pause before its
        next attempt, so that two reactors which conflict do not meet again.
        """
        self.until = max(self.until, last_sequence)
        if partitions > 1:
            self.width = max(1, min(self.width, partitions) // 2)
            return
        self.width = 1
        self.length = max(1, commands // 2)
        if commands == 1:
            if self.accused != last_sequence:  # another reactor may have applied the one before
                self.accused, self.tries, self.attempts = last_sequence, 0, 0
            self.tries += counts
            self.not_before = now + jitter * self._pause()

    def late(
        self, last_sequence: int, commands: int, now: float, *, counts: bool, jitter: float = 1.0
    ) -> None:
        """A round took too long: each attempt is dear, so that its commands go on one by one."""
        self.failed(1, last_sequence, commands, now, counts=counts, jitter=jitter)
        self.length = 1

    def applied(self, checkpoint: int) -> None:
        """The partition went on."""
        self.tries, self.attempts, self.not_before = 0, 0, 0.0
        if checkpoint >= self.until:
            self.width = self.length = UNLIMITED
            self.reason = ""

    def _pause(self) -> float:
        self.attempts += 1
        return min(PAUSE_MAX_SECONDS, PAUSE_FIRST_SECONDS * 2.0 ** min(self.attempts - 1, 10))
