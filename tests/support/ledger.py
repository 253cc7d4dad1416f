"""What clients know by themselves: what was accepted, what came back; and whether it adds up."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.sse import Parser
from support.waiting import until

ADD = "/api/commands/tally.add"


class Ear:
    """One stream of an owner's outcomes, reconnecting and resuming for ever."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.outcomes: dict[str, list[Any]] = defaultdict(list)
        self.heard_at: dict[str, float] = {}
        """When each came for the first time, in seconds of the epoch."""
        self.resets = 0
        self.refusals: list[int] = []
        """Statuses that close an EventSource for good: any but 200."""
        self.open = False
        self.cursor = ""
        self._url = f"{url}/api/outcomes/stream"
        self._http = http

    async def listen(self) -> None:
        """Hear until cancelled."""
        while True:
            headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
            try:
                async with self._http.stream("GET", self._url, headers=headers) as response:
                    if response.status_code != 200:
                        self.refusals.append(response.status_code)
                    await self._take(response)
            except httpx.TransportError:
                pass
            self.open = False
            await asyncio.sleep(0.1 * random.random())

    async def _take(self, response: httpx.Response) -> None:
        parser = Parser()
        async for piece in response.aiter_raw():
            for event in parser.feed(piece):
                if event.type == "outcome":
                    self.heard_at.setdefault(event.json["command_id"], time.time())
                    self.outcomes[event.json["command_id"]].append(event.json)
                self.resets += event.type == "reset"
            self.cursor = parser.last_event_id or self.cursor
            self.open = self.open or bool(parser.last_event_id)


@dataclass
class Client:
    """One owner: it sends numbers to its tallies, and listens for what becomes of them."""

    url: str
    name: str
    http: httpx.AsyncClient
    accepted: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Command id to (tally, number), in the order of the 202s."""
    ears: list[Ear] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Requests that failed: each was sent again with the same key."""

    async def send(self, tally: str, numbers: range, pause: float = 0.0) -> None:
        """Send the numbers one after another, each after the 202 of the one before."""
        for number in numbers:
            await until(functools.partial(self._sent, tally, number), 60, pause=0.1)
            await asyncio.sleep(pause)

    async def _sent(self, tally: str, number: int) -> bool:
        key = {"Idempotency-Key": f"{tally}/{number}"}
        try:
            answer = await self.http.post(
                self.url + ADD, json={"tally_id": tally, "number": number}, headers=key
            )
        except httpx.TransportError as error:  # not known whether it was accepted
            self.troubles.append(f"{type(error).__name__}: {error}")
            return False
        if answer.status_code not in (200, 202):
            assert answer.status_code in (502, 503), answer.text
            again = "Retry-After" if "Retry-After" in answer.headers else "no Retry-After"
            self.troubles.append(f"{answer.status_code}, {again}: {answer.text}")
            return False
        self.accepted.setdefault(answer.json()["command_id"], (tally, number))
        return True

    def listen(self, ears: int = 1) -> list[asyncio.Task[None]]:
        """Open so many streams."""
        self.ears = [Ear(self.url, self.http) for _ in range(ears)]
        return [asyncio.create_task(ear.listen()) for ear in self.ears]

    @property
    def complete(self) -> bool:
        """Whether everything that was accepted has come home."""
        return all(self.accepted.keys() <= ear.outcomes.keys() for ear in self.ears)


async def new_client(url: str, name: str) -> Client:
    """An owner with a session of its own."""
    http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None))
    (await http.get(f"{url}/api/session")).raise_for_status()
    return Client(url, name, http)


def check(clients: list[Client]) -> None:
    """Nothing lost, doubled or out of order, by the clients' own knowledge alone."""
    for client, ear in ((one, ear) for one in clients for ear in one.ears):
        missing = client.accepted.keys() - ear.outcomes.keys()
        assert not missing, f"{client.name}: no outcome of {len(missing)}"
        strangers = ear.outcomes.keys() - client.accepted.keys()
        assert not strangers, f"{client.name} was told of {len(strangers)} that it never sent"
        totals: dict[str, int] = defaultdict(int)
        counts: dict[str, int] = defaultdict(int)
        for command_id, (tally, number) in client.accepted.items():
            totals[tally] += number
            counts[tally] += 1
            expected = {
                "tally_id": tally, "count": counts[tally], "total": totals[tally], "last": number,
            }  # fmt: skip
            for outcome in ear.outcomes[command_id]:
                assert outcome["status"] == "succeeded", outcome
                assert outcome["data"] == expected
