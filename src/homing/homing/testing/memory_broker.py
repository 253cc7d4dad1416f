"""A broker in memory, for tests of the processes: what the contract suite proves, and no more.

It does what NATS does between connected processes. What it has not: a connection that can be lost,
requests that expire (a pull that was asked once takes until its credit is used up), limits on what
is unacknowledged. Messages are delivered when something happens, not by timers:
`pass_time` is such a thing. This module needs the servers' extra, as its values are the real ones'.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from homing.broker import (
    Announcing,
    BacklogReading,
    Beyond,
    CommandSource,
    Deliver,
    Delivery,
    Kept,
    Publishing,
    Pulling,
    Receipt,
    Tail,
)
from homing.broker.pulling import BATCH, BATCH_BYTES
from homing.broker.topology import MESSAGE_MAX_BYTES
from homing.envelope import CONTENT_TYPE
from homing.errors import BrokerUnavailable, StreamFull, TooLarge
from homing.outcome import CommandId, OwnerToken, now
from homing.partition import COMMANDS

LEASE_MIN_SECONDS = 0.15
Received = Callable[[OwnerToken, str, bytes], None]


class Message(NamedTuple):
    """A stored command."""

    sequence: int
    partition: int
    subject: str
    headers: dict[str, str]
    body: bytes
    at: datetime

    @property
    def size(self) -> int:
        """What counts against the limits."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.subject) + headers + len(self.body)


class MemoryBroker(Publishing, CommandSource, BacklogReading, Announcing):
    """The stream of commands, its consumers, and what is announced."""

    def __init__(
        self,
        partitions: int,
        *,
        max_bytes: int = 1 << 30,
        duplicate_window_seconds: float = 300.0,
        ack_wait_seconds: float = 10.0,
    ) -> None:
        self.max_bytes = max_bytes
        self.ack_wait = timedelta(seconds=ack_wait_seconds)
        self.messages: dict[int, Message] = {}
        """By sequence, in their order."""
        self.last = 0
        """The last sequence that was given out."""
        self._window = timedelta(seconds=duplicate_window_seconds)
        self._ids: dict[str, Message] = {}
        self._bytes = 0
        self._consumers = {number: Consumer(self, number) for number in range(partitions)}
        self._outcomes: list[Received] = []
        self._members: list[Callable[[], None]] = []
        self._passed = timedelta()

    @property
    def clock(self) -> datetime:
        """The broker's own time."""
        return now() + self._passed

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass for the broker alone."""
        self._passed += timedelta(seconds=seconds)
        for consumer in self._consumers.values():
            consumer.kick()

    async def publish(
        self, command_id: CommandId, subject: str, body: bytes, traceparent: str
    ) -> Receipt:
        """Store a command."""
        number = subject.removeprefix(f"{COMMANDS}.").split(".")[0]
        consumer = self._consumers.get(int(number)) if number.isdecimal() else None
        if consumer is None:
            raise BrokerUnavailable("no acknowledgement in time")
        headers = {
            "Nats-Msg-Id": command_id, "content-type": CONTENT_TYPE, "traceparent": traceparent,
        }  # fmt: skip
        message = Message(self.last + 1, consumer.partition, subject, headers, body, self.clock)
        if message.size > MESSAGE_MAX_BYTES:
            raise TooLarge("message size exceeds maximum allowed")
        known = self._ids.get(command_id)
        if known is not None and message.at - known.at < self._window:
            return Receipt(known.sequence, duplicate=True)
        if self._bytes + message.size > self.max_bytes:
            raise StreamFull("maximum bytes exceeded")
        self._bytes += message.size
        self.last = message.sequence
        self.messages[message.sequence] = message
        self._ids[command_id] = message
        consumer.kick()
        return Receipt(message.sequence, duplicate=False)

    @property
    def connected(self) -> bool:
        """Always."""
        return True

    async def read_message(self, sequence: int) -> dict[str, Any] | None:
        """A stored message; None if there is none."""
        message = self.messages.get(sequence)
        if message is None:
            return None
        return {"subject": message.subject, "time": message.at, "data": message.body}

    async def last_sequence(self) -> int:
        """The last sequence that was given out."""
        return self.last

    async def next_message(self, partition: int, after: int) -> Kept | None:
        """The partition's first message behind a sequence."""
        return self._first(lambda one: one.partition == partition and one.sequence > after)

    async def first_since(self, partition: int, at: datetime) -> Kept | None:
        """The partition's first message stored at a time or later."""
        return self._first(lambda one: one.partition == partition and one.at >= at)

    async def trim(self, partition: int, below: int) -> int:
        """Remove the partition's messages below a sequence; how many there were."""
        gone = [
            one
            for one in self.messages.values()
            if one.partition == partition and one.sequence < below
        ]
        for one in gone:
            del self.messages[one.sequence]
            self._consumers[partition].out.pop(one.sequence, None)
            self._bytes -= one.size
        return len(gone)

    async def tail(self) -> Tail:
        """The end of the stream, and this broker's clock."""
        return Tail(self.last, self.clock, self._bytes, self.max_bytes)

    async def beyond(self, after: Mapping[int, int]) -> dict[int, Beyond]:
        """What each partition has beyond its sequence."""
        return {partition: self._beyond(partition, number) for partition, number in after.items()}

    def _beyond(self, partition: int, sequence: int) -> Beyond:
        mine = [one for one in self.messages.values() if one.partition == partition]
        more = [message for message in mine if message.sequence > sequence]
        at = next((message.at for message in mine if message.sequence == sequence), None)
        return Beyond(at, len(more), more[0].at if more else None)

    def pull(self, partition: int, deliver: Deliver) -> Pulling:
        """A pull of a partition."""
        return MemoryPull(self._consumers[partition], deliver)

    async def outcomes(self, said: Iterable[tuple[str, str, bytes]]) -> None:
        """Announce (owner, command id, body) each, to those who listen by now."""
        for owner, command_id, body in said:
            for received in self._outcomes:
                _soon(received, OwnerToken(owner), command_id, body)

    async def applied(self, reply: str) -> None:
        """Acknowledge a delivery, and with it all before it."""
        partition, sequence = reply.split(".")
        self._consumers[int(partition)].acknowledge(int(sequence))

    async def members(self) -> None:
        """Tell the other reactors to look at once."""
        for changed in self._members:
            _soon(changed)

    async def flush(self, seconds: float) -> None:
        """Nothing waits."""

    def _first(self, wanted: Callable[[Message], bool]) -> Kept | None:
        for one in self.messages.values():
            if wanted(one):
                return Kept(one.sequence, one.at, one.headers["Nats-Msg-Id"])
        return None

    async def watch_outcomes(self, received: Received) -> None:
        """Call `received(owner, command id, body)` for every outcome from now on."""
        self._outcomes.append(received)

    async def watch_members(self, changed: Callable[[], None]) -> None:
        """Call `changed()` when a reactor has joined, released or left."""
        self._members.append(changed)


