"""Our processes in tests: inside the test's own loop, or as real processes that can be killed."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from homing.lifecycle import Lifecycle
from homing.local import ports
from homing.settings import ApiSettings, ReactorSettings, WebSettings, load
from homing_api.main import api
from homing_reactor.main import reactor
from homing_web.main import serve_web
from support.place import Place
from support.waiting import until

TESTS = Path(__file__).parent.parent
TALLY = Path(__file__).parent / "tally"
ROLES = {"api": "homing_api", "reactor": "homing_reactor", "web": "homing_api"}


@asynccontextmanager
async def running_api(place: Place, **changes: Any) -> AsyncIterator[str]:
    """An API in this loop; its base URL. `changes` are settings."""
    port, internal = ports.free(2)
    environ = place.environ("homing_api") | {
        "HOMING_PORT": str(port),
        "HOMING_INTERNAL_PORT": str(internal),
        "HOMING_DRAIN_SECONDS": "1",
        **{f"HOMING_{name.upper()}": str(value) for name, value in changes.items()},
    }
    lifecycle = Lifecycle()
    task = asyncio.create_task(api(load(ApiSettings, environ), lifecycle))
    try:
        await _started(task, lifecycle)
        await until_answers(f"http://127.0.0.1:{port}/api/session")
        yield f"http://127.0.0.1:{port}"
    finally:
        lifecycle.stopping.set()
        await task


@asynccontextmanager
async def running_reactor(place: Place, **changes: Any) -> AsyncIterator[None]:
    """A reactor in this loop."""
    environ = place.environ("homing_reactor") | {
        "HOMING_INTERNAL_PORT": str(ports.free()[0]),
        **{f"HOMING_{name.upper()}": str(value) for name, value in changes.items()},
    }
    lifecycle = Lifecycle()
    task = asyncio.create_task(reactor(load(ReactorSettings, environ), lifecycle))
    try:
        await _started(task, lifecycle)
        yield
    finally:
        lifecycle.stopping.set()
        await task


class Web(NamedTuple):
    """The ports of a web process."""

    public: int
    internal: int


@asynccontextmanager
async def running_web(api_url: str, **changes: Any) -> AsyncIterator[Web]:
    """A web process in this loop, in front of `api_url`."""
    web = Web(*ports.free(2))
    environ = {
        "HOMING_API_URL": api_url,
        "HOMING_PORT": str(web.public),
        "HOMING_INTERNAL_PORT": str(web.internal),
        "HOMING_DRAIN_SECONDS": "0",
        **{f"HOMING_{name.upper()}": str(value) for name, value in changes.items()},
    }
    lifecycle = Lifecycle()
    task = asyncio.create_task(serve_web(load(WebSettings, environ), lifecycle))
    try:
        await until_answers(f"http://127.0.0.1:{web.internal}/readyz")
        yield web
    finally:
        lifecycle.stopping.set()
        await task


async def _started(task: asyncio.Task[None], lifecycle: Lifecycle) -> None:
    started = asyncio.create_task(lifecycle.started.wait())
    await asyncio.wait((task, started), timeout=20, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    assert lifecycle.started.is_set(), "it did not start"


async def until_answers(url: str, seconds: float = 20) -> None:
    """Return once a GET is answered with 200."""
    async with httpx.AsyncClient() as client:

        async def answers() -> bool:
            try:
                return (await client.get(url)).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers, seconds)


class Process:
    """A process of ours, as its container would run it."""

    def __init__(self, kind: str, place: Place, faulty: Sequence[str] = (), **environ: str) -> None:
        """`kind` is `api` or `reactor`; `environ` is added to its environment.

        `faulty` is a fault of `support.faulty`, with its flag if it has one.
        """
        self.kind = kind
        self._module = ["support.faulty", kind, *faulty] if faulty else ["homing", kind]
        self.port, self.internal = ports.free(2)
        self._environ = {
            **os.environ,
            **place.environ(ROLES[kind]),
            "PYTHONPATH": os.pathsep.join((str(TALLY), *([str(TESTS)] if faulty else []))),
            "HOMING_PORT": str(self.port),
            "HOMING_INTERNAL_PORT": str(self.internal),
            **environ,
        }
        self._log = Path(tempfile.mkstemp(prefix="homing-test-", suffix=".log")[1])
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The public base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self.running.pid

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process itself."""
        assert self._running is not None
        return self._running

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text("utf-8")

    @property
    def log_path(self) -> Path:
        """The file of it."""
        return self._log

    def with_settings(self, **environ: str) -> Process:
        """The same, not running, with other settings: on its ports, and with its log."""
        other = copy.copy(self)
        other._environ = self._environ | environ
        other._running = None
        return other

    def command(self) -> list[str]:
        """Its command line."""
        return [sys.executable, "-m", *self._module]

    def start(self) -> Process:
        """Start it; it may take a moment until it is ready."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self.command(),
                env=self._environ, stdout=log, stderr=log,
            )  # fmt: skip
        return self

    async def ready(self) -> Process:
        """Return once its probe says ready."""
        try:
            await until_answers(f"http://127.0.0.1:{self.internal}/readyz")
        except AssertionError:
            raise AssertionError(f"{self.kind} is not ready:\n{self.log}") from None
        return self

    def send(self, signum: signal.Signals) -> None:
        """Send a signal."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signum)

    async def wait(self) -> int:
        """Its exit code, once it ended by itself."""
        assert self._running is not None
        return await asyncio.to_thread(self._running.wait, 30)

    async def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for its end; the exit code."""
        if self._running is None:
            return 0
        self.send(signal.SIGCONT)
        self.send(signum)
        return await asyncio.to_thread(self._running.wait, 30)
