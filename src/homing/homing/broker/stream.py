"""The stream of commands as a connected process uses it: read it, pull from it, trim it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from homing.broker.backlog import Beyond, Tail, beyond, tail
from homing.broker.connection import Broker
from homing.broker.pulling import Pull
from homing.broker.retention import first_since, next_message, trim
from homing.broker.seam import BacklogReading, CommandSource, Deliver, Kept
from homing.broker.topology import last_sequence, read_message


class CommandStream(CommandSource, BacklogReading):
    """The stream of this connection."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the server at this moment."""
        return self._broker.connected

    async def read_message(self, sequence: int) -> dict[str, Any] | None:
        """One message from the stream's leader. Raises `BrokerUnavailable`."""
        return await read_message(self._broker, sequence)

    async def last_sequence(self) -> int:
        """The last sequence that was given out. Raises `BrokerUnavailable`."""
        return await last_sequence(self._broker)

    async def tail(self) -> Tail:
        """The end of the stream. Raises `BrokerUnavailable`."""
        return await tail(self._broker)

    async def beyond(self, after: Mapping[int, int]) -> dict[int, Beyond]:
        """What each partition has beyond its sequence. Raises `BrokerUnavailable`."""
        return await beyond(self._broker, after)

    def pull(self, partition: int, deliver: Deliver) -> Pull:
        """A pull of a partition."""
        return Pull(self._broker, partition, deliver)

    async def next_message(self, partition: int, after: int) -> Kept | None:
        """The partition's first message behind a sequence. Raises `BrokerUnavailable`."""
        return await next_message(self._broker, partition, after)

    async def first_since(self, partition: int, at: datetime) -> Kept | None:
        """The partition's first message since a time. Raises `BrokerUnavailable`."""
        return await first_since(self._broker, partition, at)

    async def trim(self, partition: int, below: int) -> int:
        """Remove the partition's messages below a sequence. Raises `BrokerUnavailable`."""
        return await trim(self._broker, partition, below)