@dataclass
class Consumer:
    """The durable consumer of a partition: where it is, what is out, who asked."""

    broker: MemoryBroker
    partition: int
    after: int = 0
    delivered: int = 0
    out: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    """Sequence to (attempt, due again)."""
    asking: deque[MemoryPull] = field(default_factory=deque)
    _running: asyncio.Task[None] | None = None

    def reset(self, after: int) -> None:
        """Begin behind a sequence, as if nothing had ever been delivered."""
        self.after, self.delivered = after, 0
        self.out.clear()

    def acknowledge(self, sequence: int) -> None:
        """This one, and all before it."""
        for number in [number for number in self.out if number <= sequence]:
            del self.out[number]

    def kick(self) -> None:
        """Something may be deliverable."""
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while (pull := self._asker()) is not None:
            found = self._next()
            if found is None:
                return
            message, attempt = found
            self.delivered += 1
            self.out[message.sequence] = (attempt, self.broker.clock + self.broker.ack_wait)
            await pull.take(_delivery(message, self.delivered, attempt))

    def _asker(self) -> MemoryPull | None:
        while self.asking and not self.asking[0].credit:
            self.asking.popleft()
        return self.asking[0] if self.asking else None

    def _next(self) -> tuple[Message, int] | None:
        clock = self.broker.clock
        for sequence, (attempt, due) in self.out.items():
            if due <= clock:
                return self.broker.messages[sequence], attempt + 1
        while self.after < self.broker.last:
            self.after += 1
            message = self.broker.messages.get(self.after)
            if message is not None and message.partition == self.partition:
                return message, 1
        return None


class MemoryPull(Pulling):
    """A pull of one consumer, with the credit of its requests."""

    def __init__(self, consumer: Consumer, deliver: Deliver) -> None:
        self._consumer = consumer
        self._deliver = deliver
        self._open = False
        self.credit = 0

    async def reset(self, after: int) -> None:
        """Begin behind a sequence; what was asked for before is forgotten."""
        self.credit, self._open = 0, True
        self._consumer.reset(after)

    async def request(self, waiting: int, waiting_bytes: int, lease_left: float) -> None:
        """Ask for two batches, unless enough is waiting or asked for already."""
        enough = waiting > 2 * BATCH or waiting_bytes > 2 * BATCH_BYTES
        if not self._open or enough or lease_left < LEASE_MIN_SECONDS or self.credit > BATCH:
            return
        self.credit = 2 * BATCH
        if self not in self._consumer.asking:
            self._consumer.asking.append(self)
        self._consumer.kick()

    async def close(self) -> None:
        """Take nothing any more."""
        self.credit, self._open = 0, False

    async def take(self, delivery: Delivery) -> None:
        """One of those that were asked for."""
        self.credit -= 1
        await self._deliver(delivery)


def _delivery(message: Message, consumer_sequence: int, attempt: int) -> Delivery:
    return Delivery(
        sequence=message.sequence,
        consumer_sequence=consumer_sequence,
        attempt=attempt,
        subject=message.subject,
        headers=dict(message.headers),
        body=message.body,
        published_at=message.at,
        received_at=now(),
        reply=f"{message.partition}.{message.sequence}",
    )


def _soon(call: Callable[..., None], *arguments: Any) -> None:
    """Later, as over a network; the loop reports a call that breaks, and nobody else is harmed."""
    asyncio.get_running_loop().call_soon(call, *arguments)
