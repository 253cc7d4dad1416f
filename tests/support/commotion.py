"""A running system with something going on in it: no reactor, a slow one, one more, one fewer.

Whoever sends counts for itself what happened, so that boards can be held to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.load import accepted, under_load
from support.place import Place
from support.running import Process
from support.sse import Parser, listening, take
from support.waiting import until
from support.world import outcome_of

ADD, EXPLODE = "/api/commands/tally.add", "/api/commands/tally.explode"
MAKE, SLOW = "/api/commands/trouble.make", "/api/commands/trouble.slow"
STREAM = "/api/outcomes/stream"
IN_FLIGHT, REFUSED = 40, 20
SETTINGS = {
    "HOMING_LEASE_SECONDS": "1",
    "HOMING_COMMANDS_IN_FLIGHT": str(IN_FLIGHT),
    # Old is what is some seconds old, so that there is something to remove.
    "HOMING_EVENT_RETENTION_DAYS": "0.00005",
    "HOMING_RETENTION_PACE_SECONDS": "1",
    # Traces are recorded, though nobody takes them: what is measured leads to them.
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
}


@dataclass
class Running:
    """The processes: an API, a page, and two reactors, none of which runs yet."""

    api: Process
    web: Process
    reactors: tuple[Process, Process]

    @property
    def internal(self) -> list[int]:
        """What is to be scraped."""
        return [one.internal for one in (self.api, self.web, *self.reactors)]


@asynccontextmanager
async def running(place: Place) -> AsyncIterator[Running]:
    """API and page, ready; the reactors are the caller's to start."""
    api = Process("api", place, **SETTINGS)
    web = Process("web", place, HOMING_API_URL=api.url)
    reactors = (Process("reactor", place, **SETTINGS), Process("reactor", place, **SETTINGS))
    try:
        for one in (api, web):
            await one.start().ready()
        yield Running(api, web, reactors)
    finally:
        for one in (web, *reactors, api):
            await one.end()


@dataclass
class Counted:
    """What the clients counted."""

    types: Counter[str] = field(default_factory=Counter)
    """Accepted commands."""
    waits: Counter[str] = field(default_factory=Counter)
    """Waits by how they ended."""
    late: int = 0
    """Streams that said `pending`, and told later."""
    loaded: int = 0
    """Those of the load."""
    refused: int = 0
    repeated: int = 0
    dead_letters: int = 0
    first_at: float = 0.0
    """When the first command was accepted, in seconds of the epoch."""

    @property
    def accepted(self) -> int:
        """Of all types."""
        return self.types.total()


class Commotion:
    """Makes it, in steps, and counts."""

    def __init__(self, place: Place, url: str, me: httpx.AsyncClient) -> None:
        """`url` is the page's; `me` has a session at the API."""
        self.counted = Counted()
        self._place = place
        self._url = url
        self._me = me
        self._late: list[asyncio.Task[None]] = []

    async def without_reactors(self) -> None:
        """Some are accepted, some are waited for in vain, some are refused."""
        first = await self._submit(ADD, {"tally_id": "first", "number": 1})
        self.counted.first_at = time.time()
        locations = [first.headers["Location"]]
        for number in range(60):
            answer = await self._submit(ADD, {"tally_id": f"t{number}", "number": number})
            locations.append(answer.headers["Location"])
        self._late = [asyncio.create_task(self._watch(one)) for one in locations[:4]]
        slow = (self._held(SLOW, {"trouble_id": f"slow {n}"}, 1) for n in range(20))
        await asyncio.gather(*slow)
        await self._too_many()

    async def late(self) -> None:
        """All that was waited for in vain has come."""
        await asyncio.gather(*self._late)

    async def everything(self) -> None:
        """Each kind of answer: in time, rejected, failed, a dead letter, a repeat."""
        for number in range(30):
            await self._held(ADD, {"tally_id": f"held {number % 5}", "number": number}, 20)
        for number in range(8):
            await self._held(ADD, {"tally_id": "held 1", "number": -1 - number}, 20)
        for number in range(6):
            await self._held(EXPLODE, {"tally_id": f"exploding {number}"}, 20)
        for number in range(4):
            await self._held(MAKE, {"trouble_id": f"bad {number}", "kind": "refused"}, 30)
        await self._repeat()
        await self._streams()

    async def load(self, doing: Callable[[], Awaitable[None]]) -> None:
        """40 commands a second by others, through the page, while something is done."""
        async with under_load(self._url, owners=8, a_second=40) as clients:
            await accepted(clients, 80)
            await doing()
            await accepted(clients, 80)
        loaded = sum(len(one.accepted) for one in clients)
        self.counted.loaded += loaded
        self.counted.types["tally.add"] += loaded

    async def _submit(self, path: str, payload: dict[str, Any], **headers: str) -> httpx.Response:
        answer = await self._me.post(path, json=payload, headers=headers)
        command_type = path.rpartition("/")[2]
        if answer.status_code == 503:
            self.counted.refused += 1
        else:
            self.counted.types[command_type] += 1
        return answer

    async def _held(self, path: str, payload: dict[str, Any], wait: int) -> None:
        answer = await self._submit(path, payload, Prefer=f"wait={wait}")
        ends = {200: "succeeded", 202: "timed-out", 409: "rejected", 500: "failed"}
        self.counted.waits[ends[answer.status_code]] += 1
        self.counted.dead_letters += answer.status_code == 500

    async def _watch(self, location: str) -> None:
        """A stream of one command: `pending` when the time is up, later the outcome."""
        path = location.partition("?")[0] + "/events?timeout=1"
        async with listening(self._me, path) as stream:
            assert [event.type for event in await take(stream, 1)] == ["pending"]
            self.counted.waits["timed-out"] += 1
            assert [event.type for event in await take(stream, 1, 60)] == ["outcome"]
            self.counted.late += 1

    @contextmanager
    def nats_stands_still(self) -> Iterator[None]:
        """Nothing is stored or delivered."""
        nats = self._place.servers.nats.pid
        os.kill(nats, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(nats, signal.SIGCONT)

    async def _too_many(self) -> None:
        """More at once than may be in flight: none gets on while NATS stands still."""
        with self.nats_stands_still():
            posts = [
                asyncio.create_task(self._submit(ADD, {"tally_id": f"burst {n}", "number": 1}))
                for n in range(IN_FLIGHT + REFUSED)
            ]
            await until(lambda: self.counted.refused == REFUSED, 5)
        await asyncio.gather(*posts)

    async def _repeat(self) -> None:
        payload, key = {"tally_id": "again", "number": 1}, {"Idempotency-Key": "again"}
        first = await self._submit(ADD, payload, **key)
        await outcome_of(self._me, first.headers["Location"])
        for _ in range(10):
            answer = await self._me.post(ADD, json=payload, headers=key)
            assert answer.status_code == 200
            self.counted.repeated += 1

    async def _streams(self) -> None:
        """One that resumes, and one whose cursor nobody knows."""
        async with self._me.stream("GET", STREAM) as response:
            cursor = await _cursor(response)
        async with listening(self._me, STREAM, cursor):
            pass
        async with listening(self._me, STREAM, "9-9-9") as stream:
            assert (await take(stream, 1))[0].type == "reset"


async def _cursor(response: httpx.Response) -> str:
    """The id that a stream begins with."""
    parser = Parser()
    async for piece in response.aiter_raw():
        parser.feed(piece)
        if parser.last_event_id:
            return parser.last_event_id
    raise AssertionError("the stream ended without an id")
