"""NATS and Postgres together: started at once, watched, started again on their ports, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from homing.local import cluster, wheels
from homing.local.child import describe
from homing.local.folder import DataFolder
from homing.local.nats import LocalNats
from homing.local.postgres import LocalPostgres
from homing.local.screen import Screen
from homing.local.trouble import LocalTrouble

Server = LocalNats | LocalPostgres
DELAY_SECONDS = 1.0


class Servers:
    """The two servers of one data folder."""

    def __init__(self, folder: DataFolder, screen: Screen) -> None:
        self.nats = LocalNats(folder.nats)
        self.postgres = LocalPostgres(folder.postgres)
        self._folder = folder
        self._screen = screen
        self._watching: list[asyncio.Task[None]] = []

    async def start(self, fresh: bool) -> None:
        """Start both; with `fresh`, on nothing. Raises `LocalTrouble`."""
        wheels.nats_server()
        wheels.postgres()
        if fresh:
            await cluster.until_unused(self._folder.postgres / "cluster")
            self._folder.delete_servers_data()
            self._screen.say(f"deleted what NATS and Postgres stored in {self._folder.path}")
        first = " (first time: creating the database)" if self.postgres.first_time else ""
        self._screen.say("starting NATS")
        self._screen.say(f"starting Postgres{first}")
        results = await asyncio.gather(
            self._timed("NATS", self.nats),
            self._timed("Postgres", self.postgres),
            return_exceptions=True,  # so that neither is left half started
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def watch(self, spawn: Callable[..., asyncio.Task[None]]) -> None:
        """Start a server that dies again, until `stop`; `spawn` makes the tasks."""
        self._watching = [
            spawn(self._keep("NATS", self.nats)),
            spawn(self._keep("Postgres", self.postgres)),
        ]

    async def stop(self) -> None:
        """NATS, then Postgres."""
        for task in self._watching:
            task.cancel()
        if self._watching:
            await asyncio.wait(self._watching)
        await self.nats.stop()
        await self.postgres.stop()

    async def _timed(self, name: str, server: Server) -> None:
        began = time.monotonic()
        await server.start()
        took = time.monotonic() - began
        self._screen.say(f"{name} is ready on port {server.port} ({took:.1f} s)")

    async def _keep(self, name: str, server: Server) -> None:
        while True:
            code = await server.wait()
            self._screen.say(
                f"{name} ended with {describe(code)}; starting it again on port {server.port}"
            )
            while not server.running:
                try:
                    await self._timed(name, server)
                except LocalTrouble as trouble:
                    self._screen.say(str(trouble))
                    await asyncio.sleep(DELAY_SECONDS)
