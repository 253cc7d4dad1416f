"""Real NATS and Postgres for tests: one pair of servers per run, all in them new per test."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import nats
from nats.js.errors import NotFoundError

from homing.local import access
from homing.local.nats import LocalNats
from homing.local.postgres import LocalPostgres
from homing.migrate import migrate
from homing.partition import STREAM
from homing.settings import MigrateSettings

_numbers = count(1)
SESSION_KEY = "a test's own key, long enough to be one"


@dataclass(frozen=True)
class Servers:
    """A running pair; whoever stops one starts it again."""

    nats: LocalNats
    postgres: LocalPostgres


@dataclass(frozen=True)
class Place:
    """A stream without commands and a database of its own, migrated."""

    servers: Servers
    database: str
    partitions: int

    @property
    def nats_url(self) -> str:
        """For every process."""
        return self.servers.nats.url

    def postgres_url(self, role: str) -> str:
        """As `homing_api`, `homing_reactor`, `homing_migrator` or `postgres`."""
        return self.servers.postgres.url_of(role, self.database)

    def environ(self, role: str) -> dict[str, str]:
        """What a process of this place needs in its environment."""
        return {
            "HOMING_NATS_URL": self.nats_url,
            "HOMING_POSTGRES_URL": self.postgres_url(role),
            "HOMING_PARTITIONS": str(self.partitions),
            "HOMING_SESSION_KEYS": SESSION_KEY,
            "HOMING_DEMO": "on",
            "HOMING_LOG_FORMAT": "json",
        }

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        """Ask the database as its superuser."""
        connection = await asyncpg.connect(self.postgres_url(access.SUPERUSER))
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def stored(self) -> int:
        """How many commands the stream has."""
        client = await nats.connect(self.nats_url)
        try:
            return int((await client.jetstream().stream_info(STREAM)).state.messages)
        finally:
            await client.close()


def open_folder() -> Path:
    """A folder that another account can enter: as root, Postgres runs under one."""
    folder = Path(tempfile.mkdtemp(prefix="homing-test-"))
    folder.chmod(0o755)
    return folder


@asynccontextmanager
async def running_servers() -> AsyncIterator[Servers]:
    """NATS and Postgres on free ports."""
    folder = open_folder()
    servers = Servers(LocalNats(folder / "nats"), LocalPostgres(folder / "postgres"))
    try:
        await asyncio.gather(servers.nats.start(), servers.postgres.start())
        yield servers
    finally:
        await servers.nats.stop()
        await servers.postgres.stop()
        shutil.rmtree(folder)


@asynccontextmanager
async def fresh_place(
    servers: Servers, partitions: int = 8, **changes: Any
) -> AsyncIterator[Place]:
    """A new database and an empty stream; `changes` go to the settings of `homing migrate`."""
    await asyncio.gather(servers.nats.start(), servers.postgres.start())
    place = Place(servers, f"test_{next(_numbers)}", partitions)
    await delete_stream(place.nats_url)
    await servers.postgres.ensure_database(place.database)
    try:
        await migrate_place(place, **changes)
        yield place
    finally:
        await servers.postgres.start()
        await servers.postgres.drop_database(place.database)


async def migrate_place(place: Place, *, adopt_stream: bool = False, **changes: Any) -> None:
    """`homing migrate` for this place."""
    settings = MigrateSettings(
        nats_url=place.nats_url,
        postgres_url=place.postgres_url(access.MIGRATOR),
        partitions=place.partitions,
        commands_max_bytes=256 * 1024 * 1024,
    )
    await migrate(msgspec.structs.replace(settings, **changes), adopt_stream=adopt_stream)


async def delete_stream(url: str) -> None:
    """Remove the stream of commands, if there is one."""
    client = await nats.connect(url)
    try:
        await client.jetstream().delete_stream(STREAM)
    except NotFoundError:
        pass
    finally:
        await client.close()
