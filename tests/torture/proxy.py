"""A way to a server that can be cut and healed: one for each reactor and server.

A network namespace would cut as well, but only where one may make it; this works for everybody. It
also cuts in the two ways in which networks do: *mute* lets connections stand while nothing passes,
and what was underway arrives after all once it is healed, like the packets that TCP sends again;
*refuse* resets them all and takes no new ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal, cast

from homing.local.ports import LOOPBACK

Cut = Literal["mute", "refuse"]


class _End(asyncio.Protocol):
    """One end of a connection through the proxy."""

    def __init__(self, proxy: Proxy, other: _End | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._proxy = proxy
        self._full = False
        self._kept: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's only behaves like one
        self._proxy.ends.add(self)
        self.breathe()

    def data_received(self, data: bytes) -> None:
        # A transport may read on for a moment after it was told to pause.
        self._kept.append(data)
        self.breathe()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        self._proxy.ends.discard(self)
        other = self.other
        if other is not None and other.transport is not None and not other.transport.is_closing():
            other.transport.close()

    def pause_writing(self) -> None:
        self._full = True
        if self.other is not None:
            self.other.breathe()

    def resume_writing(self) -> None:
        self._full = False
        if self.other is not None:
            self.other.breathe()

    def breathe(self) -> None:
        """Pass on, unless the proxy is muted, the other end is full, or there is none yet."""
        transport, other = self.transport, self.other
        if transport is None or transport.is_closing():
            return
        if self._proxy.muted or other is None or other.transport is None or other._full:
            transport.pause_reading()
            return
        kept, self._kept = self._kept, []
        for data in kept:
            other.transport.write(data)
        if not other._full:
            transport.resume_reading()


class Proxy:
    """Passes everything on to a port, until it is cut."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.muted = False
        self.ends: set[_End] = set()
        self._target = target
        self._server: asyncio.Server | None = None
        self._healed = asyncio.Event()
        self._healed.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accepting, LOOPBACK, self.port)

    async def cut(self, how: Cut) -> None:
        """Let nothing through any more."""
        if how == "mute":
            self.muted = True
            self._healed.clear()
            for end in list(self.ends):
                end.breathe()
        else:
            await self.stop()

    async def heal(self) -> None:
        """Let everything through again."""
        self.muted = False
        self._healed.set()
        for end in list(self.ends):
            end.breathe()
        if self._server is None:
            await self.start()

    async def stop(self) -> None:
        """Take no connections any more, and reset those that there are."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for end in list(self.ends):
            if end.transport is not None:
                end.transport.abort()
        for task in list(self._tasks):
            task.cancel()

    def _accepting(self) -> _End:
        end = _End(self)
        task = asyncio.get_running_loop().create_task(self._connect(end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return end

    async def _connect(self, near: _End) -> None:
        await self._healed.wait()
        far = _End(self, near)
        with contextlib.suppress(OSError):
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: far, LOOPBACK, self._target)
            near.other = far
            near.breathe()
            far.breathe()
            return
        if near.transport is not None:
            near.transport.abort()
