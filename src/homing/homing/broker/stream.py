"""The stream of commands as a process uses it once it is connected: read it, pull from it."""

from __future__ import annotations

from typing import Any

from homing.broker.connection import Broker
from homing.broker.pulling import Pull
from homing.broker.seam import CommandSource, Deliver
from homing.broker.topology import last_sequence, read_message


class CommandStream(CommandSource):
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

    def pull(self, partition: int, deliver: Deliver) -> Pull:
        """A pull of a partition."""
        return Pull(self._broker, partition, deliver)
