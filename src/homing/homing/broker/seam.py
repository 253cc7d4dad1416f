"""What the processes ask of the broker once it is connected, as protocols.

NATS has one implementation, `homing.testing.memory_broker` another; the contract suite holds both
to the same promises. Connecting, the pulse and the topology belong to NATS alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from homing.broker.backlog import Beyond, Tail
from homing.broker.publishing import Receipt
from homing.broker.pulling import Delivery
from homing.outcome import CommandId

Deliver = Callable[[Delivery | None], Awaitable[None]]
"""Takes each delivery, and None when a request ended and the next one is due."""


class Kept(NamedTuple):
    """A command in the stream, without what it says."""

    sequence: int
    stored_at: datetime
    command_id: str
    """Empty if a stranger published it without one."""


class Publishing(Protocol):
    """Stores commands."""

    async def publish(
        self, command_id: CommandId, subject: str, body: bytes, traceparent: str
    ) -> Receipt:
        """Store a command. Raises `StreamFull`, `TooLarge`, `BrokerUnavailable`."""


class StreamReading(Protocol):
    """Reads what is stored."""

    async def read_message(self, sequence: int) -> dict[str, Any] | None:
        """`subject`, `time`, `data` of a message; None if there is none."""

    async def last_sequence(self) -> int:
        """The last sequence that was given out."""


class BacklogReading(StreamReading, Protocol):
    """Reads how much is stored beyond what was applied."""

    async def tail(self) -> Tail:
        """The end of the stream, and the broker's clock."""

    async def beyond(self, after: Mapping[int, int]) -> dict[int, Beyond]:
        """What each partition has beyond its sequence in `after`."""


class Pulling(Protocol):
    """Takes the deliveries of one partition."""

    async def reset(self, after: int) -> None:
        """Begin behind a sequence. Raises `BrokerUnavailable`."""

    async def request(self, waiting: int, waiting_bytes: int, lease_left: float) -> None:
        """Ask for more, unless enough is waiting already or the lease runs out."""

    async def close(self) -> None:
        """Take nothing any more."""


class PartitionReading(StreamReading, Protocol):
    """Reads what is stored, partition by partition."""

    async def next_message(self, partition: int, after: int) -> Kept | None:
        """The partition's first message behind a sequence; None if there is none."""

    async def first_since(self, partition: int, at: datetime) -> Kept | None:
        """The partition's first message stored at a time or later; None if there is none."""


class CommandSource(PartitionReading, Protocol):
    """The stream of commands, as a reactor uses it."""

    @property
    def connected(self) -> bool:
        """Whether it can be reached at this moment."""

    def pull(self, partition: int, deliver: Deliver) -> Pulling:
        """A pull of a partition, which begins with a reset."""

    async def trim(self, partition: int, below: int) -> int:
        """Remove the partition's messages below a sequence, for good; how many there were."""


class Announcing(Protocol):
    """Says what happened; all of it may be lost."""

    async def outcomes(self, said: Iterable[tuple[str, str, bytes]]) -> None:
        """Announce (owner, command id, body) each."""

    async def applied(self, reply: str) -> None:
        """Acknowledge a delivery, and with it all before it."""

    async def members(self) -> None:
        """Tell the other reactors to look at once."""

    async def flush(self, seconds: float) -> None:
        """Let what was said reach the server, before the connection is closed."""
