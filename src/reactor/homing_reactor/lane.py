"""A lane: form a round, apply it, announce, acknowledge; again. One connection, one at a time.

The merged lane applies what holds nobody up, over all partitions at once. Lanes aside take one
partition at a time: what is suspected, slow, or may end the process.

After the commit nothing may be relied on: announcing and acknowledging only make things faster. A
crash here is made good by the next holder, which announces again, and by the sweep of every API.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import NamedTuple

from homing import telemetry
from homing.broker import Announcing
from homing.errors import HomingError
from homing.identity import trace_id
from homing.log import get
from homing.outcome import now
from homing.storage import DeadLetterRow, HolderRecords
from homing_reactor.applying import Applied, Applier
from homing_reactor.blaming import Failure, blame
from homing_reactor.failure import TookTooLong, Verdict, judge, waited_for_a_lock
from homing_reactor.forming import Batch, Formed, Thinking, form_aside, form_merged
from homing_reactor.gate import Gate
from homing_reactor.held import Held
from homing_reactor.intake import Fault
from homing_reactor.lease import Lease
from homing_reactor.pace import Costs, Pace
from homing_reactor.peril import DEATHS_MAX
from homing_reactor.spans import RoundSpans, of_round, parent_of

log = get(__name__)
PAUSE_FIRST_SECONDS, PAUSE_MAX_SECONDS = 0.05, 1.0


class Shared(NamedTuple):
    """What the lanes of a process share."""

    held: Callable[[], Collection[Held]]
    kick: Callable[[], None]
    """Every lane looks again: what one cannot apply may be another's."""
    announcer: Announcing
    records: HolderRecords
    lease: Lease
    costs: Costs
    gate: Gate
    open_seconds_max: float
    """How long Postgres lets a transaction of theirs stand still."""


