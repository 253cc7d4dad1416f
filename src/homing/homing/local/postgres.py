"""Postgres on one machine: the server of the wheel, on one loopback port, no Unix socket.

Started as our own child, not through `pg_ctl`, so that it can be tethered and watched.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

from homing.local import access, account, cluster, ports, program, wheels
from homing.local.private import Secrets
from homing.local.trouble import ServerFailed

START_SECONDS = 60.0
SETTINGS: Mapping[str, str] = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_checkpoints": "off",
}
MEMORY_IN_USE = "still in use"


class LocalPostgres:
    """A Postgres server that can be stopped, killed and started again on the same port and folder.

    After `start` the database `homing` and the roles in `roles` are there.
    """

    def __init__(
        self, folder: Path, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        """Nothing happens before `start`; port 0 is a free one, kept for restarts."""
        self._folder = folder.absolute()
        self._cluster = self._folder / "cluster"
        self._port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._program: program.Program | None = None
        self._secrets = Secrets(self._folder / "passwords.json")

    @property
    def port(self) -> int:
        """Where it listens; 0 before the first start with port 0."""
        return self._port

    @property
    def url(self) -> str:
        """The superuser's, for the database `homing`."""
        return self.url_of(access.SUPERUSER)

    @property
    def roles(self) -> dict[str, str]:
        """URL by role: `homing_migrator`, `homing_api`, `homing_reactor`."""
        return {role: self.url_of(role) for role in access.ROLES}

    def url_of(self, role: str, database: str = access.DATABASE) -> str:
        """The URL of a role that was made by `start` or `ensure_role`."""
        return access.url(role, self._secrets[role], self._port, database)

    @property
    def pid(self) -> int:
        """Of the running server's first process."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the server was started and did not end."""
        return self._program is not None and self._program.exit_code is None

    @property
    def log(self) -> Path:
        """What the server said since its last start."""
        return self._folder / "postgres.log"

    @property
    def first_time(self) -> bool:
        """Whether `start` will have to create the cluster."""
        return not self._cluster.exists()

    async def start(self) -> None:
        """Start and return when it takes connections.

        Raises `ServerFailed`, `MissingWheel`, `FolderTrouble`, or `LocalTrouble` as root.
        """
        if self.running:
            return
        wheels.postgres()
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        runs_as = account.choose(self._cluster)
        if runs_as is not None:
            self._folder.chmod(0o711)
        password = self._secrets[access.SUPERUSER]
        await cluster.prepare(self._cluster, password, self.log, runs_as)
        if not self._port:
            self._port = ports.free()[0]
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._started_once(runs_as):  # noqa: ASYNC110 - see there
                    await asyncio.sleep(0.1)
            await self._ensure_all()
        except TimeoutError:
            await self.kill()
            why = f"not ready after {START_SECONDS:.0f} s"
            raise ServerFailed("Postgres", why, self.log) from None
        except BaseException:
            await self.kill()
            raise

    async def ensure_role(self, name: str) -> str:
        """Make a role that may log in, with a password of its own; its URL."""
        await access.execute(self.url, self._role_sql(name))
        return self.url_of(name)

    async def ensure_database(self, name: str) -> None:
        """Make a database like `homing`: the migrator's, open to API and reactor."""
        await access.execute(self.url_of(access.SUPERUSER, "postgres"), access.database_sql(name))

    async def drop_database(self, name: str) -> None:
        """Remove a database, cutting its connections."""
        sql = f"DROP DATABASE IF EXISTS {access.checked(name)} WITH (FORCE);"
        await access.execute(self.url_of(access.SUPERUSER, "postgres"), sql)

    async def wait(self) -> int:
        """The exit code, once the server ended."""
        return await self._started().wait()

    async def stop(self, grace_seconds: float = 20.0) -> None:
        """SIGINT (cut connections, write a checkpoint), and SIGKILL after the grace."""
        if self.running:
            await self._started().stop(signal.SIGINT, grace_seconds)

    async def kill(self) -> None:
        """SIGQUIT: end at once, as a crash; the next start recovers."""
        if self.running:
            await self._started().stop(signal.SIGQUIT, 10.0)

    def _started(self) -> program.Program:
        if self._program is None:
            raise RuntimeError("Postgres was not started")
        return self._program

    async def _started_once(self, runs_as: account.Account | None) -> bool:
        """Start the server; False if a killed server's processes still hold its memory."""
        settings = {**self._settings, "port": str(self._port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        argv = [wheels.postgres(), "-D", self._cluster, *options]
        with self.log.open("wb") as log:
            self._program = await program.start(
                argv, parting=signal.SIGINT, output=log, account=runs_as
            )
        while self._program.exit_code is None:
            if self._ready(self._program.pid):
                return True
            await asyncio.sleep(0.02)
        if MEMORY_IN_USE in self.log.read_text("utf-8", errors="replace"):
            return False
        raise ServerFailed("Postgres", f"exit code {self._program.exit_code}", self.log)

    def _ready(self, pid: int) -> bool:
        """The server's own word, where `pg_ctl` reads it too."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text("utf-8").splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    async def _ensure_all(self) -> None:
        """In the database that always exists, as `homing` may not yet."""
        made = map(self._role_sql, access.ROLES)
        sql = "".join([*made, access.database_sql(access.DATABASE)])
        await access.execute(self.url_of(access.SUPERUSER, "postgres"), sql)

    def _role_sql(self, role: str) -> str:
        return access.role_sql(role, f"'{self._secrets[role]}'")
