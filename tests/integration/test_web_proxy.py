"""The proxy in front of an API that breaks its connections: what can be repeated is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest
import structlog

from homing.local import ports
from support.raw import Said, request, said
from support.running import running_web

BODY = b'{"tally_id":"t","number":1}'
PLANTED = "planted-in-the-path"
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


@pytest.mark.parametrize("broken", [1, 2])
async def test_what_is_said_of_a_request_is_its_route_and_its_trace(broken: int) -> None:
    """Sent again, or lost: never its path, in which anything may stand."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"Idempotency-Key": "k", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    with structlog.testing.capture_logs() as lines:
        async with behind_the_proxy(broken) as (url, _upstream):
            await send(url, **headers)
            async with httpx.AsyncClient(base_url=url) as client:
                await client.get(f"/api/{PLANTED}/x?y={PLANTED}")
    about = [line for line in lines if line["event"].startswith("web.upstream")]
    assert {line["event"] for line in about} >= {"web.upstream.repeated"}
    assert all(line["route"] == "/api/commands/{type}" for line in about)
    assert all(line["trace_id"] == trace for line in about)
    assert PLANTED not in str(lines)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/x.y nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
async def test_an_answer_that_is_none_tells_nobody_what_was_asked(answer: bytes) -> None:
    """What the client library says of it holds the whole request, and bytes of the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + PLANTED.encode())
        await writer.drain()
        writer.close()

    (port,) = ports.free()
    headers = {"Authorization": f"Bearer {PLANTED}", "Cookie": f"a={PLANTED}"}
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    with structlog.testing.capture_logs() as lines:
        async with (
            server,
            running_web(f"http://127.0.0.1:{port}") as web,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.public}") as client,
        ):
            with suppress(httpx.RemoteProtocolError):  # cut where the answer had begun
                await client.get(f"/api/outcomes?x={PLANTED}", headers=headers)
    about = [line for line in lines if line["event"].startswith("web.upstream")]
    assert about
    assert PLANTED not in str(about)


async def test_an_api_that_is_away_is_said_without_the_path() -> None:
    """One of no route that is known, too."""
    with structlog.testing.capture_logs() as lines:
        async with (
            running_web("http://127.0.0.1:9") as web,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.public}") as client,
        ):
            for path in (f"/api/{PLANTED}", f"/api/commands/{PLANTED}"):
                assert (await client.get(path)).status_code == 503
    away = [line for line in lines if line["event"] == "web.upstream.away"]
    assert [line["route"] for line in away] == ["other", "/api/commands"]
    assert PLANTED not in str(lines)


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


class Kept:
    """Keeps its connections, and answers each request that it read whole with its first line."""

    def __init__(self) -> None:
        self.whole: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                given = dict(field.lower().split(": ", 1) for field in fields if field)
                if given.get("transfer-encoding"):
                    await reader.readuntil(b"0\r\n\r\n")
                await reader.readexactly(int(given.get("content-length", 0)))
                self.whole.append(line)
                said = f"HTTP/1.1 202 Accepted\r\nContent-Length: {len(line)}\r\n\r\n{line}"
                writer.write(said.encode())
        writer.close()


@pytest.mark.parametrize(
    ("fields", "body", "statuses"),
    [
        (["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n", [400]),
        (["Transfer-Encoding: chunked", "Content-Length: 0"], b"1\r\nx\r\n0\r\n\r\n", [400]),
        (["Content-Length: 5", "Content-Length: 6"], b"hello!", [400]),
        (["Content-Length: 5, 6"], b"hello!", [400]),
        (["Content-Length: +5"], b"hello", [400]),
        (["Content-Length: 5"], b"he", [400, None]),
        (["Transfer-Encoding: chunked"], b"5\r\nhe", [400, None]),
        (["Transfer-Encoding: chunked"], b"+5\r\nhello\r\n0\r\n\r\n", [400]),
        (["Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n", [501]),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], b"0\r\n\r\n", [501]),
    ],
)
async def test_a_body_of_doubtful_length_ends_here(
    fields: list[str], body: bytes, statuses: list[int | None]
) -> None:
    """Refused at once, with its connection; nobody else gets the answer to a part of it."""
    kept = Kept()
    server = await asyncio.start_server(kept.serve, "127.0.0.1", 0)
    api = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with running_web(api) as web:
            asking = request("POST /api/commands/tally.add", *fields, body=body)
            before = await said(web.public, request("GET /api/before"))
            doubtful = await said(web.public, asking, ending=None in statuses)
            after = await said(web.public, request("GET /api/after"))
    finally:
        server.close()
    assert (doubtful.status if doubtful else None) in statuses
    assert doubtful is None or doubtful.closed
    assert [line(one) for one in (before, after)] == kept.whole


def line(answer: Said | None) -> str:
    """What `Kept` has answered."""
    assert answer is not None
    return answer.body.decode()
