"""Steps 7 and 8: outcomes, acks and the members' hint over core NATS.

All of it is a hint, never the truth: it may be lost, and the sweep of the API and the claim of the
next holder make up for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from homing.broker.connection import Broker
from homing.log import get
from homing.outcome import OwnerToken

log = get(__name__)
OUTCOMES = "homing.outcomes"
MEMBERS = "homing.members"
YIELD_EVERY = 50


class Announcer:
    """What a reactor says after a commit."""

    def __init__(self, broker: Broker) -> None:
        self._client = broker.client

    async def outcomes(self, said: Iterable[tuple[str, str, bytes]]) -> None:
        """Announce (owner, command id, body) each."""
        for count, (owner, command_id, body) in enumerate(said, 1):
            await self._publish(f"{OUTCOMES}.{owner}.{command_id}", body)
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)  # a publish never yields until its buffer is full

    async def applied(self, reply: str) -> None:
        """Acknowledge a delivery, and with it all before it."""
        await self._publish(reply, b"+ACK")

    async def members(self) -> None:
        """Tell the other reactors to look at once."""
        await self._publish(MEMBERS, b"")

    async def flush(self, seconds: float) -> None:
        """Let what was said reach the server, before the connection is closed."""
        try:
            await self._client.flush(timeout=int(seconds))
        except (NatsError, TimeoutError) as error:
            log.debug("announce.flush_failed", error=repr(error))

    async def _publish(self, subject: str, body: bytes) -> None:
        try:
            await self._client.publish(subject, body)
        except (NatsError, OSError) as error:
            log.debug("announce.lost", subject=subject, error=repr(error))


async def watch_outcomes(
    broker: Broker, received: Callable[[OwnerToken, str, bytes], None]
) -> None:
    """Call `received(owner, command id, body)` for every outcome: one subscription, no queue group.

    One per stream instead would cost 25 times the latency (measured with 5,000 streams).
    """

    async def on_message(message: Msg) -> None:
        _, _, owner, command_id = message.subject.split(".")
        try:
            received(OwnerToken(owner), command_id, message.data)
        except Exception:
            # Whatever it is, the sweep will bring the outcome; the read loop must live.
            log.exception("outcome.unreadable", subject=message.subject)

    await broker.client.subscribe(f"{OUTCOMES}.*.*", cb=on_message)


async def watch_members(broker: Broker, changed: Callable[[], None]) -> None:
    """Call `changed()` when a reactor has joined, released or left."""

    async def on_message(_message: Msg) -> None:
        changed()

    call: Callable[[Msg], Awaitable[None]] = on_message
    await broker.client.subscribe(MEMBERS, cb=call)
