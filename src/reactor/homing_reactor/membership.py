"""Which partitions this reactor holds: renew the lease, claim a fair share, release the surplus.

Everything is in Postgres, where the effects are. A tick each second, or at once on a hint, compares
the tables with what runs here. This is for speed; the fence of each round is the safety.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from homing import telemetry
from homing.broker import Announcing, CommandSource
from homing.errors import HomingError, TopologyMismatch
from homing.log import get
from homing.outcome import now
from homing.storage import Claimed, Holding
from homing_reactor.held import Held, Surroundings
from homing_reactor.lease import Lease
from homing_reactor.peril import Peril
from homing_reactor.share import fair_share
from homing_reactor.suspicion import Suspicion

log = get(__name__)
TICK_SECONDS = 1.0
TICKS_OF_A_LEASE = 3
"""At least: one that comes late, or is not answered, costs nothing."""
CALM_SECONDS = 0.01
"""After each look: the first hint is followed at once, those that come meanwhile together."""
RETRY_SECONDS = 0.2
LEAVE_SECONDS = 5.0
Reannounce = Callable[[Sequence[int]], Awaitable[None]]


class Membership:
    """The partitions in hand, and the lease on them."""

    def __init__(
        self,
        instance: str,
        partitions: int,
        holding: Holding,
        announcer: Announcing,
        around: Surroundings,
        reannounce: Reannounce,
    ) -> None:
        self.instance = instance
        self._partitions = partitions
        self._holding = holding
        self._announcer = announcer
        self._around = around
        self._lease: Lease = around.lease
        self._stream: CommandSource = around.stream
        self._reannounce = reannounce
        self._held: dict[int, Held] = {}
        self._remembered: dict[int, Suspicion] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._disconnected_at: float | None = None
        self._pace = min(TICK_SECONDS, around.lease.seconds / TICKS_OF_A_LEASE)
        self._next_end = self._pace
        """Seconds until another's lease ends, if it is not renewed: then is the time to look."""

    def held(self) -> list[Held]:
        """The partitions in hand, in any state."""
        return list(self._held.values())

    def look(self) -> None:
        """Somebody joined, released or left."""
        self._wake.set()

    def reset_all(self, why: str) -> None:
        """Messages may have been missed on every partition."""
        for held in self._held.values():
            held.mark_unclean(why)

    async def run(self, stopping: asyncio.Event) -> None:
        """Tick until `stopping`, then leave."""
        stop = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            self._wake.clear()
            await self._try_tick()
            await asyncio.sleep(CALM_SECONDS)
            wake = asyncio.create_task(self._wake.wait())
            pace = min(self._pace * random.uniform(0.9, 1.0), self._next_end)  # noqa: S311
            await asyncio.wait((wake, stop), timeout=pace, return_when=asyncio.FIRST_COMPLETED)
            wake.cancel()
        stop.cancel()
        await self._leave()

    async def _try_tick(self) -> None:
        try:
            await self._tick()
        except TopologyMismatch:
            raise  # only a new process can go on
        except HomingError as error:
            self._lease.missed()
            log.warning("lease.not_renewed", why=str(error), left=round(self._lease.left, 2))
            await asyncio.sleep(RETRY_SECONDS)

    async def _tick(self) -> None:
        sent_at = time.monotonic()
        standing = await self._holding.renew()
        if not standing.same_stream:
            raise TopologyMismatch("another stream was adopted since this process began")
        self._lease.renewed(sent_at)
        others = [left for one, left in standing.live.items() if one != self.instance]
        self._next_end = min(others, default=self._pace) + CALM_SECONDS
        for held in self._held.values():
            if standing.held.get(held.partition) != held.epoch and not held.stopped:
                log.info("partition.lost", partition=held.partition, epoch=held.epoch)
                held.stop()
        if standing.joined:
            await self._announcer.members()
        share = (
            0
            if self._cut_off()
            else fair_share(self.instance, list(standing.live), self._partitions)
        )
        await self._balance(share, standing.held)
        if random.random() < 0.02:  # noqa: S311  # now and then, by whoever
            await self._holding.forget_dead()
        for held in self._held.values():
            await held.refill()
        self._around.kick()
        telemetry.PARTITIONS_HELD.set(len(self._held))

    def _cut_off(self) -> bool:
        """Without NATS for a lease, others should hold what we hold."""
        if self._stream.connected:
            self._disconnected_at = None
            return False
        self._disconnected_at = self._disconnected_at or time.monotonic()
        return time.monotonic() - self._disconnected_at > self._lease.seconds

    async def _balance(self, share: int, recorded: dict[int, int]) -> None:
        active = [held for held in self._held.values() if not held.stopped]
        # Recorded as ours, but not running here: claimed again below, or given back.
        orphans = [partition for partition in recorded if partition not in self._held]
        spare = max(0, share - len(active))
        if len(orphans) > spare:
            self._start(self._reannounce(orphans[spare:]))
            await self._give_back({p: recorded[p] for p in orphans[spare:]})
        if len(active) > share:
            surplus = sorted(active, key=lambda held: (held.busy, len(held.waiting)))
            given = surplus[: len(active) - share]
            for some in (
                [one for one in given if not one.busy],
                [one for one in given if one.busy],
            ):
                if some:  # those that are in a round hold up nobody else's
                    self._start(self._release(some))
        elif spare and self._stream.connected:
            await self._claim(spare)

    async def _claim(self, limit: int) -> None:
        claims = await self._holding.claim(
            list(self._held), limit, take_expired=self._lease.may_take_expired
        )
        for claim in claims:
            self._hold(claim)
        if claims:
            log.info("partitions.claimed", count=len(claims), held=len(self._held))
        # Who released has told everything before.
        if lost := [claim.partition for claim in claims if claim.previous]:
            self._start(self._reannounce(lost))

    def _hold(self, claim: Claimed) -> None:
        self._count(claim)
        peril = Peril(claim.deaths, claim.suspect, claim.suspect_deaths)
        held = Held(
            claim.partition, claim.epoch, claim.checkpoint, claim.checkpoint_at, self._around, peril
        )
        if held.deadly:
            log.warning("partition.perilous", partition=held.partition, **peril._asdict())
        remembered = self._remembered.pop(claim.partition, None)
        if remembered and remembered.until > claim.checkpoint:
            held.suspicion = remembered
        self._held[claim.partition] = held
        self._start(self._keep(held))

    def _count(self, claim: Claimed) -> None:
        if claim.previous and claim.previous != self.instance:
            telemetry.CLAIMS.labels("expired").inc()
            if claim.silent_seconds is not None:
                telemetry.FAILOVER_SECONDS.observe(claim.silent_seconds)
        else:
            telemetry.CLAIMS.labels("own" if claim.previous else "free").inc()

    async def _keep(self, held: Held) -> None:
        """Run a partition to its end; only then may it be claimed again by this process."""
        try:
            await held.run()
        finally:
            if held.suspicion.suspected:
                self._remembered[held.partition] = held.suspicion
            del self._held[held.partition]
            self._wake.set()

    async def _release(self, given: Sequence[Held]) -> None:
        """Together, as each hint makes every reactor look."""
        for held in given:
            held.stop()
        for held in given:
            await held.ended.wait()
        await self._give_back({held.partition: held.epoch for held in given})

    async def _give_back(self, epochs: dict[int, int]) -> None:
        try:
            await self._holding.release(epochs)
        except HomingError as error:
            # It stays recorded as ours; the next tick sees that it is not running.
            log.warning("partitions.not_released", why=str(error))
            return
        log.debug("partitions.released", count=len(epochs))
        await self._announcer.members()

    async def _leave(self) -> None:
        """Finish the rounds, release everything, take the lease back, tell the others."""
        started = now()
        epochs = {held.partition: held.epoch for held in self._held.values()}
        for held in self._held.values():
            held.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_SECONDS)
        try:
            if epochs:
                await self._holding.release(epochs)
            await self._holding.leave()
            await self._announcer.members()
            await self._announcer.flush(2)
        except HomingError as error:
            log.warning("reactor.left_without_release", why=str(error))
        spent = (now() - started).total_seconds()
        log.info("reactor.left", released=len(epochs), seconds=round(spent, 3))

    def _start(self, work: Coroutine[Any, Any, None] | Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("partition.task_failed", exc_info=error)
