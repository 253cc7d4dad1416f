"""One partition as this process holds it: what waits, what is expected, what went wrong.

A partition is in at most one round; its reset, its release and its end wait for that round. Its own
task does the resets. In any doubt it is forgotten, and claimed again under a new epoch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from homing import telemetry
from homing.broker import CommandSource, Delivery
from homing.errors import WAY_ON, BrokerUnavailable
from homing.log import get
from homing_reactor.intake import Intake, Task, Waiting, about
from homing_reactor.lease import Lease
from homing_reactor.peril import SAFE, Peril
from homing_reactor.sequence import Sequence
from homing_reactor.suspicion import Suspicion

log = get(__name__)
RECHECK_SECONDS = 5.0


class Surroundings(NamedTuple):
    """What all partitions of a process share."""

    stream: CommandSource
    intake: Intake
    lease: Lease
    kick: Callable[[], None]
    """Something waits to be applied."""


class Held:
    """A partition in hand."""

    def __init__(
        self,
        partition: int,
        epoch: int,
        checkpoint: int,
        checkpoint_at: datetime | None,
        around: Surroundings,
        peril: Peril = SAFE,
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.checkpoint = checkpoint
        self.suspicion = Suspicion()
        self.peril = peril
        self.served_at = 0.0
        self.waiting: deque[Waiting] = deque()
        self.stopped = False
        self._checkpoint_at = checkpoint_at
        self._around = around
        self._pull = around.stream.pull(partition, self._on_delivery)
        self._sequence = Sequence(checkpoint)
        self._unclean: str | None = "claimed"
        self._idle = asyncio.Event()
        self._idle.set()
        self._changed = asyncio.Event()
        self._bytes = 0
        self._said = 0
        self.ended = asyncio.Event()
        """Nothing of it is in flight any more."""

    @property
    def busy(self) -> bool:
        """Whether it is in a round."""
        return not self._idle.is_set()

    @property
    def deadly(self) -> bool:
        """Whether its next command may end the process."""
        return self.peril.deadly

    @property
    def open(self) -> bool:
        """Whether it may join a round."""
        return not (self.stopped or self.busy or self._unclean)

    async def run(self) -> None:
        """Reset when needed, until stopped; returns once nothing of it is in flight."""
        try:
            while not self.stopped:
                self._changed.clear()
                if self._unclean and not self.busy:
                    await self._reset(self._unclean)
                else:
                    await self._changed.wait()
        finally:
            self.stopped = True
            await self._idle.wait()
            await self._pull.close()
            self.ended.set()

    def stop(self) -> None:
        """Let go of it after its round."""
        self.stopped = True
        self._changed.set()

    def mark_unclean(self, why: str) -> None:
        """Ask for a reset; what comes until then is not looked at. `why` labels a metric."""
        self._unclean = self._unclean or why
        self._changed.set()

    def take(self, count: int) -> list[Task]:
        """Hand out the next `count` tasks for a round."""
        self._idle.clear()
        return [self._next() for _ in range(count)]

    def put_back(self, tasks: list[Task]) -> None:
        """They were not applied; unless a reset or another holder brings them anyway."""
        if not self.open_after_round:
            return
        for task in reversed(tasks):
            self.waiting.appendleft(Waiting(task, 0.0))
            self._bytes += len(task.delivery.body)

    @property
    def open_after_round(self) -> bool:
        """Whether its tasks are still its own once the round is over."""
        return not (self.stopped or self._unclean)

    def applied(self, last: Task) -> None:
        """Everything up to `last` is committed."""
        self.checkpoint = last.delivery.sequence
        self._checkpoint_at = last.delivery.published_at
        self.suspicion.applied(self.checkpoint)
        self.peril = SAFE

    async def round_over(self) -> None:
        """It is free again."""
        self._say_what_waits()
        self._idle.set()
        self._changed.set()
        await self.refill()

    async def refill(self) -> None:
        """Ask for more, if there is room."""
        if self.open_after_round:
            await self._pull.request(len(self.waiting), self._bytes, self._around.lease.left)

    async def same_stream(self) -> bool:
        """Whether the message of the checkpoint is in the stream, with the same time."""
        checkpoint, at = self.checkpoint, self._checkpoint_at  # a commit may move them meanwhile
        if checkpoint == 0:
            return True
        message = await self._around.stream.read_message(checkpoint)
        return message is not None and message["time"] == at

    def _next(self) -> Task:
        task = self.waiting.popleft().task
        self._bytes -= len(task.delivery.body)
        return task

    async def _on_delivery(self, delivery: Delivery | None) -> None:
        if delivery is not None and self.open_after_round:
            judgement = self._sequence.judge(
                delivery.sequence, delivery.consumer_sequence, delivery.attempt
            )
            if judgement == "reset":
                self.mark_unclean("out-of-order")
            elif judgement == "take":
                await self._take(delivery)
        await self.refill()

    async def _take(self, delivery: Delivery) -> None:
        try:
            self._add(delivery)
        except Exception:
            # A mistake of ours. It counts as taken, and what comes next would pass it over.
            log.exception("delivery.broken", partition=self.partition, sequence=delivery.sequence)
            await asyncio.sleep(RECHECK_SECONDS)
            self.mark_unclean("out-of-order")

    def _add(self, delivery: Delivery) -> None:
        task = self._around.intake.read(self.partition, delivery)
        due = time.monotonic() + task.wait_seconds if task.wait_seconds else 0.0
        self.waiting.append(Waiting(task, due))
        self._bytes += len(delivery.body)
        self._say_what_waits()
        self._around.kick()

    def _say_what_waits(self) -> None:
        """Say, once for each, what the partition stands still for: a newer reactor."""
        if not self.waiting:
            return
        task, due = self.waiting[0]
        left = due - time.monotonic()
        if task.fault is not None and left > 0 and task.delivery.sequence != self._said:
            self._said = task.delivery.sequence
            log.warning(
                "command.waiting", partition=self.partition, seconds=round(left), **about(task)
            )

    async def _reset(self, why: str) -> None:
        try:
            if not await self.same_stream():
                log.error(
                    "stream.mismatch", partition=self.partition, checkpoint=self.checkpoint,
                    why="the stream does not have the message of the checkpoint; it was restored, "
                    "rolled back or made anew, and commands would be skipped silently. "
                    f"To go on with it, {WAY_ON}",
                )  # fmt: skip
                await asyncio.sleep(RECHECK_SECONDS)
                return
            self.waiting.clear()
            self._bytes = 0
            self._sequence = Sequence(self.checkpoint)
            await self._pull.close()
            self._unclean = None  # deliveries may come before the answer of the reset
            await self._pull.reset(self.checkpoint)
            telemetry.RESETS.labels(why).inc()
            log.debug("partition.reset", partition=self.partition, epoch=self.epoch, why=why)
            await self.refill()
        except BrokerUnavailable as error:
            self._unclean = why
            log.debug("partition.reset_failed", partition=self.partition, why=str(error))
            await asyncio.sleep(0.1)
