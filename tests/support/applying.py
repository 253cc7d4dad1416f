"""Rounds without a stream: deliveries made by hand, reactors with a connection of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from homing.broker import Delivery
from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, owner_token, traceparent
from homing.ledger import ClaimsUnforeseen
from homing.outcome import Outcome, decode_outcome, now
from homing.partition import partition_of, subject_of
from homing.registry import load
from homing.storage import Database, Rounds
from homing_reactor.applying import Applier
from homing_reactor.deciding import Decider
from homing_reactor.forming import Batch
from homing_reactor.intake import Task
from support.place import Place

OWNER = owner_token("anonymous", "tests")
_REGISTRY = load()
_sequences = count(1)


def command(verb: str, key: str = "", **payload: Any) -> Envelope:
    """A command of the sample domain; without a key it creates."""
    made, kind = new_command_id(), f"locations.{verb}"
    body = msgspec.json.encode(payload | ({"location_id": key} if key else {}))
    return Envelope(
        specversion="1.0",
        id=made,
        type=kind,
        key=key or made,
        accepted_at=now(),
        owner=OWNER,
        fingerprint=fingerprint(kind, body),
        traceparent=traceparent(),
        payload=msgspec.Raw(body),
    )


def register(name: str) -> Envelope:
    """Put a place of this name on the map."""
    return command("register", name=name, category="Town")


@dataclass
class Hand:
    """A partition as a reactor holds it, as far as a round looks at it."""

    partition: int
    epoch: int = 1
    checkpoint: int = 0


@dataclass
class Reactor:
    """Applies rounds over partitions of its own, one round at a time."""

    applier: Applier
    partitions: int
    hands: dict[int, Hand]
    unforeseen: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def holds(self, key: str) -> bool:
        """Whether this reactor applies the commands of the key."""
        return partition_of(key, self.partitions) in self.hands

    async def apply(self, *commands: Envelope) -> list[Outcome]:
        """Apply them in one round, or in more if that is what it takes."""
        if commands:
            await self._apply(self._batches(commands))
        return [self.outcomes[made.id] for made in commands]

    async def _apply(self, batches: Sequence[Batch[Any]]) -> None:
        try:
            applied = await self.applier.apply(batches, None)
        except ClaimsUnforeseen as error:
            self.unforeseen += 1
            for part in _parted(batches, error.partitions):
                await self._apply(part)
            return
        assert applied.ours == {batch.held.partition for batch in batches}
        for batch in batches:
            batch.held.checkpoint = batch.tasks[-1].delivery.sequence
        for row in applied.plan.outcomes:
            self.outcomes[row.command_id] = decode_outcome(row.body.encode())

    def _batches(self, commands: Iterable[Envelope]) -> list[Batch[Any]]:
        tasks: dict[int, list[Task]] = {}
        for made in commands:
            partition = partition_of(made.key, self.partitions)
            tasks.setdefault(partition, []).append(self._task(partition, made))
        return [Batch(self.hands[partition], mine) for partition, mine in tasks.items()]

    def _task(self, partition: int, made: Envelope) -> Task:
        sequence, subject = next(_sequences), subject_of(made.type, partition)
        delivery = Delivery(sequence, sequence, 1, subject, {}, encode(made), now(), now(), "r")
        found = _REGISTRY.find(made.type)
        assert found is not None
        return Task(delivery, made, found[0], found[1].decode(made.payload))


def _parted(batches: Sequence[Batch[Any]], alone: frozenset[int]) -> list[list[Batch[Any]]]:
    """The others together, and those that go on alone in halves."""
    others = [batch for batch in batches if batch.held.partition not in alone]
    parts = [others] if others else []
    for held, tasks in batches:
        if held.partition in alone:
            assert len(tasks) > 1, "a single command asks for nothing new"
            half = len(tasks) // 2
            parts += [[Batch(held, tasks[:half])], [Batch(held, tasks[half:])]]
    return parts


@asynccontextmanager
async def reactors(place: Place, number: int) -> AsyncIterator[list[Reactor]]:
    """So many reactors, which share the partitions of the place evenly."""
    await place.rows("UPDATE homing.partitions SET epoch = 1")
    databases = [await open_database(place) for _ in range(number)]
    try:
        yield [
            Reactor(
                Applier(Rounds(database), _REGISTRY, Decider(incarnation=1)),
                place.partitions,
                {p: Hand(p) for p in range(place.partitions) if p % number == index},
            )
            for index, database in enumerate(databases)
        ]
    finally:
        for database in databases:
            await database.close()


async def open_database(place: Place) -> Database:
    """As the reactor's own, but that a test which hangs should fail soon."""
    url = place.postgres_url("homing_reactor")
    return await Database.open(url, 1, settings={"lock_timeout": "5000"})
