"""A client that keeps its own log over restores of the servers, and what an operator does then."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from homing.local import access
from support.place import Place
from support.running import TALLY, running_api, running_reactor
from support.waiting import until

ADD = "/api/commands/tally.add"
TALLIES = 6
SESSION = "/api/session"


@dataclass
class Diary:
    """What one owner knows: what was accepted, and every outcome that it was told."""

    http: httpx.AsyncClient
    accepted: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    """Idempotency key to (tally, number, where to ask)."""
    told: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    lost: set[str] = field(default_factory=set)
    """Not known any more, and sent again."""
    refused: int = 0
    """Sent again, and answered with 503."""
    _numbers: int = 0

    async def send(self, url: str, count: int, wait: int = 0) -> None:
        """Send so many numbers to the tallies in turn."""
        for _ in range(count):
            self._numbers += 1
            tally = f"tally-{self._numbers % TALLIES}"
            await self._post(url, f"{tally}/{self._numbers}", tally, self._numbers, wait)

    async def settle(self, url: str) -> None:
        """Ask for every command until it has its outcome; send again what is not known."""
        for key in self.accepted:
            await until(lambda key=key: self._asked(url, key), 30)

    async def check(self, url: str) -> None:
        """Each command has one outcome, and its effect is there once, in order."""
        effects: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for key, (tally, number, where) in self.accepted.items():
            answer = await self.http.get(url + where)
            assert answer.status_code == 200, answer.text
            outcome = answer.json()
            assert outcome["status"] == "succeeded"
            assert outcome["data"]["last"] == number
            # What a client was told stays true, whatever was applied again; unless both stores
            # had lost the command, and it was sent again.
            told = {one["data"]["count"] for one in self.told[key]}
            assert key in self.lost or told == {outcome["data"]["count"]}
            effects[tally].append((outcome["data"]["count"], key))
        for tally, found in effects.items():
            assert sorted(count for count, _ in found) == list(range(1, len(found) + 1)), tally
            in_order = [key for _, key in sorted(found) if key not in self.lost]
            sent = [key for _, key in found if key not in self.lost]
            assert in_order == sent
            state = (await self.http.get(f"{url}/api/tally/{tally}")).json()
            numbers = [number for name, number, _ in self.accepted.values() if name == tally]
            assert (state["count"], state["total"]) == (len(numbers), sum(numbers))

    async def _post(self, url: str, key: str, tally: str, number: int, wait: int) -> None:
        headers = {"Idempotency-Key": key, **({"Prefer": f"wait={wait}"} if wait else {})}
        body = {"tally_id": tally, "number": number}
        answer = await self.http.post(url + ADD, json=body, headers=headers)
        if answer.status_code == 503:
            assert key in self.lost, answer.text
            assert answer.headers["Retry-After"]
            self.refused += 1
            return
        said = answer.json()
        assert answer.status_code == (200 if wait else 202) or key in self.lost, answer.text
        if answer.status_code == 200:
            self.told[key].append(said)
        where = f"/api/commands/{said['command_id']}?seq={said['position']['sequence']}"
        self.accepted[key] = (tally, number, where)

    async def _asked(self, url: str, key: str) -> bool:
        tally, number, where = self.accepted[key]
        answer = await self.http.get(url + where)
        if answer.status_code in (404, 410):
            self.lost.add(key)
            await self._post(url, key, tally, number, 0)
            return False
        assert answer.status_code == 200, answer.text
        if answer.json()["status"] == "pending":
            return False
        self.told[key].append(answer.json())
        return True


@asynccontextmanager
async def diary() -> AsyncIterator[Diary]:
    """An owner's."""
    async with httpx.AsyncClient(timeout=40) as http:
        yield Diary(http)


@asynccontextmanager
async def both(place: Place, book: Diary) -> AsyncIterator[str]:
    """An API and a reactor; the API's URL."""
    async with running_reactor(place), api_for(place, book) as url:
        yield url


@asynccontextmanager
async def api_for(place: Place, book: Diary) -> AsyncIterator[str]:
    """An API that knows the owner; its URL."""
    async with running_api(place) as url:
        (await book.http.get(url + SESSION)).raise_for_status()
        yield url


async def adopt(place: Place, **environ: str) -> tuple[int, str]:
    """`homing migrate --adopt-stream`: exit code and what it said."""
    return await migrated(place, "--adopt-stream", **environ)


async def migrated(place: Place, *options: str, **environ: str) -> tuple[int, str]:
    """`homing migrate`, as an operator runs it: exit code and what it said."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "homing", "migrate", *options,
        env={
            **os.environ, **place.environ(access.MIGRATOR), "PYTHONPATH": str(TALLY),
            "HOMING_COMMANDS_MAX_BYTES": "268435456", **environ,
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await running.communicate()
    assert running.returncode is not None
    return running.returncode, said.decode()
