"""The end of a run: ask for what was not told, and read the whole read model. All over HTTP."""

from __future__ import annotations

import asyncio
import random

import msgspec

from torture import answers
from torture.clients import Clients
from torture.history import Asked, Final, Log, Sent
from torture.reaching import Reaching, Unreachable
from torture.stage import NotStarted
from torture.wire import telling

ASK_SECONDS = 30.0
READ_SECONDS = 120.0
ASKED_ANYWAY = 100
AT_ONCE = 50
PAGE = 200
PAUSE_SECONDS = 0.3


async def ask(reaching: Reaching, log: Log, clients: Clients) -> None:
    """The status of whatever was not told, and of some that were."""
    missing = clients.untold
    told = sorted(clients.told & clients.accepted.keys())
    others = random.Random(0).sample(told, min(ASKED_ANYWAY, len(told)))
    for start in range(0, len(missing) + len(others), AT_ONCE):
        some = [*missing, *others][start : start + AT_ONCE]
        await asyncio.gather(*(_status(reaching, log, clients, one) for one in some))


async def _status(reaching: Reaching, log: Log, clients: Clients, command_id: str) -> None:
    sent, accepted = clients.accepted[command_id]
    owner = clients.owners[sent.owner]
    path = f"/api/commands/{command_id}"
    if accepted is not None:
        path += f"?seq={accepted.position.sequence}"
    said = ""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            while True:
                try:
                    status, body = await reaching.get(path, owner.headers)
                except Unreachable as error:
                    said = str(error)
                else:
                    said = f"{status}: {body[:200].decode(errors='replace')}"
                    if status not in (502, 503):
                        break
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        return
    _asked(log, sent, said, body if status == 200 else b"")


def _asked(log: Log, sent: Sent, said: str, body: bytes) -> None:
    try:
        outcome = answers.outcome.decode(body)
    except msgspec.DecodeError:
        log.write(Asked(t=log.now, key=sent.key, number=sent.number, answer=said))
    else:
        log.write(telling(log.now, sent.owner, "asked", outcome))


async def read(reaching: Reaching, log: Log) -> None:
    """The whole read model, by the query that everybody has. Raises `NotStarted`."""
    path: str | None = f"/api/chains?limit={PAGE}"
    async with asyncio.timeout(READ_SECONDS):
        while path is not None:
            try:
                status, body = await reaching.get(path, {})
            except Unreachable:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if status == 503:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if status != 200:
                raise NotStarted(f"the read model was not read: {status} {body[:200]!r}")
            page = answers.page.decode(body)
            for row in page.items:
                log.write(Final(t=log.now, row=row))
            path = page.next
