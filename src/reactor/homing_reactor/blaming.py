"""What a failed round means for its partitions: suspected, forgotten, or just put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from homing.ledger import ClaimsUnforeseen
from homing_reactor.failure import Verdict
from homing_reactor.forming import Batch
from homing_reactor.held import Held


class Failure(NamedTuple):
    """A round that was not committed, judged."""

    error: Exception
    verdict: Verdict
    counts: bool
    """Whether it counts against a command that stood alone in it."""
    at: float
    """Monotonic."""
    jitter: float


def blame(batches: Sequence[Batch[Held]], failure: Failure) -> None:
    """Narrow what the partitions may do next, and give them their tasks back."""
    for held, tasks in batches:
        _suspect(held, tasks[-1].delivery.sequence, len(tasks), len(batches), failure)
        if failure.verdict in (Verdict.DOUBT, Verdict.STUCK):
            held.stop()
        held.put_back(tasks)


def _suspect(held: Held, last: int, commands: int, partitions: int, failure: Failure) -> None:
    error, verdict, counts, now, jitter = failure
    suspicion = held.suspicion
    if verdict in (Verdict.BLAME, Verdict.ISOLATE):
        suspicion.failed(partitions, last, commands, now, counts=counts, jitter=jitter)
    elif verdict in (Verdict.LATE, Verdict.STUCK):
        suspicion.late(last, commands, now, counts=counts, jitter=jitter)
    elif isinstance(error, ClaimsUnforeseen) and held.partition in error.partitions:
        suspicion.failed(1, last, commands, now, counts=False)
    else:
        return
    suspicion.reason = str(error)
