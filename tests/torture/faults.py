"""What is done to the system, by plan: each fault is performed, undone, and written down."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from torture.history import ENDED, Down, Fault, Log
from torture.planning import PlannedFault
from torture.proxy import Cut
from torture.stage import Member, Stage

LEAST = 2
EXTRA = 2
"""Reactors beyond those that were asked for, that may join."""
PATIENCE_SECONDS = 3.0
"""For which a fault waits until it can be done."""
LAST_SECONDS = 1.0
"""Before the end of sending no fault begins any more."""
EXPIRE = """
UPDATE homing.reactors SET seen_at = now() - interval '1 minute' WHERE instance LIKE $1
"""
HELD = "SELECT FROM homing.partitions WHERE holder LIKE $1"
NAP_SECONDS = (0.3, 0.7)
WAKE_SECONDS = 0.2
ROBBED_SECONDS = 1.5
"""Less than any lease and than Postgres lets a transaction idle."""
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = 'homing_reactor' AND random() < 0.6
"""
Say = Callable[[Fault], None]


class Skipped(Exception):
    """It cannot be done at this moment."""


class Tormentor:
    """Performs a plan."""

    def __init__(
        self,
        stage: Stage,
        log: Log,
        plan: Sequence[PlannedFault],
        say: Say,
        spare: Sequence[Member],
    ) -> None:
        """`spare` are never ended, so that their memory can be watched."""
        self._stage = stage
        self._log = log
        self._plan = plan
        self._say = say
        self._spare = set(spare)
        self._away: set[str] = set()
        self._kinds: dict[str, Callable[[PlannedFault], Awaitable[tuple[str, str]]]] = {
            "kill": self._kill, "leave": self._leave, "join": self._join, "freeze": self._freeze,
            "expire": self._expire, "usurp": self._usurp, "terminate": self._terminate,
            "nats-kill": self._nats,
            "postgres-stop": self._postgres, "cut-nats": self._cut, "cut-postgres": self._cut,
            "api-kill": self._api_kill, "api-leave": self._api_leave, "api-freeze": self._freeze,
        }  # fmt: skip

    async def run(self, seconds: float) -> None:
        """Do one fault after another for so long; at the end everything is as it was."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds - LAST_SECONDS
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for planned in self._plan:
                if tasks and not planned.overlapping:
                    await asyncio.wait(tasks)
                if loop.time() + planned.pause > deadline:
                    break
                await asyncio.sleep(planned.pause)
                tasks = [task for task in tasks if not task.done()]
                tasks.append(group.create_task(self._perform(planned)))

    async def watch(self) -> None:
        """Start again what ended by itself, and write it down; until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            for member in self._stage.members:
                if member.ended and not member.ending and not member.busy:
                    now = self._log.now
                    code = member.program.exit_code
                    self._note(Fault(t=now, until=now, kind=ENDED, whom=member.name,
                                     note=f"exit code {code}"))  # fmt: skip
                    await member.start()

    async def _perform(self, planned: PlannedFault) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + PATIENCE_SECONDS
        while True:
            started = self._log.now
            try:
                whom, note = await self._kinds[planned.kind](planned)
                break
            except Skipped:
                if loop.time() > patience:
                    return
            await asyncio.sleep(0.1)
        self._note(Fault(t=started, until=self._log.now, kind=planned.kind, whom=whom, note=note))

    def _note(self, fault: Fault) -> None:
        self._log.write(fault)
        self._say(fault)

    def _choose(self, planned: PlannedFault, members: Sequence[Member], *, end: bool) -> Member:
        """A victim, busy from now on. Raises `Skipped` if nobody whole would be left."""
        whole = [one for one in members if not (one.busy or one.ended)]
        victims = [one for one in whole if not (end and one in self._spare)]
        if len(whole) < 2 or not victims:
            raise Skipped
        victim = victims[int(planned.victim * len(victims))]
        victim.busy = True
        return victim

    async def _kill(self, planned: PlannedFault) -> tuple[str, str]:
        """A crash, after which somebody starts another, as a supervisor does."""
        victim = self._choose(planned, self._stage.reactors, end=True)
        await self._stage.remove(victim, signal.SIGKILL)
        if len(self._stage.reactors) >= self._stage.options.reactors:
            return victim.name, ""
        await asyncio.sleep(between(0.1, 4.0, planned))
        new = await self._stage.add_reactor()
        return victim.name, f"replaced by {new.name}"

    async def _leave(self, planned: PlannedFault) -> tuple[str, str]:
        """Going alone: the start of another would be felt as well. Joins make up for it."""
        if len(self._stage.reactors) <= LEAST:
            raise Skipped
        victim = self._choose(planned, self._stage.reactors, end=True)
        await self._stage.remove(victim, signal.SIGTERM)
        return victim.name, ""

    async def _join(self, _planned: PlannedFault) -> tuple[str, str]:
        if len(self._stage.reactors) >= self._stage.options.reactors + EXTRA:
            raise Skipped
        return (await self._stage.add_reactor()).name, ""

    async def _freeze(self, planned: PlannedFault) -> tuple[str, str]:
        api = planned.kind == "api-freeze"
        victim = self._choose(planned, self._stage.apis if api else self._stage.reactors, end=False)
        lease = self._stage.options.lease
        seconds = between(0.5, 3.0, planned) if api else between(0.5 * lease, lease + 3.0, planned)
        victim.program.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            victim.program.send(signal.SIGCONT)
            victim.busy = False
        return victim.name, f"{seconds:.1f} s"

    async def _expire(self, planned: PlannedFault) -> tuple[str, str]:
        """The database believes that a lease ran out, and the reactor believes that it did not.

        As after a jump of the database's clock: others take what it holds while it goes on. The
        rough way lets it sleep until they have, so that it wakes in the middle of its work.
        """
        victim = self._choose(planned, self._stage.reactors, end=False)
        instance = f"%-{victim.pid}-%"
        try:
            if planned.rough:
                victim.program.send(signal.SIGSTOP)
            await self._sql(EXPIRE, instance)
            if planned.rough:
                await self._until_robbed(instance)
        finally:
            victim.program.send(signal.SIGCONT)
            victim.busy = False
        return victim.name, "frozen until robbed" if planned.rough else ""

    async def _usurp(self, planned: PlannedFault) -> tuple[str, str]:
        """As before, while a round that it believes in is held up on the way, to arrive too late.

        It sleeps first, so that much is waiting when it wakes: the round is a large one.
        """
        victim = self._choose(planned, self._stage.reactors, end=False)
        proxy = victim.proxies["postgres"]
        instance = f"%-{victim.pid}-%"
        try:
            victim.program.send(signal.SIGSTOP)
            await asyncio.sleep(between(*NAP_SECONDS, planned))
            await proxy.cut("mute")
            victim.program.send(signal.SIGCONT)
            await asyncio.sleep(WAKE_SECONDS)
            await self._sql(EXPIRE, instance)
            await self._until_robbed(instance)
            await asyncio.sleep(WAKE_SECONDS)
        finally:
            victim.program.send(signal.SIGCONT)
            await proxy.heal()
            victim.busy = False
        return victim.name, ""

    async def _until_robbed(self, instance: str) -> None:
        """Of half at least: rows that its open transaction has locked stay its own."""
        with contextlib.suppress(TimeoutError, Skipped):
            async with asyncio.timeout(ROBBED_SECONDS):
                held = before = await self._held_by(instance)
                while held > before // 2:
                    await asyncio.sleep(0.05)
                    held = await self._held_by(instance)

    async def _held_by(self, instance: str) -> int:
        return int((await self._sql(HELD, instance)).rsplit(" ", 1)[-1])

    async def _sql(self, statement: str, *arguments: object) -> str:
        """What it did. Raises `Skipped` if Postgres is down by another fault."""
        try:
            return await self._stage.sql(statement, *arguments)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Skipped from error

    async def _terminate(self, _planned: PlannedFault) -> tuple[str, str]:
        done = await self._sql(TERMINATE)
        return "reactors", f"{done.rsplit(' ', 1)[-1]} connections"

    async def _cut(self, planned: PlannedFault) -> tuple[str, str]:
        victim = self._choose(planned, self._stage.reactors, end=False)
        lease = self._stage.options.lease
        how: Cut = "refuse" if planned.rough else "mute"
        seconds = between(0.5, lease + 3.0, planned)
        proxy = victim.proxies[planned.kind.removeprefix("cut-")]
        await proxy.cut(how)
        try:
            await asyncio.sleep(seconds)
        finally:
            await proxy.heal()
            victim.busy = False
        return victim.name, f"{seconds:.1f} s, {how}"

    async def _nats(self, planned: PlannedFault) -> tuple[str, str]:
        server = self._stage.nats
        return await self._down("NATS", server.kill, server.start, between(0.1, 1.5, planned))

    async def _postgres(self, planned: PlannedFault) -> tuple[str, str]:
        server = self._stage.postgres
        return await self._down("Postgres", server.kill, server.start, between(0.1, 3.0, planned))

    async def _down(
        self,
        name: str,
        kill: Callable[[], Awaitable[None]],
        start: Callable[[], Awaitable[None]],
        seconds: float,
    ) -> tuple[str, str]:
        if name in self._away:
            raise Skipped
        self._away.add(name)
        down = self._log.now
        await kill()
        await asyncio.sleep(seconds)
        await start()
        up = self._log.now
        self._away.discard(name)
        self._log.write(Down(t=down, until=up, server=name))
        return name, f"{up - down:.1f} s"

    async def _api_kill(self, planned: PlannedFault) -> tuple[str, str]:
        return await self._restart(planned, signal.SIGKILL)

    async def _api_leave(self, planned: PlannedFault) -> tuple[str, str]:
        return await self._restart(planned, signal.SIGTERM)

    async def _restart(self, planned: PlannedFault, signum: signal.Signals) -> tuple[str, str]:
        victim = self._choose(planned, self._stage.apis, end=True)
        try:
            await victim.end(signum)
            await asyncio.sleep(between(0.1, 2.0, planned))
            await victim.start()
        finally:
            victim.busy = False
        return victim.name, ""


def between(least: float, most: float, planned: PlannedFault) -> float:
    """Seconds, as the plan says."""
    return least + (most - least) * planned.seconds
