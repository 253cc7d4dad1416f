"""Clients that send at an even pace, listen, and keep their own log of what was said to them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.ledger import Client, check, new_client
from support.waiting import until

HOME_SECONDS = 60.0
LEAST = 0.7
"""Of the pace that was asked for; what an outage held up is sent after it."""


@asynccontextmanager
async def under_load(
    url: str, *, owners: int = 25, ears: int = 1, a_second: float = 50.0
) -> AsyncIterator[list[Client]]:
    """Clients that send `a_second` commands in all while the block runs.

    At its end everything that was accepted has to have come home, once in effect and in order.
    """
    name = uuid.uuid4().hex[:8]
    clients = [await new_client(url, f"{name}-{number}") for number in range(owners)]
    listening = [task for client in clients for task in client.listen(ears)]
    stop = asyncio.Event()
    try:
        await until(lambda: all(ear.cursor for client in clients for ear in client.ears), 60)
        began = asyncio.get_running_loop().time()
        sending = [
            asyncio.create_task(_send(client, stop, owners / a_second)) for client in clients
        ]
        try:
            yield clients
        finally:
            stop.set()
            await asyncio.gather(*sending)
        rate = sum(len(client.accepted) for client in clients) / (
            asyncio.get_running_loop().time() - began
        )
        assert rate > LEAST * a_second, f"only {rate:.0f} commands/s were accepted"
        await until(lambda: all(client.complete for client in clients), HOME_SECONDS)
    finally:
        for task in listening:
            task.cancel()
        for client in clients:
            await client.http.aclose()
    check(clients)


async def accepted(clients: list[Client], more: int) -> None:
    """Wait until so many more commands are accepted."""
    before = sum(len(client.accepted) for client in clients)
    await until(lambda: sum(len(client.accepted) for client in clients) >= before + more, 60)


async def _send(client: Client, stop: asyncio.Event, pause: float) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in itertools.count():
        await asyncio.sleep(max(0.0, began + number * pause - clock()))
        if stop.is_set():
            return
        await client.send(client.name, range(number, number + 1))
