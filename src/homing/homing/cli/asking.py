"""What the commands that speak to a running Homing do, each on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from homing.cli import batches, following, sending
from homing.cli.calling import Homing, homing_at
from homing.cli.sending import BadInput
from homing.cli.showing import Output


class Client(Protocol):
    """Where to ask, as whom, and how to show it."""

    @property
    def url(self) -> str: ...

    @property
    def session_file(self) -> Path | None: ...

    @property
    def output(self) -> Output: ...


class Terms(Protocol):
    """On what terms."""

    @property
    def idempotency_key(self) -> str | None: ...

    @property
    def expires(self) -> str | None: ...


class What(NamedTuple):
    """What `homing send` was told to send."""

    type: str | None
    json: str | None
    file: Path | None
    wait_seconds: float
    terms: Terms


def send(client: Client, what: What) -> int:
    """`homing send`."""
    if (what.json is None) == (what.file is None):
        raise BadInput("give either --json with one payload, or --file with many.")
    if what.file is not None:
        if what.terms.idempotency_key is not None:
            raise BadInput("--idempotency-key is for one command; in a file each has its own.")
        many = batches.Batch(
            what.file, what.type, what.wait_seconds, client.output, what.terms.expires
        )
        return _with(client, lambda homing: batches.send_all(homing, many))
    if what.type is None or what.json is None:
        raise BadInput("--json needs the command's TYPE.")
    one = sending.Sending(
        what.type,
        what.json,
        what.wait_seconds,
        what.terms.idempotency_key,
        client.output,
        what.terms.expires,
    )
    return _with(client, lambda homing: sending.send(homing, one))


def status(client: Client, command_id: str, sequence: int | None, *, follow: bool) -> int:
    """`homing status`."""
    return _with(
        client,
        lambda homing: following.status(
            homing, command_id, sequence, follow=follow, output=client.output
        ),
    )


def outcomes(client: Client, limit: int, *, follow: bool) -> int:
    """`homing outcomes`."""
    return _with(
        client,
        lambda homing: following.outcomes(homing, limit, follow=follow, output=client.output),
    )


def _with(client: Client, work: Callable[[Homing], Awaitable[int]]) -> int:
    async def run() -> int:
        async with homing_at(client.url, client.session_file) as homing:
            return await work(homing)

    return asyncio.run(run())
