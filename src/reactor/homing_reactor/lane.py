"""A lane: form a round, apply it, announce, acknowledge; again. One connection, one at a time.

After the commit nothing may be relied on: announcing and acknowledging only make things faster. A
crash here is made good by the next holder, which announces again, and by the sweep of every API.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence

from homing import telemetry
from homing.broker import Announcing
from homing.ledger import ClaimsUnforeseen
from homing.log import get
from homing_reactor.applying import Applied, Applier
from homing_reactor.failure import Verdict, judge
from homing_reactor.forming import Batch, Caps, form
from homing_reactor.held import Held
from homing_reactor.lease import Lease

log = get(__name__)
PAUSE_FIRST_SECONDS, PAUSE_MAX_SECONDS = 0.05, 1.0


class Lane:
    """The merged lane: rounds over all partitions that have something to apply."""

    def __init__(
        self,
        applier: Applier,
        announcer: Announcing,
        lease: Lease,
        caps: Caps,
        held: Callable[[], Collection[Held]],
    ) -> None:
        self._applier = applier
        self._announcer = announcer
        self._lease = lease
        self._caps = caps
        self._held = held
        self._wake = asyncio.Event()
        self._pause = 0.0

    def kick(self) -> None:
        """Something waits."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Apply rounds until `stopping`; the round in hand is finished."""
        turn = 0
        while not stopping.is_set():
            self._wake.clear()
            turn += 1
            if self._lease.left <= 0:
                await self._wait(0.05)
                continue
            formed = form(list(self._held()), self._caps, turn, time.monotonic())
            if formed.batches:
                await self._round(formed.batches)
            else:
                await self._wait(formed.wait_seconds)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _round(self, batches: Sequence[Batch[Held]]) -> None:
        started = time.monotonic()
        try:
            applied = await self._applier.apply(batches, _condemned(batches))
            self._pause = 0.0
            self._committed(batches, applied, started)
            await self._tell(batches, applied)
        except Exception as error:
            # Nothing of the round may be lost to an error of any kind; `judge` knows them all.
            await self._failed(batches, error)
        finally:
            for batch in batches:
                await batch.held.round_over()

    def _committed(self, batches: Sequence[Batch[Held]], applied: Applied, started: float) -> None:
        for held, tasks in batches:
            if held.partition in applied.ours:
                held.applied(tasks[-1])
            else:
                log.info("partition.fenced", partition=held.partition, epoch=held.epoch)
                telemetry.FENCED.inc()
                held.stop()
        telemetry.ROUND_SECONDS.observe(time.monotonic() - started)
        telemetry.ROUND_COMMANDS.observe(sum(len(tasks) for _, tasks in batches))
        telemetry.REPEATS.inc(applied.plan.repeats)
        for command_type, status in applied.plan.types:
            telemetry.APPLIED.labels(command_type, status).inc()
        for letter in applied.plan.dead_letters:
            log.warning(
                "command.dead_letter", reason=letter.reason, command_id=letter.command_id,
                partition=letter.partition, sequence=letter.sequence,
            )  # fmt: skip

    async def _tell(self, batches: Sequence[Batch[Held]], applied: Applied) -> None:
        await self._announcer.outcomes(applied.plan.announcements())
        for held, tasks in batches:
            if held.partition in applied.ours and held.open_after_round:
                await self._announcer.applied(tasks[-1].delivery.reply)

    async def _failed(self, batches: Sequence[Batch[Held]], error: Exception) -> None:
        verdict = judge(error)
        telemetry.ROUNDS_FAILED.labels(verdict.name.lower()).inc()
        log.warning(
            "round.failed", verdict=verdict.name.lower(), why=str(error), partitions=len(batches),
            commands=sum(len(tasks) for _, tasks in batches),
            exc_info=verdict is Verdict.BLAME and len(batches) == 1,
        )  # fmt: skip
        now = time.monotonic()
        for held, tasks in batches:
            if verdict in (Verdict.BLAME, Verdict.STUCK) or _alone(error, held.partition):
                group = len(batches) if verdict is Verdict.BLAME else 1
                last = tasks[-1].delivery.sequence
                held.suspicion.failed(group, last, len(tasks), now)
                held.suspicion.reason = str(error)
            if verdict in (Verdict.DOUBT, Verdict.STUCK):
                held.stop()
            held.put_back(tasks)
        if verdict not in (Verdict.BLAME, Verdict.ALONE):
            await self._back_off()

    async def _back_off(self) -> None:
        self._pause = min(PAUSE_MAX_SECONDS, max(PAUSE_FIRST_SECONDS, self._pause * 2))
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311  # jitter


def _alone(error: Exception, partition: int) -> bool:
    """Whether this partition alone has to go on by itself."""
    return isinstance(error, ClaimsUnforeseen) and partition in error.partitions


def _condemned(batches: Sequence[Batch[Held]]) -> str | None:
    """Why the only command of this round has to fail, if it has used up its tries."""
    held, tasks = batches[0]
    if len(batches) == 1 and len(tasks) == 1 and held.suspicion.condemned:
        return held.suspicion.reason
    return None
