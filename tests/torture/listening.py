"""Waiting on event streams: an owner's, resumed for ever, and those of single commands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from support.sse import Event, Parser
from torture import answers
from torture.answers import Outcome
from torture.history import By, Log, Reset
from torture.reaching import Reaching, Unreachable

Hear = Callable[[int, By, Outcome], None]
TIMEOUT_SECONDS = 2


class Ear:
    """The ears of one owner."""

    def __init__(
        self, reaching: Reaching, log: Log, owner: int, headers: Mapping[str, str], hear: Hear
    ) -> None:
        self._reaching = reaching
        self._log = log
        self._owner = owner
        self._headers = headers
        self._hear = hear
        self.cursor = ""
        self.reconnects = -1

    async def listen(self) -> None:
        """Hear everything of the owner until cancelled, resuming where the stream broke."""
        while True:
            self.reconnects += 1
            headers = {**self._headers}
            if self.cursor:
                headers["Last-Event-ID"] = self.cursor
            try:
                async with self._reaching.stream("/api/outcomes/stream", headers) as pieces:
                    parser = Parser()
                    async for piece in pieces:
                        for event in parser.feed(piece):
                            self._take(event)
                        self.cursor = parser.last_event_id or self.cursor
            except Unreachable:
                pass
            await asyncio.sleep(random.uniform(0.02, 0.3))

    async def listen_to(self, command_id: str) -> None:
        """Hear of one command, until it is told."""
        path = f"/api/commands/{command_id}/events?timeout={TIMEOUT_SECONDS}"
        while True:
            try:
                async with self._reaching.stream(path, self._headers) as pieces:
                    parser = Parser()
                    async for piece in pieces:
                        for event in parser.feed(piece):
                            if event.type == "outcome":
                                said = answers.outcome.decode(event.data)
                                self._hear(self._owner, "events", said)
                                return
            except Unreachable:
                pass
            await asyncio.sleep(random.uniform(0.02, 0.3))

    def _take(self, event: Event) -> None:
        if event.type == "outcome":
            self._hear(self._owner, "stream", answers.outcome.decode(event.data))
        elif event.type == "reset":
            self._log.write(Reset(t=self._log.now, owner=self._owner))
