"""A process that is told to stop lets its clients go, request by request, before it is gone."""

from __future__ import annotations

import asyncio
import http.client
import signal

import pytest

from support.place import Place
from support.running import Process


def asked(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    """One request on this very connection: the status, and what is said of the connection."""
    connection.request("GET", "/api/session")
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("Connection")


@pytest.mark.parametrize("kind", ["api", "web"])
async def test_a_pooled_connection_is_ended_by_its_last_response(place: Place, kind: str) -> None:
    """Nobody's next request meets a connection that is being closed: the one before said so."""
    api = Process("api", place, HOMING_DRAIN_SECONDS="6").start()
    web = Process("web", place, HOMING_DRAIN_SECONDS="6", HOMING_API_URL=api.url).start()
    try:
        await asyncio.gather(api.ready(), web.ready())
        leaving = {"api": api, "web": web}[kind]
        connection = http.client.HTTPConnection("127.0.0.1", leaving.port, timeout=10)
        assert await asyncio.to_thread(asked, connection) == (200, None)
        leaving.send(signal.SIGTERM)
        while (said := await asyncio.to_thread(asked, connection)) == (200, None):
            pass  # the signal is on its way
        assert said == (200, "close")
    finally:
        await web.end()
        await api.end()
