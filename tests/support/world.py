"""Everything running in one place, and a browser's worth of HTTP towards it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from support.place import Place, Servers, fresh_place
from support.running import running_api, running_reactor
from support.waiting import until

REGISTER = "/api/commands/locations.register"


@dataclass(frozen=True)
class World:
    """An API and a reactor on a place of their own."""

    place: Place
    url: str

    @asynccontextmanager
    async def session(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a session of its own."""
        async with client(self.url) as one:
            yield one


@asynccontextmanager
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a session of its own at an API."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=40, limits=limits) as one:
        (await one.get("/api/session")).raise_for_status()
        yield one


@asynccontextmanager
async def running_world(
    servers: Servers, migrate: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[World]:
    """Both processes in this loop; `changes` are settings of the API."""
    async with (
        fresh_place(servers, **(migrate or {})) as place,
        running_reactor(place),
        running_api(place, **changes) as url,
    ):
        yield World(place, url)


def place_named(name: str, category: str = "Town") -> dict[str, str]:
    """A payload of `locations.register`."""
    return {"name": name, "category": category}


async def outcome_of(one: httpx.AsyncClient, status_path: str, seconds: float = 20) -> Any:
    """Ask for the status until it is an outcome."""

    async def outcome() -> Any:
        answer = await one.get(status_path)
        known = answer.status_code == 200 and answer.json()["status"] != "pending"
        return answer.json() if known else None

    return await until(outcome, seconds)
