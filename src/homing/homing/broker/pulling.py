"""Step 5: pull the deliveries of one partition.

Our own puller. `fetch` of nats-py hangs over a server's restart, strands messages when cancelled,
and costs twice as much. Here a pull request is published to the consumer, and a callback on one
inbox takes what comes; two requests are kept in flight, one while nothing comes. Each reset has a
fresh inbox, so that what was on its way for the old one ends there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from homing.broker.connection import Broker
from homing.errors import BrokerUnavailable
from homing.log import get
from homing.outcome import now
from homing.partition import STREAM, consumer_of

log = get(__name__)
BATCH = 200
BATCH_BYTES = 2_097_152
EXPIRES_SECONDS = 1.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEAD_AFTER_SECONDS = EXPIRES_SECONDS + 1.5


class Delivery(NamedTuple):
    """A message as received from the stream."""

    sequence: int
    consumer_sequence: int
    attempt: int
    subject: str
    headers: dict[str, str]
    body: bytes
    published_at: datetime
    received_at: datetime
    reply: str


class Pull:
    """The pull requests of one partition's consumer, and the inbox that they fill.

    `deliver` gets each delivery, and None when a request ended and the next one is due.
    """

    def __init__(
        self, broker: Broker, partition: int, deliver: Callable[[Delivery | None], Awaitable[None]]
    ) -> None:
        self._broker = broker
        self._partition = partition
        self._deliver = deliver
        self._subscription: Subscription | None = None
        self._inbox: str | None = None
        self._generation = 0
        self._requests = 0
        self._credits = 0
        self._heard = time.monotonic()
        self._delivered = 0.0
        self._not_before = 0.0

    async def reset(self, after: int) -> None:
        """Let the consumer begin behind sequence `after`, with a fresh inbox.

        Raises `BrokerUnavailable`.
        """
        await self.close()
        client = self._broker.client
        generation = self._generation
        if not self._broker.connected:  # a failed request would leak in nats-py's map
            raise BrokerUnavailable("not connected")
        try:
            inbox = client.new_inbox()
            self._subscription = await client.subscribe(f"{inbox}.*", cb=self._receiver(generation))
            subject = f"$JS.API.CONSUMER.RESET.{STREAM}.{consumer_of(self._partition)}"
            answer = await client.request(subject, b'{"seq":%d}' % (after + 1), timeout=2)
            if error := json.loads(answer.data).get("error"):
                raise BrokerUnavailable(str(error))
        except (NatsError, TimeoutError) as error:
            raise BrokerUnavailable(str(error)) from error
        if generation != self._generation:
            raise BrokerUnavailable("closed meanwhile")
        self._credits, self._heard, self._not_before = 0, time.monotonic(), 0.0
        self._inbox = inbox

    async def request(self, waiting: int, waiting_bytes: int, lease_left: float) -> None:
        """Keep one or two pulls in flight, unless enough waits already or the lease runs out."""
        clock = time.monotonic()
        if self._credits and clock - self._heard > DEAD_AFTER_SECONDS:
            self._credits = 0  # no answer, not even a status: sent again
        expires = min(EXPIRES_SECONDS, lease_left - 0.1)
        if expires < 0.05 or clock < self._not_before or not self._broker.connected:
            return
        while (
            self._inbox is not None
            and self._credits <= (BATCH if clock - self._delivered < EXPIRES_SECONDS else 0)
            and waiting <= 2 * BATCH
            and waiting_bytes <= 2 * BATCH_BYTES
        ):
            if not self._credits:
                self._heard = clock
            self._requests += 1
            self._credits += BATCH
            await self._publish_request(self._inbox, expires)

    async def close(self) -> None:
        """Stop taking deliveries. An orphaned inbox would keep taking messages."""
        self._generation += 1
        self._inbox = None
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            try:
                await subscription.unsubscribe()
            except NatsError as error:
                log.debug("pull.unsubscribe_failed", error=repr(error))

    async def _publish_request(self, inbox: str, expires: float) -> None:
        body = b'{"batch":%d,"max_bytes":%d,"expires":%d}' % (
            BATCH,
            BATCH_BYTES,
            int(expires * 1e9),
        )
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer_of(self._partition)}"
        try:
            await self._broker.client.publish(subject, body, reply=f"{inbox}.{self._requests}")
        except NatsError as error:
            log.debug("pull.request_failed", error=repr(error))

    def _receiver(self, generation: int) -> Callable[[Msg], Awaitable[None]]:
        async def receive(message: Msg) -> None:
            if generation != self._generation:
                return
            self._heard = time.monotonic()
            if not message.reply:
                self._status(message.headers or {})
                await self._deliver(None)
                return
            self._credits -= 1
            self._delivered = self._heard
            await self._deliver(_delivery(message))

        return receive

    def _status(self, headers: dict[str, str]) -> None:
        pending = headers.get("Nats-Pending-Messages")
        if pending is None or headers.get("Status") == "503":
            self._credits = 0
            self._not_before = time.monotonic() + 0.1
        else:
            self._credits = max(0, self._credits - int(pending))


def _delivery(message: Msg) -> Delivery:
    # $JS.ACK.…<attempt>.<stream sequence>.<consumer sequence>.<time in ns>.<pending>
    attempt, sequence, consumer_sequence, time_ns, _ = message.reply.rsplit(".", 5)[1:]
    return Delivery(
        sequence=int(sequence),
        consumer_sequence=int(consumer_sequence),
        attempt=int(attempt),
        subject=message.subject,
        headers=dict(message.headers or {}),
        body=message.data,
        published_at=EPOCH + timedelta(microseconds=int(time_ns) // 1000),
        received_at=now(),
        reply=message.reply,
    )
