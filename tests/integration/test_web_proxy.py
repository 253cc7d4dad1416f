"""The proxy in front of an API that breaks its connections: what can be repeated is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from homing.local import ports
from support.running import running_web

BODY = b'{"tally_id":"t","number":1}'
ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Upstream:
    """Breaks the first `broken` requests once it has read them, and answers the others."""

    port: int
    broken: int
    bodies: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = b"content-length: %d" % len(BODY)
            self.bodies.append(await reader.readexactly(len(BODY) if length in head.lower() else 0))
            if len(self.bodies) > self.broken:
                writer.write(ANSWER)
                await writer.drain()
            writer.close()
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def behind_the_proxy(broken: int) -> AsyncIterator[tuple[str, Upstream]]:
    """A web process whose API is an `Upstream`."""
    (port,) = ports.free()
    upstream = Upstream(port, broken)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port)
    try:
        async with running_web(f"http://127.0.0.1:{port}") as web:
            yield f"http://127.0.0.1:{web.public}", upstream
    finally:
        server.close()


async def send(url: str, method: str = "POST", **headers: str) -> int:
    """The status of a request."""
    async with httpx.AsyncClient(base_url=url) as client:
        content = BODY if method == "POST" else None
        answer = await client.request(
            method, "/api/commands/tally.add", content=content, headers=headers
        )
        return answer.status_code


async def test_a_command_with_a_key_is_sent_again_whole() -> None:
    """A replica that leaves may break a connection that it has just taken."""
    async with behind_the_proxy(broken=1) as (url, upstream):
        assert await send(url, **{"Idempotency-Key": "k"}) == 202
        assert upstream.bodies == [BODY, BODY]


async def test_a_read_is_sent_again() -> None:
    """It changes nothing."""
    async with behind_the_proxy(broken=1) as (url, upstream):
        assert await send(url, "GET") == 202
        assert upstream.bodies == [b"", b""]


@pytest.mark.parametrize(("broken", "keyed"), [(1, False), (2, True)])
async def test_a_command_without_a_key_is_not_and_none_is_sent_a_third_time(
    broken: int, keyed: bool
) -> None:
    """It might count twice; whoever sent it is told."""
    async with behind_the_proxy(broken) as (url, upstream):
        headers = {"Idempotency-Key": "k"} if keyed else {}
        assert await send(url, **headers) == 502
        assert len(upstream.bodies) == broken


async def test_without_a_way_to_the_api_operators_are_told_so() -> None:
    """The page is there, and says what is missing; the probes answer as ever."""
    async with (
        running_web("http://127.0.0.1:9") as web,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.internal}") as client,
    ):
        assert (await client.get("/")).headers["location"] == "/operator"
        assert (await client.get("/operator")).status_code == 200
        answer = await client.get("/operator/state")
        assert (answer.status_code, "HOMING_API_INTERNAL_URL" in answer.text) == (503, True)
