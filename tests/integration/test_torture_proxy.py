"""The torture run's way to a server: what passes, what is held up, what is reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from homing.local import ports
from torture.proxy import Proxy


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says what it hears."""
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """To an echo."""
    port, target = ports.free(2)
    server = await asyncio.start_server(echo, ports.LOOPBACK, target)
    proxy = Proxy(port, target)
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()


async def test_everything_passes_in_order(proxy: Proxy) -> None:
    """More than any buffer holds at once."""
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    said = bytes(range(256)) * 40_000
    writer.write(said)
    assert await asyncio.wait_for(reader.readexactly(len(said)), 20) == said
    writer.close()


async def test_muted_nothing_passes_and_arrives_after_all(proxy: Proxy) -> None:
    """On connections that stood, and on those that were opened meanwhile."""
    before = await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    before[1].write(b"a")
    assert await before[0].readexactly(1) == b"a"
    await proxy.cut("mute")
    meanwhile = await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    for _, writer in (before, meanwhile):
        writer.write(b"b")
    for reader, _ in (before, meanwhile):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.3)
    await proxy.heal()
    for reader, writer in (before, meanwhile):
        assert await asyncio.wait_for(reader.readexactly(1), 5) == b"b"
        writer.close()


async def test_refused_connections_break_and_none_is_taken(proxy: Proxy) -> None:
    """Until it is healed."""
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    await proxy.cut("refuse")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    await proxy.heal()
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    writer.write(b"c")
    assert await asyncio.wait_for(reader.readexactly(1), 5) == b"c"
    writer.close()


async def test_the_end_of_a_connection_passes_both_ways(proxy: Proxy) -> None:
    """Whoever closes, the other end is closed as well."""
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, proxy.port)
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
