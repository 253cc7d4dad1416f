"""A TCP port in front of others, as a service or a network between: it can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from homing.local.ports import LOOPBACK


class Front:
    """Passes each connection on to the first port that takes it."""

    def __init__(self, behind: Sequence[int]) -> None:
        self.behind = list(behind)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.refusing = False
        """Whether new connections are cut at once."""
        self.flowing = asyncio.Event()
        """While it is not set nothing goes through, and nobody is told."""
        self.flowing.set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Of what is behind it, if that speaks HTTP."""
        return f"http://{LOOPBACK}:{self.port}"

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._pass_on, LOOPBACK, 0)

    async def close(self) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections, in the middle of what they carry."""
        for writer in self._open:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = None if self.refusing else await self._first()
        if far is None:
            writer.transport.abort()
            return
        far_reader, far_writer = far
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side ends; an end is passed on as a cut."""
        with suppress(OSError):
            while piece := await reader.read(65_536):
                await self.flowing.wait()
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    async def _first(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self.behind:
            with suppress(OSError):
                return await asyncio.open_connection(LOOPBACK, port)
        return None


@asynccontextmanager
async def front(*behind: int) -> AsyncIterator[Front]:
    """One, open."""
    one = Front(behind)
    await one.open()
    try:
        yield one
    finally:
        await one.close()
