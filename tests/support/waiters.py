"""Clients that wait for an outcome in every way there is, and send again what broke, as real ones.

A held response, a stream of one command, and the owner's stream of everything (`support.ledger`).
Each notes when it was told, on the clock of the machine, which the database's is as well.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.ledger import ADD, Client, new_client
from support.place import Place
from support.sse import events
from support.waiting import until

WAIT_SECONDS = 25
ACCEPTED, TOLD = 202, 200


@dataclass
class Heard:
    """An outcome, and when it came (seconds of the epoch)."""

    outcome: Any
    since: float
    """When the request that brought it began, or its stream was open."""
    at: float


@dataclass
class Waiters:
    """One owner, and all who wait in its name."""

    client: Client
    tally: str
    heard: dict[str, list[Heard]] = field(default_factory=dict)
    """By way of waiting: `held`, `watched`."""
    broken: int = 0
    """Requests that ended without an answer."""
    refused: int = 0
    """Requests to be sent again later."""

    async def add(self, number: int) -> str:
        """Have a number accepted; the command's id."""
        await self.client.send(self.tally, range(number, number + 1))
        return next(
            command_id
            for command_id, said in self.client.accepted.items()
            if said == (self.tally, number)
        )

    async def watch(self, command_id: str) -> Heard:
        """Listen to the stream of one command until it has told."""
        path = f"{self.client.url}/api/commands/{command_id}/events"
        while True:
            try:
                async with self.client.http.stream("GET", path) as response:
                    since = time.time()
                    async for event in events(response):
                        if event.type == "outcome":
                            return self._note("watched", event.json, since)
            except httpx.TransportError:
                self.broken += 1
            await asyncio.sleep(0.1 * random.random())

    async def hold(self, number: int) -> Heard:
        """Send a number and have the response held until it is applied."""
        headers = {
            "Idempotency-Key": f"{self.tally}/{number}", "Prefer": f"wait={WAIT_SECONDS}",
        }  # fmt: skip
        said = {"tally_id": self.tally, "number": number}
        while True:
            since = time.time()
            try:
                answer = await self.client.http.post(
                    self.client.url + ADD, json=said, headers=headers
                )
            except httpx.TransportError:  # not known whether it was accepted
                self.broken += 1
            else:
                if answer.status_code == TOLD:
                    outcome = answer.json()
                    self.client.accepted.setdefault(outcome["command_id"], (self.tally, number))
                    return self._note("held", outcome, since)
                assert answer.status_code in (502, 503), answer.text
                self.refused += 1
            await asyncio.sleep(0.1 * random.random())

    def _note(self, way: str, outcome: Any, since: float) -> Heard:
        heard = Heard(outcome, since, time.time())
        self.heard.setdefault(way, []).append(heard)
        return heard


@asynccontextmanager
async def waiters(url: str, tally: str) -> AsyncIterator[Waiters]:
    """An owner with a session of its own, whose stream of everything is open."""
    client = await new_client(url, tally)
    listening = client.listen()
    try:
        await until(lambda: all(ear.open for ear in client.ears))
        yield Waiters(client, tally)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await client.http.aclose()


async def latest(place: Place, *groups: Waiters) -> dict[str, float]:
    """How long after its commit the last one was told, by way of waiting, in seconds.

    Or after it was there to be told, if that was later. The commit itself is later than
    `recorded_at` by what was left of its transaction: no excuse.
    """
    rows = await place.rows(
        "SELECT command_id::text, extract(epoch FROM recorded_at)::float8 FROM homing.outcomes"
    )
    recorded = {row[0]: row[1] for row in rows}
    late: dict[str, float] = {}

    def note(way: str, command_id: str, at: float, since: float = 0.0) -> None:
        late[way] = max(late.get(way, 0.0), at - max(since, recorded[command_id]))

    for one in groups:
        for way, all_of_them in one.heard.items():
            for heard in all_of_them:
                note(way, heard.outcome["command_id"], heard.at, heard.since)
        for ear in one.client.ears:
            for command_id, at in ear.heard_at.items():
                note("owner", command_id, at)
    return late
