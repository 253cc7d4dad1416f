"""Both brokers, with what a test has to do to each from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import nats
from nats.js import api

from homing.broker import (
    Announcer,
    Announcing,
    BacklogReading,
    Broker,
    CommandSource,
    CommandStream,
    Publisher,
    Publishing,
    connect,
    watch_members,
    watch_outcomes,
)
from homing.outcome import OwnerToken
from homing.partition import STREAM, consumer_of
from homing.testing.memory_broker import MemoryBroker
from support.place import Place

PARTITIONS = 8
ACK_WAIT_SECONDS = 0.5
DUPLICATE_WINDOW_SECONDS = 0.6


class Source(CommandSource, BacklogReading, Protocol):
    """The stream, from the sides of all who read it."""


class Brokers(Protocol):
    """A broker, from the sides of all who use it."""

    publisher: Publishing
    source: Source
    announcer: Announcing

    async def watch_outcomes(self, received: Callable[[OwnerToken, str, bytes], None]) -> None:
        """As an API does."""

    async def watch_members(self, changed: Callable[[], None]) -> None:
        """As a reactor does."""

    async def limit(self, max_bytes: int) -> None:
        """Let the stream hold no more than this."""

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for the broker."""


@dataclass
class Real:
    """NATS, over one connection."""

    broker: Broker
    url: str
    publisher: Publishing
    source: Source
    announcer: Announcing

    async def watch_outcomes(self, received: Callable[[OwnerToken, str, bytes], None]) -> None:
        """As an API does."""
        await watch_outcomes(self.broker, received)
        await self.broker.client.flush()

    async def watch_members(self, changed: Callable[[], None]) -> None:
        """As a reactor does."""
        await watch_members(self.broker, changed)
        await self.broker.client.flush()

    async def limit(self, max_bytes: int) -> None:
        """Let the stream hold no more than this."""
        jetstream = self.broker.client.jetstream()
        config = (await jetstream.stream_info(STREAM)).config
        await jetstream.update_stream(config.evolve(max_bytes=max_bytes))

    async def pass_time(self, seconds: float) -> None:
        """Its clock is the world's."""
        await asyncio.sleep(seconds)


@dataclass
class Memory:
    """The double."""

    broker: MemoryBroker

    def __post_init__(self) -> None:
        self.publisher: Publishing = self.broker
        self.source: Source = self.broker
        self.announcer: Announcing = self.broker
        self.watch_outcomes = self.broker.watch_outcomes
        self.watch_members = self.broker.watch_members

    async def limit(self, max_bytes: int) -> None:
        """Let the stream hold no more than this."""
        self.broker.max_bytes = max_bytes

    async def pass_time(self, seconds: float) -> None:
        """Its clock is its own."""
        self.broker.pass_time(seconds)


@asynccontextmanager
async def real_broker(place: Place) -> AsyncIterator[Brokers]:
    """NATS, which is quicker here to forget an id and to deliver again."""
    await _hurry(place.nats_url)
    broker = await connect(place.nats_url, "contract")
    try:
        yield Real(
            broker, place.nats_url, Publisher(broker, 16, deadline_seconds=0.5),
            CommandStream(broker), Announcer(broker),
        )  # fmt: skip
    finally:
        await broker.close()


@asynccontextmanager
async def memory_broker() -> AsyncIterator[Brokers]:
    """The double, set up likewise."""
    yield Memory(
        MemoryBroker(
            PARTITIONS,
            duplicate_window_seconds=DUPLICATE_WINDOW_SECONDS,
            ack_wait_seconds=ACK_WAIT_SECONDS,
        )
    )


async def _hurry(url: str) -> None:
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()
        config = (await jetstream.stream_info(STREAM)).config
        await jetstream.update_stream(config.evolve(duplicate_window=DUPLICATE_WINDOW_SECONDS))
        for partition in range(PARTITIONS):
            consumer: api.ConsumerConfig = (
                await jetstream.consumer_info(STREAM, consumer_of(partition))
            ).config
            await jetstream.add_consumer(STREAM, consumer.evolve(ack_wait=ACK_WAIT_SECONDS))
    finally:
        await client.close()