class Lane:
    """Applies one round after the other."""

    def __init__(self, applier: Applier, shared: Shared, pace: Pace, *, aside: bool) -> None:
        self._applier = applier
        self._shared = shared
        self._pace = pace
        self._aside = aside
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
            if self._shared.lease.left <= 0:
                await self._wait(0.05)
                continue
            formed = self._form(turn)
            if formed.batches:
                await self._round(formed.batches)
            else:
                await self._wait(formed.wait_seconds)

    def _form(self, turn: int) -> Formed[Held]:
        held, now = list(self._shared.held()), time.monotonic()
        slow = self._shared.costs.slow
        if self._aside:
            thinking = Thinking(self._shared.open_seconds_max / 3, self._shared.costs.of)
            return form_aside(held, self._pace.caps, now, slow, thinking)
        return form_merged(held, self._pace.caps, turn, now, slow)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _round(self, batches: Sequence[Batch[Held]]) -> None:
        try:
            async with self._place(batches):
                await self._apply(batches)
        finally:
            for batch in batches:
                await batch.held.round_over()
            self._shared.kick()

    def _place(self, batches: Sequence[Batch[Held]]) -> AbstractAsyncContextManager[None]:
        deadly = any(batch.held.deadly for batch in batches)
        return self._shared.gate.alone() if deadly else self._shared.gate.together()

    async def _apply(self, batches: Sequence[Batch[Held]]) -> None:
        started = time.monotonic()
        with of_round(batches, aside=self._aside) as spans:
            try:
                applied = await self._applier.apply(batches, await self._condemned(batches))
                self._pause = 0.0
                self._committed(batches, applied, time.monotonic() - started)
                spans.committed(applied)
                await self._tell(batches, applied, spans)
            except Exception as error:
                # Nothing of the round may be lost to an error of any kind; `judge` knows them all.
                spans.failed(error)
                await self._failed(batches, error)

    async def _condemned(self, batches: Sequence[Batch[Held]]) -> Fault | None:
        """Why the only command of this round has to fail, if it has used up its tries.

        One that may end the process is recorded before it runs, so that its death can be blamed.
        """
        held, tasks = batches[0]
        if len(batches) > 1 or len(tasks) > 1:
            return None
        if held.suspicion.condemned:
            return Fault("not-applicable", held.suspicion.reason)
        sequence = tasks[0].delivery.sequence
        if held.deadly:
            if held.peril.condemns(sequence):
                why = f"{DEATHS_MAX} reactors ended, one after another, while they applied it"
                return Fault("reactor-died", why)
            await self._shared.records.suspect(held.partition, held.epoch, sequence)
        return None

    def _committed(self, batches: Sequence[Batch[Held]], applied: Applied, seconds: float) -> None:
        for held, tasks in batches:
            if held.partition in applied.ours:
                held.applied(tasks[-1])
            else:
                log.info("partition.fenced", partition=held.partition, epoch=held.epoch)
                telemetry.FENCED.inc()
                held.stop()
        self._pace.committed(seconds)
        self._shared.costs.note(applied.plan.seconds)
        self._count(batches, applied, seconds)
        by_sequence = {task.delivery.sequence: task for _, tasks in batches for task in tasks}
        for letter in applied.plan.dead_letters:
            log.warning(
                "command.dead_letter", reason=_kind(letter), command_id=letter.command_id,
                trace_id=trace_id(parent_of(by_sequence[letter.sequence])),
                partition=letter.partition, sequence=letter.sequence,
            )  # fmt: skip

    def _count(self, batches: Sequence[Batch[Held]], applied: Applied, seconds: float) -> None:
        telemetry.observe(telemetry.ROUND_SECONDS, seconds, "aside" if self._aside else "merged")
        telemetry.ROUND_COMMANDS.observe(sum(len(tasks) for _, tasks in batches))
        began = now() - timedelta(seconds=seconds)
        queue = telemetry.STEP_SECONDS.labels("queue")
        for held, tasks in batches:
            for task in tasks if held.partition in applied.ours else ():
                waited = max(0.0, (began - task.delivery.published_at).total_seconds())
                queue.observe(waited, telemetry.exemplar_of(task.traceparent))
        telemetry.REPEATS.labels("round").inc(applied.plan.repeats)
        for counted in applied.plan.types:
            telemetry.APPLIED.labels(*counted).inc()
        known = {command_type for command_type, _ in applied.plan.types}
        for command_type in known & applied.plan.seconds.keys():
            spent = applied.plan.seconds[command_type]
            telemetry.DECIDE_SECONDS.labels(command_type).observe(spent)
        for letter in applied.plan.dead_letters:
            telemetry.DEAD_LETTERS.labels(_kind(letter)).inc()

    async def _tell(
        self, batches: Sequence[Batch[Held]], applied: Applied, spans: RoundSpans
    ) -> None:
        started = time.monotonic()
        await self._shared.announcer.outcomes(spans.announcements(applied.plan))
        for held, tasks in batches:
            if held.partition in applied.ours and held.open_after_round:
                await self._shared.announcer.applied(tasks[-1].delivery.reply)
        telemetry.observe(telemetry.STEP_SECONDS, time.monotonic() - started, "announce")

    async def _failed(self, batches: Sequence[Batch[Held]], error: Exception) -> None:
        failure = await self._judged(batches, error)
        commands = sum(len(tasks) for _, tasks in batches)
        telemetry.ROUNDS_FAILED.labels(failure.verdict.name.lower()).inc()
        log.warning(
            "round.failed", verdict=failure.verdict.name.lower(),
            why=error.brief if isinstance(error, HomingError) else type(error).__name__,
            partitions=len(batches), commands=commands, aside=self._aside, **_about(batches),
            exc_info=failure.verdict is Verdict.BLAME and commands == 1,
        )  # fmt: skip
        blame(batches, failure)
        if failure.verdict in (Verdict.RETRY, Verdict.DOUBT, Verdict.STUCK):
            await self._back_off()
        else:
            self._pace.failed(commands)

    async def _judged(self, batches: Sequence[Batch[Held]], error: Exception) -> Failure:
        verdict = judge(error, self._shared.open_seconds_max)
        counts = len(batches) == 1 and len(batches[0].tasks) == 1 and verdict is not Verdict.ISOLATE
        if verdict is Verdict.LATE and not isinstance(error, TookTooLong):
            # Is it this round that is slow, or all of Postgres?
            answers = await self._shared.records.answers()
            counts = counts and answers and self._aside and not waited_for_a_lock(error)
            verdict = verdict if answers else Verdict.RETRY
        jitter = random.uniform(0.5, 1)  # noqa: S311  # no secret
        return Failure(error, verdict, counts, time.monotonic(), jitter)

    async def _back_off(self) -> None:
        self._pause = min(PAUSE_MAX_SECONDS, max(PAUSE_FIRST_SECONDS, self._pause * 2))
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311  # jitter


def _kind(letter: DeadLetterRow) -> str:
    """Of its reason, what is bounded, and holds nothing of the command."""
    return letter.reason.partition(":")[0]


def _about(batches: Sequence[Batch[Held]]) -> dict[str, object]:
    """The command of a round that has only one, for the log."""
    held, tasks = batches[0]
    envelope = tasks[0].envelope
    if len(batches) > 1 or len(tasks) > 1 or envelope is None:
        return {}
    return {
        "command_id": envelope.id,
        "trace_id": trace_id(envelope.traceparent),
        "partition": held.partition,
    }
