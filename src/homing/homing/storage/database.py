"""A pool of connections, and the driver's errors as ours.

What means "Postgres is away or will not have us now" is `StorageUnavailable`; what a statement did
wrong is `StatementFailed` with its SQLSTATE. Both keep the driver's error as their cause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from homing import telemetry
from homing.errors import HomingError, StorageUnavailable

Connection = asyncpg.pool.PoolConnectionProxy
ACQUIRE_SECONDS = 2.0
# 08 connection, 53 resources, 57 operator intervention (but a cancelled statement), 58 system,
# 25006 read-only (a standby), 28 and 3D while a server is being set up
_AWAY = ("08", "53", "57", "58", "25006", "28", "3D")
_CANCELLED = "57014"


class StatementFailed(HomingError):
    """Postgres refused a statement."""

    def __init__(self, sqlstate: str, detail: str, broke: str = "") -> None:
        """`broke` is the constraint's name, if it was one."""
        super().__init__(f"[{sqlstate}] {detail}")
        self.sqlstate = sqlstate
        self._broke = broke

    @property
    def brief(self) -> str:
        """Postgres tells the row that it refuses, which may be what a client sent."""
        return f"Postgres refused a statement. [{self.sqlstate}] {self._broke}".rstrip()


class Database:
    """A pool, opened once per process and purpose."""

    def __init__(self, pool: asyncpg.Pool, name: str) -> None:
        self._pool = pool
        self.name = name

    @classmethod
    async def open(
        cls,
        url: str,
        size: int,
        *,
        name: str = "",
        settings: Mapping[str, str] | None = None,
        command_timeout: float = 5.0,
        statement_cache_size: int = 100,
    ) -> Database:
        """Connect. Raises `StorageUnavailable`; the caller waits and tries again.

        A pool with a `name` is measured under it.
        """
        with translated():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                timeout=ACQUIRE_SECONDS,
                command_timeout=command_timeout,
                statement_cache_size=statement_cache_size,
                server_settings={"timezone": "UTC", **(settings or {})},
            )
        return cls(pool, name)

    @property
    def in_use(self) -> int:
        """Connections that somebody has in hand."""
        return self.opened - self._pool.get_idle_size()

    @property
    def opened(self) -> int:
        """Connections that there are."""
        return self._pool.get_size()

    @property
    def limit(self) -> int:
        """Connections that there can be."""
        return self._pool.get_max_size()

    @asynccontextmanager
    async def connection(self, timeout: float = ACQUIRE_SECONDS) -> AsyncIterator[Connection]:
        """One connection, with the driver's errors as ours."""
        with translated():
            started = time.monotonic()
            try:
                connection = await self._pool.acquire(timeout=timeout)
            finally:
                if self.name:
                    waited = time.monotonic() - started
                    telemetry.observe(telemetry.POOL_WAIT_SECONDS, waited, self.name)
            try:
                yield connection
            finally:
                await self._pool.release(connection)

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """The rows of one statement."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> str:
        """Run one statement; its command tag."""
        async with self.connection() as connection:
            return await connection.execute(sql, *arguments)

    async def close(self) -> None:
        """Close gracefully; a connection that hangs is cut after a moment."""
        try:
            async with asyncio.timeout(3):
                await self._pool.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._pool.terminate()


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except Exception as error:
        mine = translate(error)
        if mine is None:
            raise
        raise mine from error


def translate(error: BaseException) -> HomingError | None:
    """Our error for the driver's, or None if it is not the driver's."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state.startswith(_AWAY) and state != _CANCELLED:
            return StorageUnavailable(f"[{state}] {error}")
        return StatementFailed(state, str(error), error.constraint_name or "")
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return StatementFailed("22000", str(error))  # the driver itself refused a value
    # The last one is what the driver says of a connection that was cut under it.
    if isinstance(
        error, (asyncpg.InterfaceError, OSError, TimeoutError, asyncpg.InternalClientError)
    ):
        return StorageUnavailable(f"{type(error).__name__}: {error}".removesuffix(": "))
    return None
