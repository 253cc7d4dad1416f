"""`homing status` and `homing outcomes`: what became of commands, now or as it comes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from httpx_sse import ServerSentEvent

from homing.cli.calling import Homing, Unreachable
from homing.cli.showing import BY_STATUS, Output, show

RECONNECT_SECONDS = 1.0
STREAM = "/api/outcomes/stream"


async def status(
    homing: Homing, command_id: str, sequence: int | None, *, follow: bool, output: Output
) -> int:
    """Print the status, or with `follow` wait for the outcome; the verdict is the exit code."""
    here = f"/api/commands/{quote(command_id, safe='')}"
    if not follow:
        body = await homing.ask(here if sequence is None else f"{here}?seq={sequence}")
        show(body, output)
        return BY_STATUS[body["status"]]
    async with aclosing(lasting(homing, f"{here}/events")) as events:
        async for event in events:
            if event.event == "outcome":
                body = json.loads(event.data)
                show(body, output)
                return BY_STATUS[body["status"]]
    return BY_STATUS["pending"]


async def outcomes(homing: Homing, limit: int, *, follow: bool, output: Output) -> int:
    """Print the latest outcomes, the newest last; with `follow` go on with those that come."""
    known = (await homing.ask(f"/api/outcomes?limit={limit}"))["items"] if limit else []
    for body in reversed(known):
        show(body, output, lines=True)
    if follow:
        told = {body["command_id"] for body in known}
        async with aclosing(heard(homing)) as coming:
            async for body in coming:
                if body["command_id"] not in told:
                    show(body, output, lines=True)
                    sys.stdout.flush()
    return 0


async def heard(homing: Homing, cursor: str | None = None) -> AsyncGenerator[dict[str, Any], None]:
    """This session's outcomes from a cursor on, for ever."""
    async with aclosing(lasting(homing, STREAM, cursor)) as events:
        async for event in events:
            if event.event == "outcome":
                yield json.loads(event.data)


async def lasting(
    homing: Homing, path: str, cursor: str | None = None
) -> AsyncGenerator[ServerSentEvent, None]:
    """The events of a stream, opened again wherever it ends, for ever."""
    while True:
        try:
            async with aclosing(homing.events(path, cursor)) as events:
                async for event in events:
                    cursor = event.id or cursor
                    yield event
        except Unreachable as error:
            print(f"homing: {error}; trying again", file=sys.stderr)
        await asyncio.sleep(RECONNECT_SECONDS)
