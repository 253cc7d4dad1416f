"""Reactors are killed, frozen, stopped and started while clients send: the books must balance."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator

import pytest

from support.ledger import check, new_client
from support.place import Place, Servers, fresh_place
from support.running import Process, running_api
from support.waiting import until

KEYS, NUMBERS, OWNERS = 200, 10, 10
REACTORS = 3


@pytest.fixture
async def place(servers: Servers) -> AsyncIterator[Place]:
    async with fresh_place(servers, partitions=16) as place:
        yield place


async def disturb(reactors: list[Process], stop: asyncio.Event, seed: int) -> list[str]:
    """One fault after another, each on a reactor by chance; what was done."""
    dice = random.Random(seed)  # a plan that can be repeated
    done: list[str] = []
    while not stop.is_set():
        victim = dice.choice(reactors)
        # Every kind comes once before any comes again, so that no run leaves one out.
        fault = ("kill", "freeze", "stop")[len(done) % 3]
        if fault == "freeze":  # beyond the lease: it wakes up as somebody who was replaced
            victim.send(signal.SIGSTOP)
            await asyncio.sleep(3.6)
            victim.send(signal.SIGCONT)
        else:
            await victim.end(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
            await victim.start().ready()
        done.append(fault)
    return done


@pytest.mark.timeout(240)
async def test_nothing_is_lost_doubled_or_out_of_order(place: Place) -> None:
    """2,000 commands over 200 keys of 10 owners, by the clients' own log of 202s and answers."""
    reactors = [Process("reactor", place).start() for _ in range(REACTORS)]
    try:
        async with running_api(place) as url:
            await asyncio.gather(*(one.ready() for one in reactors))
            clients = [await new_client(url, f"owner {n}") for n in range(OWNERS)]
            listening = [task for client in clients for task in client.listen()]
            stop = asyncio.Event()
            disturbing = asyncio.create_task(disturb(reactors, stop, seed=7))
            await asyncio.gather(
                *(
                    clients[key % OWNERS].send(f"key-{key}", range(NUMBERS), pause=1.5)
                    for key in range(KEYS)
                )
            )
            stop.set()
            done = await disturbing
            await until(lambda: all(client.complete for client in clients), 60)
            for task in listening:
                task.cancel()
            for client in clients:
                await client.http.aclose()
            assert sum(len(client.accepted) for client in clients) == KEYS * NUMBERS
            assert {"kill", "freeze", "stop"} <= set(done)
            check(clients)
            letters = await place.rows("SELECT reason FROM homing.dead_letters")
            assert letters == []
    finally:
        for one in reactors:
            await one.end()
