"""One run, from an empty folder to a history: start, send and torment, heal, settle, ask, read."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from torture import answers, planning
from torture.clients import Clients, new_owners, telling
from torture.faults import Tormentor
from torture.history import Asked, Fault, Final, Lag, Log, Memory, Phase, Sent
from torture.options import Options
from torture.reaching import Reaching, Unreachable
from torture.stage import Member, NotStarted, Stage

MEMORY_SECONDS = 5.0
LAG_SECONDS = 0.05
WATCHED_FROM_SECONDS = 180.0
"""A run of this length spares one API and one reactor, so that their memory can be watched."""
ASK_SECONDS = 30.0
ASKED_ANYWAY = 100
PAGE = 200
FAULTS_MAX = 100_000
Say = Callable[[str], None]


async def run(options: Options, folder: Path, say: Say) -> None:
    """Make the history of a run in `folder`.

    Raises `NotStarted` or a `HomingError` if it could not begin.
    """
    stage = Stage(options, folder)
    try:
        await stage.start()
        say(f"{options.apis} APIs and {options.reactors} reactors run; sending")
        with closing(Log(folder / "history.jsonl")) as log:
            async with _talking(options, stage) as reaching:
                await _play(options, stage, log, reaching, say)
    finally:
        await stage.stop()


@asynccontextmanager
async def _talking(options: Options, stage: Stage) -> AsyncIterator[Reaching]:
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        yield Reaching(session, lambda: [api.url for api in stage.apis], options.seed)


async def _play(options: Options, stage: Stage, log: Log, reaching: Reaching, say: Say) -> None:
    owners = await new_owners(reaching, options.owners)
    commands = planning.Commands(options.seed, options.keys)
    clients = Clients(reaching, log, owners, commands, options.seed)
    clients.repeat_share, clients.window = options.repeat_share, options.window_seconds
    spare = _spared(options, stage)
    tormentor = Tormentor(stage, log, _faults(options), lambda fault: say(line(fault)), spare)
    async with _beside(
        tormentor.watch(),
        _watch_memory(stage, log),
        _watch_lag(log),
        *(ear.listen() for ear in clients.ears),
    ):
        await _until_open(clients)
        log.write(Phase(t=log.now, name="send"))
        await asyncio.gather(
            clients.send(options.rate, options.duration), tormentor.run(options.duration)
        )
        used = resource.getrusage(resource.RUSAGE_SELF)
        share = (used.ru_utime + used.ru_stime) / log.now
        log.write(Phase(t=log.now, name="settle", note=f"{share:.0%} of a core"))
        say(f"{log.now:8.1f}  everything is healed; {len(clients.untold)} are still to be told")
        await clients.settle(options.settle)
        log.write(Phase(t=log.now, name="ask"))
        await _ask(reaching, log, clients)
        log.write(Phase(t=log.now, name="read"))
        await _read(reaching, log)
        stored = await stage.stored()
        log.write(Phase(t=log.now, name="end", note=f"{stored} messages in the stream"))


def _faults(options: Options) -> list[planning.PlannedFault]:
    kinds = options.fault_kinds
    if not kinds:
        return []
    count = min(FAULTS_MAX, int(options.duration / options.pace * 20) + len(kinds))
    return list(itertools.islice(planning.faults(options.seed, kinds, options.pace), count))


def _spared(options: Options, stage: Stage) -> list[Member]:
    if options.duration < WATCHED_FROM_SECONDS:
        return []
    return [stage.apis[0], stage.reactors[0]]


def line(fault: Fault) -> str:
    """A fault, as it is told while the run goes on."""
    return f"{fault.t:8.1f}  {fault.kind:<14} {fault.whom:<11} {fault.note}".rstrip()


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the block, and end them with it; if one of them fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def _until_open(clients: Clients) -> None:
    """Every owner's stream has said where it stands."""
    async with asyncio.timeout(30):
        while not all(ear.cursor for ear in clients.ears):  # noqa: ASYNC110 - seven of others
            await asyncio.sleep(0.05)


async def _watch_lag(log: Log) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        before = clock()
        await asyncio.sleep(LAG_SECONDS)
        late = clock() - before - LAG_SECONDS
        if late > LAG_SECONDS:
            log.write(Lag(t=log.now, seconds=round(late, 3)))


async def _watch_memory(stage: Stage, log: Log) -> None:
    while True:
        for member in stage.members:
            with contextlib.suppress(psutil.Error):
                if not member.ended:
                    mib = psutil.Process(member.pid).memory_info().rss / 2**20
                    log.write(
                        Memory(t=log.now, process=member.name, pid=member.pid, mib=round(mib, 2))
                    )
        log.flush()
        await asyncio.sleep(MEMORY_SECONDS)


async def _ask(reaching: Reaching, log: Log, clients: Clients) -> None:
    """The status of whatever was not told, and of some that were."""
    missing = clients.untold
    told = sorted(clients.told & clients.accepted.keys())
    others = random.Random(0).sample(told, min(ASKED_ANYWAY, len(told)))
    for start in range(0, len(missing) + len(others), 50):
        some = [*missing, *others][start : start + 50]
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
                await asyncio.sleep(0.3)
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


async def _read(reaching: Reaching, log: Log) -> None:
    """The whole read model, by the query that everybody has. Raises `NotStarted`."""
    path: str | None = f"/api/chains?limit={PAGE}"
    async with asyncio.timeout(ASK_SECONDS * 4):
        while path is not None:
            try:
                status, body = await reaching.get(path, {})
            except Unreachable:
                await asyncio.sleep(0.3)
                continue
            if status == 503:
                await asyncio.sleep(0.3)
                continue
            if status != 200:
                raise NotStarted(f"the read model was not read: {status} {body[:200]!r}")
            page = answers.page.decode(body)
            for row in page.items:
                log.write(Final(t=log.now, row=row))
            path = page.next
