"""A collector that is away, or does not answer, holds up nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from homing.local import ports
from support.place import Place
from support.running import Process
from support.waiting import until

ANSWER_SECONDS = 5.0
STOP_SECONDS = 8.0
"""Without a bound the SDK would wait 10 s for an answer, and 30 s in all."""


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections, and says nothing, ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def moved() -> Iterator[str]:
    """Says to everyone that it is elsewhere, as a proxy that wants TLS does."""

    class Moved(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Anything."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(308)
            self.send_header("Location", "https://collector.example/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Moved) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def exporting(place: Place, protocol: str, endpoint: str) -> Process:
    """An API whose traces go there."""
    return Process(
        "api", place, HOMING_DRAIN_SECONDS="0", OTEL_BSP_SCHEDULE_DELAY="50",
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
    ).start()  # fmt: skip


async def sent(api: Process) -> float:
    """The longest that a few commands took to be accepted."""
    async with httpx.AsyncClient(base_url=api.url, timeout=30) as me:
        longest = 0.0
        for number in range(20):
            began = time.monotonic()
            answer = await me.post(
                "/api/commands/tally.add", json={"tally_id": "t", "number": number}
            )
            longest = max(longest, time.monotonic() - began)
            assert answer.status_code == 202
    return longest


async def stopped(api: Process) -> float:
    """How long it took to end, without an error."""
    began = time.monotonic()
    assert await api.end() == 0, api.log
    return time.monotonic() - began


async def test_neither_answers_nor_the_end_wait_for_it(place: Place, silent: str) -> None:
    """By either protocol; the log says once that traces are lost, or that they were not sent."""
    nowhere = f"http://127.0.0.1:{ports.free()[0]}"
    apis = [
        exporting(place, protocol, endpoint)
        for protocol in ("grpc", "http/protobuf")
        for endpoint in (nowhere, silent)
    ]
    try:
        for api in apis:
            await api.ready()
            assert await sent(api) < ANSWER_SECONDS
        assert max(await asyncio.gather(*(stopped(api) for api in apis))) < STOP_SECONDS
        for api in apis:
            said = [json.loads(line)["action"] for line in api.log.splitlines()]
            about = [one for one in said if one not in ("api.started", "api.stopped")]
            assert set(about) <= {"traces.lost", "traces.not_flushed"}
            assert 1 <= len(about) <= 2
    finally:
        for api in apis:
            await api.end()


async def test_a_collector_that_has_moved_is_said(place: Place, moved: str) -> None:
    """The exporter follows nobody, and would call that a success."""
    api = exporting(place, "http/protobuf", moved)
    try:
        await api.ready()
        await sent(api)
        await until(lambda: api.log.count("traces.lost") == 1)
        assert "308" in api.log
    finally:
        await api.end()
