"""Servers of a test's own, whose data folders are copied while they stand still, and put back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from homing.local.nats import LocalNats
from homing.local.postgres import LocalPostgres
from support.place import Servers, open_folder


class Backups:
    """Cold copies of both stores, by name."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._folder = folder
        self.servers = servers

    async def save(self, name: str) -> None:
        """Copy both stores as they are; they are stopped for it and start again."""
        for store in ("nats", "postgres"):
            await self._copy(store, self._data(store), self._folder / name / store)

    async def restore(self, name: str, store: str) -> None:
        """Put `nats` or `postgres` back to a copy."""
        await self._copy(store, self._folder / name / store, self._data(store))

    def _data(self, store: str) -> Path:
        inside = {"nats": "jetstream", "postgres": "cluster"}[store]
        return self._folder / store / inside

    async def _copy(self, store: str, source: Path, target: Path) -> None:
        server: LocalNats | LocalPostgres = getattr(self.servers, store)
        await server.stop()
        await asyncio.to_thread(_copied, source, target)
        await server.start()


def _copied(source: Path, target: Path) -> None:
    owner = source.stat()
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):  # under root, Postgres is another account's
        shutil.chown(path, owner.st_uid, owner.st_gid)


@asynccontextmanager
async def own_servers() -> AsyncIterator[Backups]:
    """NATS and Postgres for one test alone."""
    folder = open_folder()
    servers = Servers(LocalNats(folder / "nats"), LocalPostgres(folder / "postgres"))
    try:
        await servers.nats.start()
        await servers.postgres.start()
        yield Backups(folder, servers)
    finally:
        await servers.nats.stop()
        await servers.postgres.stop()
        shutil.rmtree(folder)
