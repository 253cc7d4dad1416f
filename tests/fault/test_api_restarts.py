"""The API is killed and restarted under a thousand streams: every one of them misses nothing."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict

import pytest

from support.ledger import Client, check, new_client
from support.place import Place
from support.running import Process, running_reactor
from support.waiting import until

OWNERS, STREAMS, NUMBERS = 100, 10, 15


@pytest.mark.timeout(240)
async def test_a_thousand_streams_miss_nothing_over_two_restarts(place: Place) -> None:
    """What each stream of each of 100 owners received equals what is stored of that owner."""
    api = Process("api", place, HOMING_STREAMS_PER_OWNER=str(2 * STREAMS)).start()
    try:
        async with running_reactor(place):
            await api.ready()
            clients = [await new_client(api.url, f"owner {n}") for n in range(OWNERS)]
            listening = [task for client in clients for task in client.listen(STREAMS)]
            ears = [ear for client in clients for ear in client.ears]
            await until(lambda: all(ear.cursor for ear in ears), 60)
            sending = [
                asyncio.create_task(client.send(f"t-{n}", range(NUMBERS), pause=1.0))
                for n, client in enumerate(clients)
            ]
            for signum, accepted in ((signal.SIGKILL, 300), (signal.SIGTERM, 900)):
                await until(lambda least=accepted: _accepted(clients) >= least, 60)
                await api.end(signum)
                await api.start().ready()
            await asyncio.gather(*sending)
            await until(lambda: all(client.complete for client in clients), 90)
            for task in listening:
                task.cancel()
            for client in clients:
                await client.http.aclose()
        check(clients)
        assert sum(ear.resets for ear in ears) == 0
        stored: dict[str, set[str]] = defaultdict(set)
        for owner, command_id in await place.rows(
            "SELECT owner, command_id::text FROM homing.outcomes"
        ):
            stored[owner].add(command_id)
        by_owner = sorted(sorted(ids) for ids in stored.values())
        assert by_owner == sorted(sorted(ear.outcomes) for ear in ears[::STREAMS])
        assert all(ear.outcomes.keys() == client.accepted.keys()
                   for client in clients for ear in client.ears)  # fmt: skip
    finally:
        await api.end()


def _accepted(clients: list[Client]) -> int:
    return sum(len(client.accepted) for client in clients)
