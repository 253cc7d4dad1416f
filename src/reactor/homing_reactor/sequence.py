"""Whether a delivery is the next one. Pure.

A consumer that another reactor also pulled from, or that its server restarted, may leave a gap or
go back. Acking all would then lose what was skipped, so that anything unexpected asks for a reset
of the consumer to the checkpoint.
"""

from __future__ import annotations

from typing import Literal

Judgement = Literal["take", "drop", "reset"]


class Sequence:
    """What one partition expects next, since its last reset."""

    def __init__(self, checkpoint: int) -> None:
        self._expected = 1
        self._last = checkpoint

    def judge(self, sequence: int, consumer_sequence: int, attempt: int) -> Judgement:
        """Judge a delivery by its stream sequence, consumer sequence and attempt."""
        if consumer_sequence == self._expected and sequence <= self._last:
            # Gapless since the reset, so it is committed or in hand: no reason to start over.
            self._expected += 1
            return "drop"
        if consumer_sequence != self._expected or attempt != 1 or sequence <= self._last:
            return "reset"
        self._expected += 1
        self._last = sequence
        return "take"
