"""Step 8 of a command's way: hand each outcome to those who wait for it, and to nobody else.

Every process hears all outcomes on one subscription and routes them by owner and command id. An
announcement is a hint: one that is lost is brought by the sweep, and what was there before somebody
began to wait is read from the store. The order is always the same: listen first, then read. The
other order loses what happens in between.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from homing.errors import HomingError
from homing.log import get
from homing.outcome import CommandId, OwnerToken, Stored, decode_announcement
from homing_api.remembering import Remembered

log = get(__name__)
K = TypeVar("K")
Listener = Callable[[Stored], None]
"""Takes an outcome; must neither block nor raise."""
Read = Callable[[Sequence[str]], Awaitable[list[Stored]]]
READ_AT_ONCE = 500
RETRY_SECONDS = 0.5
ROUTED_LEAST = 16_000
"""Outcomes that are known to be told, so that no sweep fetches them again: those of half
a minute at 500 a second, while a transaction that does not end keeps sweeps from moving on."""


class Hub:
    """Who waits for what."""

    def __init__(self, read: Read) -> None:
        """`read` fetches stored outcomes by command id."""
        self._read = read
        self._waiting: dict[tuple[OwnerToken, str], set[Listener]] = {}
        self._feeds: dict[OwnerToken, set[Listener]] = {}
        self._unread: OrderedDict[tuple[OwnerToken, str], None] = OrderedDict()
        self._routed = Remembered(ROUTED_LEAST)
        self._asked = asyncio.Event()

    @contextmanager
    def awaiting(
        self, owner: OwnerToken, command_id: CommandId, heard: Listener, *, read: bool
    ) -> Iterator[None]:
        """Call `heard` once with the outcome of one command.

        `read` asks for one that may be stored already; without an answer from the store it is asked
        again, for as long as somebody waits.
        """
        route = (owner, str(command_id))
        self._waiting.setdefault(route, set()).add(heard)
        if read:
            self._unread[route] = None
            self._asked.set()
        try:
            yield
        finally:
            _remove(self._waiting, route, heard)
            if route not in self._waiting:
                self._unread.pop(route, None)

    @contextmanager
    def feeding(self, owner: OwnerToken, heard: Listener) -> Iterator[None]:
        """Call `heard` with every outcome of an owner from now on."""
        self._feeds.setdefault(owner, set()).add(heard)
        try:
            yield
        finally:
            _remove(self._feeds, owner, heard)

    def wanted(self, owner: OwnerToken, command_id: str) -> bool:
        """Whether somebody waits for it who was not told yet."""
        if (owner, command_id) in self._waiting:
            return True
        return owner in self._feeds and command_id not in self._routed

    def announced(self, owner: OwnerToken, command_id: str, body: bytes) -> None:
        """An announcement came; most are somebody else's, and are not even decoded."""
        if self.wanted(owner, command_id):
            self.deliver(decode_announcement(owner, body))

    def deliver(self, stored: Stored) -> None:
        """Tell everybody who waits for this outcome. Harmless to repeat."""
        owner, command_id = stored.owner, stored.outcome.command_id
        route = (owner, command_id)
        self._unread.pop(route, None)
        for heard in self._waiting.pop(route, ()):
            heard(stored)
        if command_id in self._routed:
            return
        for heard in tuple(self._feeds.get(owner, ())):
            heard(stored)
        self._routed.add(command_id)

    async def read_stored(self) -> None:
        """Read, for ever and many at once, what those who began to wait have asked for."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._unread:
                await self._read_some()

    async def _read_some(self) -> None:
        routes = [self._unread.popitem(last=False)[0] for _ in range(self._some())]
        try:
            found = await self._read([command_id for _, command_id in routes])
        except HomingError as error:
            log.warning("outcomes.unread", why=str(error), waiting=len(routes))
            self._unread.update((route, None) for route in routes if route in self._waiting)
            await asyncio.sleep(RETRY_SECONDS)
            return
        for stored in found:
            self.deliver(stored)  # to its owner; whoever else asked for its id hears nothing

    def _some(self) -> int:
        return min(READ_AT_ONCE, len(self._unread))


def _remove(table: dict[K, set[Listener]], key: K, heard: Listener) -> None:
    listeners = table.get(key)
    if listeners is None:
        return
    listeners.discard(heard)
    if not listeners:
        del table[key]
