"""The system under torture: servers of its own, and every process of Homing as a real one.

All are children that the kernel kills when the harness dies, so that nothing is left running. Each
reactor reaches each server through a proxy of its own, and can be cut off from one alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import nats

from homing.local import access, ports, program
from homing.local.nats import LocalNats
from homing.local.postgres import LocalPostgres
from homing.partition import STREAM
from support.running import until_answers
from torture.options import Options
from torture.proxy import Proxy

TESTS = Path(__file__).parents[1]
DOMAIN = Path(__file__).parent / "domain"
SESSION_KEY = "the torture run's own key, long enough to be one"
START_SECONDS, END_SECONDS = 60.0, 30.0
UNBOUND = """
ALTER TABLE homing.outcomes DROP CONSTRAINT outcomes_pkey;
CREATE INDEX outcomes_command ON homing.outcomes (command_id);
ALTER TABLE homing.events DROP CONSTRAINT events_pkey;
"""


class NotStarted(Exception):
    """The run could not begin."""


class Member:
    """An API or a reactor, from its start to its end."""

    def __init__(self, name: str, environ: dict[str, str], words: list[str], log: Path) -> None:
        self.name = name
        self.environ = environ
        self.proxies: dict[str, Proxy] = {}
        self.busy = False
        """Something is being done to it."""
        self.ending = False
        """Its end is intended."""
        self._words = words
        self._log = log
        self._program: program.Program | None = None

    @property
    def url(self) -> str:
        """The public base URL."""
        return f"http://{ports.LOOPBACK}:{self.environ['HOMING_PORT']}"

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.program.pid

    @property
    def program(self) -> program.Program:
        """The process."""
        assert self._program is not None, "not started"
        return self._program

    @property
    def ended(self) -> bool:
        """Whether there is no process."""
        return self._program is None or self._program.exit_code is not None

    async def start(self) -> None:
        """Start the process; it may take a moment until it is ready."""
        self.ending = False
        with self._log.open("ab") as log:
            self._program = await program.start(
                [sys.executable, "-m", *self._words],
                parting=signal.SIGKILL, output=log, environ=self.environ,
            )  # fmt: skip

    async def ready(self) -> None:
        """Return once its probe says ready. Raises `NotStarted`."""
        port = self.environ["HOMING_INTERNAL_PORT"]
        try:
            await until_answers(f"http://{ports.LOOPBACK}:{port}/readyz", START_SECONDS)
        except AssertionError:
            raise NotStarted(f"{self.name} was not ready; see {self._log}") from None

    async def end(self, signum: signal.Signals) -> None:
        """End it, by a signal; by force if that takes too long."""
        self.ending = True
        if self._program is not None:
            self._program.send(signal.SIGCONT)
            await self._program.stop(signum, END_SECONDS)


class Stage:
    """Everything that runs."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.nats = LocalNats(folder / "nats")
        self.postgres = LocalPostgres(folder / "postgres")
        self.apis: list[Member] = []
        self.reactors: list[Member] = []
        self._number = 0

    @property
    def members(self) -> list[Member]:
        """Every process of Homing."""
        return [*self.apis, *self.reactors]

    async def start(self) -> None:
        """Servers, migration, processes. Raises `NotStarted` or `HomingError`."""
        await asyncio.gather(self.nats.start(), self.postgres.start())
        await self._migrate()
        self.apis = [self._api(number + 1) for number in range(self.options.apis)]
        await asyncio.gather(
            *(self.add_reactor() for _ in range(self.options.reactors)),
            *(api.start() for api in self.apis),
        )
        await asyncio.gather(*(member.ready() for member in self.members))

    async def stop(self) -> None:
        """End everything, those who ask before those who answer."""
        await asyncio.gather(*(api.end(signal.SIGTERM) for api in self.apis))
        await asyncio.gather(*(self.remove(one, signal.SIGTERM) for one in list(self.reactors)))
        await asyncio.gather(self.nats.stop(), self.postgres.stop())

    async def add_reactor(self) -> Member:
        """Start one more, with ways of its own to the servers."""
        self._number += 1
        name = f"reactor-{self._number}"
        to_nats, to_postgres, internal = ports.free(3)
        proxies = {
            "nats": Proxy(to_nats, self.nats.port),
            "postgres": Proxy(to_postgres, self.postgres.port),
        }
        for proxy in proxies.values():
            await proxy.start()
        environ = self._environ(access.REACTOR) | {
            "HOMING_NATS_URL": _through(self.nats.url, to_nats),
            "HOMING_POSTGRES_URL": _through(self.postgres.url_of(access.REACTOR), to_postgres),
            "HOMING_INTERNAL_PORT": str(internal),
            "HOMING_LEASE_SECONDS": str(self.options.lease),
            "HOMING_ROUND_MAX_COMMANDS": str(self.options.round_max),
        }
        without = self.options.without
        words = ["torture.crippled", without] if without else ["homing", "reactor"]
        member = Member(name, environ, words, self.folder / f"{name}.log")
        member.proxies = proxies
        await member.start()
        self.reactors.append(member)
        return member

    async def remove(self, reactor: Member, signum: signal.Signals) -> None:
        """End a reactor for good."""
        if reactor in self.reactors:
            self.reactors.remove(reactor)
        await reactor.end(signum)
        for proxy in reactor.proxies.values():
            await proxy.stop()

    async def sql(self, statement: str, *arguments: object) -> str:
        """Run a statement as the superuser. Raises `OSError` or `asyncpg.PostgresError`."""
        connection = await asyncpg.connect(self.postgres.url, timeout=5)
        try:
            return str(await connection.execute(statement, *arguments, timeout=5))
        finally:
            await connection.close()

    async def stored(self) -> int:
        """How many messages the stream has got."""
        client = await nats.connect(self.nats.url)
        try:
            return int((await client.jetstream().stream_info(STREAM)).state.messages)
        finally:
            await client.close()

    def _api(self, number: int) -> Member:
        port, internal = ports.free(2)
        environ = self._environ(access.API) | {
            "HOMING_PORT": str(port),
            "HOMING_INTERNAL_PORT": str(internal),
            "HOMING_DRAIN_SECONDS": "1",
            "HOMING_STREAMS_PER_OWNER": "1000",
        }
        name = f"api-{number}"
        return Member(name, environ, ["homing", "api"], self.folder / f"{name}.log")

    async def _migrate(self) -> None:
        environ = self._environ(access.MIGRATOR) | {
            "HOMING_DUPLICATE_WINDOW_SECONDS": str(self.options.window_seconds),
        }
        log = self.folder / "migrate.log"
        with log.open("ab") as output:
            migrating = await program.start(
                [sys.executable, "-m", "homing", "migrate"],
                parting=signal.SIGKILL, output=output, environ=environ,
            )  # fmt: skip
        if await migrating.wait() != 0:
            raise NotStarted(f"homing migrate failed; see {log}")
        if self.options.without in ("known", "fence", "dedupe"):
            # The primary keys would hide it: they refuse the second effect that is to be seen.
            await self.sql(UNBOUND)

    def _environ(self, role: str) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("HOMING_")
        }
        return inherited | {
            "PYTHONPATH": os.pathsep.join((str(DOMAIN), str(TESTS))),
            "HOMING_NATS_URL": self.nats.url,
            "HOMING_POSTGRES_URL": self.postgres.url_of(role),
            "HOMING_PARTITIONS": str(self.options.partitions),
            "HOMING_SESSION_KEYS": SESSION_KEY,
            "HOMING_LOG_FORMAT": "json",
        }


def _through(url: str, port: int) -> str:
    """The URL of a server, by way of another port of this machine."""
    return url.replace(f":{urlsplit(url).port}", f":{port}", 1)
