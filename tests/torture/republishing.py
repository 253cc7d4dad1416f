"""Repeats that pass by every API: what is in the stream is stored there once more.

An API answers most repeats from the outcomes, and the reactors see nothing of them. What they do
see is a publisher that tries again after the duplicate window; this is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import Header

from homing.partition import STREAM

TRY_SECONDS, PAUSE_SECONDS = 2.0, 0.3


class Republisher:
    """Stores messages again, whatever happens to the server meanwhile."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def again(self, sequence: int) -> str:
        """Store the message at this place once more; the command's id."""
        while True:
            try:
                return await self._again(sequence)
            except nats.js.errors.NotFoundError:
                raise  # of what was accepted nothing may be gone
            except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _again(self, sequence: int) -> str:
        stream = self._client.jetstream(timeout=TRY_SECONDS)
        message = await stream.get_msg(STREAM, sequence)
        headers = message.headers or {}
        await stream.publish(str(message.subject), message.data or b"", headers=headers)
        return headers[Header.MSG_ID]


@asynccontextmanager
async def republishing(url: str) -> AsyncIterator[Republisher]:
    """One, with a connection of its own."""
    client = await nats.connect(url, max_reconnect_attempts=-1, error_cb=_said_by_the_run)
    try:
        yield Republisher(client)
    finally:
        await client.close()


async def _said_by_the_run(_error: Exception) -> None:
    """The server is killed on purpose."""
