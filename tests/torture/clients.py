"""The clients: they send, wait in all three ways, and write down what happens to them.

A key has one command under way at a time: its next is sent after the answer to the one before.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Coroutine, Sequence
from typing import Any, Literal

import msgspec

from torture import answers
from torture.answers import Answer, Outcome
from torture.history import Accepted, By, Log, Read, Refused, Repeated, Sent
from torture.listening import Ear
from torture.planning import Commands, Planned
from torture.reaching import Reaching, Unreachable
from torture.republishing import Republisher
from torture.sending import Owner, Sender
from torture.wire import telling

TICK_SECONDS = 0.025
UNDER_WAY_MAX = 1500
"""Commands that were sent and not answered; above it none is begun."""
CREDIT_SECONDS = 10.0
"""Of commands that could not be begun: sent later, faster."""
DRAWS = 20
READ_SHARE = 0.01
PUBLISHED_SHARE = 0.5
"""Of repeats."""
TOLD_BETWEEN = (0.2, 3.0)
"""Seconds after the duplicate window in which a repeat is sent."""


class Clients:
    """All owners, and their books as far as a client has to keep any."""

    def __init__(
        self,
        reaching: Reaching,
        republisher: Republisher,
        log: Log,
        owners: Sequence[Owner],
        commands: Commands,
        seed: int,
    ) -> None:
        self._reaching = reaching
        self._republisher = republisher
        self._sender = Sender(reaching, log, seed)
        self._log = log
        self._commands = commands
        self._dice = random.Random(f"clients {seed}")
        self.owners = owners
        self.ears = [
            Ear(reaching, log, owner.number, owner.headers, self._heard) for owner in owners
        ]
        self.told: set[str] = set()
        self.accepted: dict[str, tuple[Sent, answers.Accepted | None]] = {}
        """By id, with where the status can be asked for."""
        self.repeat_share = 0.0
        self.window = 1.0
        self._numbers: dict[int, int] = defaultdict(int)
        self._queues: dict[int, deque[Planned]] = defaultdict(deque)
        self._under_way: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._giving_up = False
        self._broken: BaseException | None = None

    @property
    def untold(self) -> list[str]:
        """Ids that were promised and not told."""
        return [one for one in self.accepted if one not in self.told]

    @property
    def sending(self) -> int:
        """Commands that were sent and not answered."""
        return len(self._under_way)

    async def send(self, rate: float, seconds: float) -> None:
        """Send at this pace for so long; returns when nothing new is begun any more."""
        clock = asyncio.get_running_loop().time
        began = last = clock()
        credit, turn = 0.0, 0
        while (now := clock()) < began + seconds:
            credit = min(credit + (now - last) * rate, rate * CREDIT_SECONDS)
            last = now
            while credit >= 1 and len(self._under_way) < UNDER_WAY_MAX:
                if not self._draw():
                    break
                credit -= 1
            turn += 1
            self._flush(self.owners[turn % len(self.owners)])
            self._whole()
            await asyncio.sleep(TICK_SECONDS)

    async def settle(self, seconds: float) -> None:
        """Wait until everything is answered and told, or nothing has moved for so long."""
        loop = asyncio.get_running_loop()
        moved, before = loop.time(), None
        while self.sending or self._tasks or self.untold:
            for owner in self.owners:
                self._flush(owner)
            self._whole()
            state = (len(self.told), len(self.accepted), len(self._tasks))
            if state != before:
                moved, before = loop.time(), state
            if loop.time() - moved > seconds:
                break
            await asyncio.sleep(0.1)
        self._giving_up = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _flush(self, owner: Owner) -> None:
        if owner.due:
            due, owner.due = owner.due, []
            self._start(self._sender.batch(owner, due, self._answered))

    def _whole(self) -> None:
        """Raises what broke in one of our own tasks: the history of such a run is worth nothing."""
        if self._broken is not None:
            raise self._broken

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._broken = error

    def _draw(self) -> bool:
        """Begin a command on a key that is free; a race's waits for its key."""
        for _ in range(DRAWS):
            planned = self._commands.next()
            if planned.key not in self._under_way:
                self._begin(planned)
                return True
            if planned.kind == "take":
                self._queues[planned.key].append(planned)
                return True
        return False

    def _begin(self, planned: Planned) -> None:
        self._under_way.add(planned.key)
        self._numbers[planned.key] += 1
        owner = self.owners[planned.key % len(self.owners)]
        sent = Sent(
            t=self._log.now, owner=owner.number, key=f"k-{planned.key}",
            number=self._numbers[planned.key], kind=planned.kind, way=planned.way,
            name=planned.name,
        )  # fmt: skip
        if planned.way == "batch":
            owner.due.append(sent)
        else:
            self._log.write(sent)
            self._start(self._single(owner, sent))

    def _free(self, sent: Sent) -> None:
        key = int(sent.key[2:])
        self._under_way.discard(key)
        if self._queues[key] and not self._giving_up:
            self._begin(self._queues[key].popleft())

    async def _single(self, owner: Owner, sent: Sent) -> None:
        answer, tries = await self._sender.submit(owner, sent)
        self._answered(owner, sent, answer, tries)
        if sent.way == "events" and answer.accepted is not None:
            ear = self.ears[owner.number]
            await ear.listen_to(answer.accepted.command_id)

    def _answered(self, owner: Owner, sent: Sent, answer: Answer, tries: int) -> None:
        now = self._log.now
        known = answer.accepted or answer.outcome
        if known is None:
            self._refused(sent, answer)
        else:
            self._log.write(
                Accepted(
                    t=now, key=sent.key, number=sent.number, id=known.command_id,
                    partition=known.position.partition, tries=tries,
                )
            )  # fmt: skip
            self.accepted[known.command_id] = (sent, answer.accepted)
            if answer.outcome is not None:
                self._tell(owner.number, "answer", answer.outcome)
            if self._dice.random() < self.repeat_share:
                self._start(self._repeat(owner, sent, known.position.sequence))
        self._free(sent)

    async def _repeat(self, owner: Owner, sent: Sent, sequence: int) -> None:
        """Send it once more, when the stream has forgotten its id; or have it published."""
        await asyncio.sleep(self.window + self._dice.uniform(*TOLD_BETWEEN))
        if self._dice.random() < PUBLISHED_SHARE:
            self._repeated(sent, await self._republisher.again(sequence), "publisher")
        else:
            await self._submit_again(owner, sent)

    async def _submit_again(self, owner: Owner, sent: Sent) -> None:
        answer, _ = await self._sender.submit(owner, msgspec.structs.replace(sent, way="single"))
        known = answer.accepted or answer.outcome
        if known is None:
            self._refused(sent, answer)
            return
        self._repeated(sent, known.command_id, "client")
        if answer.outcome is not None:
            self._tell(owner.number, "repeat", answer.outcome)

    def _repeated(self, sent: Sent, command_id: str, by: Literal["client", "publisher"]) -> None:
        now = self._log.now
        self._log.write(Repeated(t=now, key=sent.key, number=sent.number, id=command_id, by=by))

    def _refused(self, sent: Sent, answer: Answer) -> None:
        now = self._log.now
        self._log.write(Refused(t=now, key=sent.key, number=sent.number, answer=answer.said))

    def _heard(self, owner: int, by: By, outcome: Outcome) -> None:
        self._tell(owner, by, outcome)
        if by == "stream" and outcome.status == "succeeded" and self._dice.random() < READ_SHARE:
            self._start(self._read(outcome))

    def _tell(self, owner: int, by: By, outcome: Outcome) -> None:
        self._log.write(telling(self._log.now, owner, by, outcome))
        self.told.add(outcome.command_id)

    async def _read(self, outcome: Outcome) -> None:
        """Whoever was told can read it."""
        try:
            status, said = await self._reaching.get(f"/api/chains/{outcome.key}", {})
        except Unreachable:
            return
        if status in (200, 404):
            seen = answers.count.decode(said).count if status == 200 else 0
            told = answers.count.decode(outcome.data).count
            self._log.write(
                Read(t=self._log.now, key=outcome.key, told_count=told, seen_count=seen)
            )


async def new_owners(reaching: Reaching, count: int) -> list[Owner]:
    """Sessions of their own."""
    return [Owner(number, await reaching.cookie()) for number in range(count)]
