"""A reader of event streams, written from the WHATWG text ("Interpreting an event stream")."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

_BREAK = re.compile(rb"\r\n|\r|\n")


class Event(NamedTuple):
    """A dispatched event."""

    type: str
    data: str
    last_event_id: str

    @property
    def json(self) -> Any:
        """Its data, decoded."""
        return json.loads(self.data)


class Parser:
    """Takes the stream in pieces of any size, gives the events in it."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self.comments: list[str] = []
        self._bytes = b""
        self._started = False
        self._id_buffer = ""
        self._type = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes."""
        self._bytes += piece
        events: list[Event] = []
        while (line := self._line()) is not None:
            text = line.decode("utf-8", "replace")
            if not self._started:
                text, self._started = text.removeprefix("\ufeff"), True
            event = self._take(text)
            if event is not None:
                events.append(event)
        return events

    def _line(self) -> bytes | None:
        found = _BREAK.search(self._bytes)
        if found is None or (found[0] == b"\r" and found.end() == len(self._bytes)):
            return None  # a line feed may follow
        return self._cut(found.start(), found.end() - found.start())

    def _cut(self, index: int, width: int) -> bytes:
        line, self._bytes = self._bytes[:index], self._bytes[index + width :]
        return line

    def _take(self, line: str) -> Event | None:
        if line == "":
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:].strip())
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._type = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id_buffer = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        self.last_event_id = self._id_buffer
        data, kind, self._data, self._type = self._data, self._type, [], ""
        if not data:
            return None
        return Event(kind or "message", "\n".join(data), self.last_event_id)


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """The events of a streamed response."""
    parser = Parser()
    async for piece in response.aiter_raw():
        for event in parser.feed(piece):
            yield event


@asynccontextmanager
async def listening(
    one: httpx.AsyncClient, path: str, last: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """An open event stream."""
    headers = {"Last-Event-ID": last} if last else {}
    async with one.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        yield events(response)


@asynccontextmanager
async def live(one: httpx.AsyncClient, path: str) -> AsyncIterator[AsyncIterator[Event]]:
    """An owner's stream that has told its history: what is committed from now on comes on it."""
    parser, early = Parser(), list[Event]()
    async with one.stream("GET", path) as response:
        pieces = response.aiter_raw()
        while not parser.last_event_id:
            early += parser.feed(await anext(pieces))

        async def rest() -> AsyncIterator[Event]:
            for event in early:
                yield event
            async for piece in pieces:
                for event in parser.feed(piece):
                    yield event

        yield rest()


async def take(stream: AsyncIterator[Event], count: int, seconds: float = 20) -> list[Event]:
    """The next events."""
    async with asyncio.timeout(seconds):
        return [await anext(stream) for _ in range(count)]


async def told_of(stream: AsyncIterator[Event], command_id: str, seconds: float = 20) -> Event:
    """The event of one command.

    A stream without a cursor tells what comes from now on, and also what no sweep had seen before:
    an outcome of the last second, for which nobody had waited.
    """
    async with asyncio.timeout(seconds):
        async for event in stream:
            if event.json.get("command_id") == command_id:
                return event
    raise AssertionError(f"the stream ended without {command_id}")
