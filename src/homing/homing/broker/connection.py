"""The one NATS connection of a process, and whether it is really alive.

`is_connected` alone is no proof: the read loop of nats-py can die while it stays true
(nats.py#914). So a pulse goes through the server and back; a process whose pulse stops for a
minute, while a fresh connection works, has to exit.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import SlowConsumerError

from homing import telemetry
from homing.errors import BrokerUnavailable
from homing.log import get
from homing.permissions import inbox

log = get(__name__)
PULSE_SECONDS = 5.0
DEAD_AFTER_SECONDS = 60.0


class _Client(Client):
    """nats-py's, but for subjects that are no UTF-8: at one of them its connection would break, and
    again at each delivery of that message. NATS itself takes them from any publisher."""

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Any:
        readable = subject.decode(errors="replace").encode()
        return super()._build_message(sid, readable, reply, data, headers)


class Broker:
    """A connection that never gives up, and tells when something may have been missed."""

    def __init__(self, url: str, process: str) -> None:
        self._url = url
        self._process = process
        self._nc: Client = _Client()
        self._doubts: list[Callable[[str], None]] = []
        self._closing = False
        self.reconnects = 0
        self.last_pulse = time.monotonic()

    @property
    def client(self) -> Client:
        """For this package alone."""
        return self._nc

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the server at this moment."""
        return bool(self._nc.is_connected)

    def on_doubt(self, call: Callable[[str], None]) -> None:
        """Call `call(why)` whenever messages may have been missed: slow-consumer, reconnected."""
        self._doubts.append(call)

    async def open(self) -> None:
        """Connect. Raises `BrokerUnavailable`; the caller waits and tries again."""
        try:
            await _probe(self._url)
            await self._nc.connect(
                self._url,
                name=f"homing-{self._process}-{os.getpid()}",
                inbox_prefix=inbox(self._process),
                connect_timeout=2,
                max_reconnect_attempts=-1,  # the default of 60 closes for good
                reconnect_time_wait=0.2,  # type: ignore[arg-type]  # any number works
                ping_interval=5,
                max_outstanding_pings=2,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnected,
                reconnected_cb=self._on_reconnected,
            )
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise BrokerUnavailable(str(error)) from error
        await self._nc.subscribe(self._inbox(), cb=self._on_pulse)

    async def close(self) -> None:
        """Close for good. `drain` would block its whole timeout once a pull emptied its queue."""
        self._closing = True
        await self._nc.close()

    async def pulse(self, dead: Callable[[str], None]) -> None:
        """Send the pulse for ever; call `dead(why)` when only a new process can help."""
        while True:
            if self.connected:
                await self._nc.publish(self._pulse_inbox, b"")
            await asyncio.sleep(PULSE_SECONDS)
            silent = time.monotonic() - self.last_pulse
            if silent > DEAD_AFTER_SECONDS and await self._fresh_connection_works():
                dead(f"no round trip to NATS for {silent:.0f} s, while a new connection works")

    def _inbox(self) -> str:
        self._pulse_inbox = self._nc.new_inbox()
        return self._pulse_inbox

    async def _fresh_connection_works(self) -> bool:
        try:
            await _probe(self._url)
        except (nats.errors.Error, OSError, TimeoutError):
            return False
        return True

    # nats-py's callbacks must never raise: its read loop would die with them.
    async def _on_pulse(self, _message: Msg) -> None:
        self.last_pulse = time.monotonic()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            log.warning("nats.slow_consumer", subject=error.subject)
            telemetry.NATS_SLOW.inc()
            self._doubt("slow-consumer")
        else:
            log.debug("nats.error", error=repr(error))

    async def _on_disconnected(self) -> None:
        if not self._closing:
            log.warning("nats.disconnected")

    async def _on_reconnected(self) -> None:
        self.reconnects += 1
        telemetry.NATS_RECONNECTS.inc()
        log.info("nats.reconnected")
        self._doubt("reconnected")

    def _doubt(self, why: str) -> None:
        for call in self._doubts:
            try:
                call(why)
            except Exception:
                log.exception("nats.doubt_failed", why=why)


async def _probe(url: str) -> None:
    """One connection and back; without it `Client.connect` would retry silently for ever."""

    async def quiet(_error: Exception) -> None:
        return

    # `allow_reconnect` does not count here: a first connection that is refused is tried so often
    # (60 times by default, with 2 s between), and without end with 0.
    options: dict[str, Any] = {
        "allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.1,
        "connect_timeout": 2, "error_cb": quiet,
    }  # fmt: skip
    probe = await nats.connect(url, **options)
    await probe.close()


async def connect(url: str, process: str) -> Broker:
    """A connected broker of a process: `migrate`, `api`, `reactor`. Raises `BrokerUnavailable`."""
    broker = Broker(url, process)
    await broker.open()
    return broker
