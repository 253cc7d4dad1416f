"""`homing up`: everything on this machine, from one terminal, and all of it gone after Ctrl-C.

Composition: lock the folder, choose ports, start the servers, migrate, start reactors, API and
web, wait until all are ready, watch. The stopping goes the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from homing.errors import HomingError
from homing.local import child, plan
from homing.local.child import Child
from homing.local.folder import DataFolder
from homing.local.options import Options
from homing.local.plan import Place, Ports
from homing.local.private import write_private
from homing.local.screen import Screen
from homing.local.servers import Servers
from homing.local.stopping import Stopping
from homing.local.trouble import FolderTrouble

GRACE_SECONDS = 15.0


def run(options: Options) -> None:
    """Run until a signal comes. Raises `HomingError` if it cannot start."""
    file = options.ports_file
    if file is not None and not file.absolute().parent.is_dir():
        raise FolderTrouble(f"the folder of --ports-file {file} does not exist.")
    folder = DataFolder(options.data)
    with folder.held(), _absent_before_and_after(file):
        chosen = plan.choose_ports(options)
        folder.note(plan.origin(chosen.web))
        asyncio.run(Up(options, folder, chosen, Screen(sys.stdout)).run())


@contextlib.contextmanager
def _absent_before_and_after(file: Path | None) -> Iterator[None]:
    """Who waits for the ports file must not read that of an earlier run."""
    try:
        if file is not None:
            file.unlink(missing_ok=True)
        yield
    finally:
        if file is not None:
            file.unlink(missing_ok=True)


class Up:
    """One run of `homing up`."""

    def __init__(self, options: Options, folder: DataFolder, chosen: Ports, screen: Screen) -> None:
        self._options = options
        self._folder = folder
        self._ports = chosen
        self._screen = screen
        self._servers = Servers(folder, screen)
        self._stopping = Stopping(self._hurry)
        self._reactors: list[Child] = []
        self._front: list[Child] = []

    async def run(self) -> None:
        """Start, watch, stop. Failures are kept until all is stopped, then raised."""
        failure: HomingError | None = None
        self._stopping.listen()
        async with asyncio.TaskGroup() as group:
            try:
                await self._stopping.unless_asked(self._start(group))
                await self._stopping.asked.wait()
            except HomingError as error:
                failure = error
            finally:
                await self._stop()
        if failure is not None:
            raise failure

    async def _start(self, group: asyncio.TaskGroup) -> None:
        await self._servers.start(self._options.fresh)
        self._servers.watch(group.create_task)
        self._screen.say("migrating")
        inherited = plan.inherited(os.environ)
        place = self._place()
        await child.once("migrate", {**inherited, **plan.migrate(place)}, self._screen)
        self._make_children(place, inherited)
        self._screen.say(f"starting {', '.join(one.name for one in self._children)}")
        for one in self._children:
            group.create_task(one.supervise())
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(one.until_ready(session) for one in self._children))
        self._write_ports_file()
        for one in self._children:
            one.restarted = self._write_ports_file
        await self._screen.until_quiet()
        for line in plan.internal(self._ports):
            self._screen.say(line)
        self._screen.say("everything is ready; Ctrl-C stops it")
        self._screen.bare(plan.origin(self._ports.web))

    def _place(self) -> Place:
        urls = self._servers.postgres.roles
        return Place(self._servers.nats.url, urls, self._folder.session_key)

    def _make_children(self, place: Place, inherited: dict[str, str]) -> None:
        self._reactors = [
            Child(
                f"reactor-{number}",
                "reactor",
                {**inherited, **plan.reactor(place, port)},
                self._screen,
            )
            for number, port in enumerate(self._ports.internal_reactors, 1)
        ]
        api, web = plan.api(place, self._ports), plan.web(self._ports)
        self._front = [
            Child("web", "web", {**inherited, **web}, self._screen),
            Child("api", "api", {**inherited, **api}, self._screen),
        ]

    @property
    def _children(self) -> list[Child]:
        """In the order of stopping: those who ask before those who answer."""
        return [*self._front, *self._reactors]

    def _write_ports_file(self) -> None:
        """Where everything is, for programs; written anew when a restart changes a pid."""
        if self._options.ports_file is None:
            return
        web, api = self._front
        facts = {
            "url": plan.origin(self._ports.web),
            "api": plan.origin(self._ports.api),
            "internal": {
                "api": plan.origin(self._ports.internal_api),
                "web": plan.origin(self._ports.internal_web),
                "reactors": [plan.origin(port) for port in self._ports.internal_reactors],
            },
            "nats": self._servers.nats.url,
            "postgres": self._servers.postgres.url,
            "pids": {"api": api.pid, "web": web.pid, "reactors": [r.pid for r in self._reactors]},
        }
        write_private(self._options.ports_file.absolute(), json.dumps(facts, indent=2) + "\n")

    async def _stop(self) -> None:
        self._screen.say("stopping; Ctrl-C again to hurry" if self._children else "stopping")
        for one in self._front:
            await one.stop(GRACE_SECONDS)
        async with asyncio.TaskGroup() as group:
            for one in self._reactors:
                group.create_task(one.stop(GRACE_SECONDS))
        await self._servers.stop()
        self._screen.say("stopped")

    def _hurry(self) -> None:
        self._screen.say("killing what still runs")
        for one in self._children:
            one.hurry()
