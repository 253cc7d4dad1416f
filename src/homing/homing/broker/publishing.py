"""Step 4 of a command's way: publish it to JetStream and wait for the ack.

A publish that timed out may have been stored: it is tried again with the same id, and JetStream's
window makes one of it. The answer is never "failed" but "unknown" (`BrokerUnavailable`).
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import NamedTuple

from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js.errors import APIError

from homing.broker.connection import Broker
from homing.envelope import CONTENT_TYPE
from homing.errors import BrokerUnavailable, StreamFull, TooLarge
from homing.outcome import CommandId

STREAM_FULL = 10077
TOO_LARGE = 10054
ATTEMPT_SECONDS = 2.0


class Receipt(NamedTuple):
    """What the stream says of a stored command."""

    sequence: int
    duplicate: bool
    """Whether a command of this id was stored before; `sequence` is then the first one's."""


class Publisher:
    """Publishes with bounded concurrency, within a deadline."""

    def __init__(self, broker: Broker, concurrency: int, deadline_seconds: float) -> None:
        self._broker = broker
        self._js = broker.client.jetstream()
        self._slots = asyncio.Semaphore(concurrency)
        self._deadline_seconds = deadline_seconds

    async def publish(
        self, command_id: CommandId, subject: str, body: bytes, traceparent: str
    ) -> Receipt:
        """Store a command.

        Raises `StreamFull`, `TooLarge`, or `BrokerUnavailable` when the deadline has passed: the
        command may or may not be stored then.
        """
        deadline = time.monotonic() + self._deadline_seconds
        try:
            async with asyncio.timeout(self._deadline_seconds), self._slots:
                return await self._until(deadline, command_id, subject, body, traceparent)
        except TimeoutError as error:
            raise BrokerUnavailable("no acknowledgement in time") from error

    async def _until(
        self, deadline: float, command_id: CommandId, subject: str, body: bytes, traceparent: str
    ) -> Receipt:
        pause = 0.05
        while True:
            if self._broker.connected:
                # A fresh dict: nats-py writes into the one that it gets.
                headers = {
                    "Nats-Msg-Id": command_id,
                    "content-type": CONTENT_TYPE,
                    "traceparent": traceparent,
                }
                left = min(ATTEMPT_SECONDS, max(0.1, deadline - time.monotonic()))
                receipt = await self._attempt(subject, body, headers, left)
                if receipt is not None:
                    return receipt
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # jitter
            pause = min(1.0, pause * 2)

    async def _attempt(
        self, subject: str, body: bytes, headers: dict[str, str], timeout: float
    ) -> Receipt | None:
        try:
            ack = await self._js.publish(subject, body, timeout=timeout, headers=headers)
        except MaxPayloadError as error:
            raise TooLarge(str(error)) from error
        except APIError as error:
            if error.err_code == STREAM_FULL:
                raise StreamFull(error.description or "") from error
            if error.err_code == TOO_LARGE:
                raise TooLarge(error.description or "") from error
            return None
        except (NatsError, TimeoutError, OSError):
            return None
        return Receipt(ack.seq, bool(ack.duplicate))
