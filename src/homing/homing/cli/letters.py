"""What `homing dead-letters` does, each time on connections of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

from homing import settings
from homing.broker import CommandStream, Publisher, connect, verify
from homing.cli import letter_text
from homing.cli.sending import BadInput
from homing.cli.showing import Output
from homing.desk import Desk
from homing.errors import NotMigrated, TopologyMismatch
from homing.replaying import Done, NotReplayable, Replay, Sent, Wire, original_of
from homing.settings import LettersSettings, ReplaySettings
from homing.storage import Database, RecordedStream, check_schema, recorded_stream
from homing.storage.dead_letters import CONFLICT, Letter, Wanted

PAGE = 100
PUBLISH_SECONDS = 10.0
DERIVED = 8
"""The version of a replay's id (RFC 9562)."""


class Which(Protocol):
    """Which dead letters, as the command line says it."""

    @property
    def reason(self) -> str | None: ...

    @property
    def type(self) -> str | None: ...

    @property
    def key(self) -> str | None: ...


def show_list(
    which: Which, before: int | None, limit: int, output: Output, *, discarded: bool
) -> int:
    """`homing dead-letters list`."""

    async def work(desk: Desk) -> int:
        wanted = Wanted(which.reason, which.type, which.key, discarded)
        found = await desk.letters.newest(wanted, before, limit)
        for letter in found:
            letter_text.show_line(letter, await _last(desk, letter), output)
        if len(found) == limit:
            print(f"homing: there may be more: --before {found[-1].id}", file=sys.stderr)
        return 0

    return _at_desk(work)


def show_one(letter_id: int, output: Output) -> int:
    """`homing dead-letters show`."""

    async def work(desk: Desk) -> int:
        letter_text.show(await desk.shown(letter_id), output)
        return 0

    return _at_desk(work)


def discard(letter_id: int) -> int:
    """`homing dead-letters discard`."""

    async def work(desk: Desk) -> int:
        await desk.discard(letter_id)
        print(f"homing: dead letter {letter_id} is discarded", file=sys.stderr)
        return 0

    return _at_desk(work)


def replay(letter_id: int | None, which: Which, after: int | None, output: Output) -> int:
    """`homing dead-letters replay ID`."""
    if letter_id is None:
        raise BadInput("give either the id of a letter, or --all with a --reason.")
    if after is not None or (which.reason, which.type, which.key) != (None, None, None):
        raise BadInput("--after, --reason, --type and --key go with --all.")
    config = settings.load(ReplaySettings)

    async def work(desk: Desk) -> int:
        async with _wire(config, desk.stream) as wire:
            letter, content = await desk.read(letter_id)
            sent = await desk.replays.send(original_of(letter, content), wire)
        letter_text.show_sent(sent, output)
        if letter.discarded_at is not None:
            at = f"{letter.discarded_at:%Y-%m-%d %H:%M:%S%z}"
            print(f"homing: dead letter {letter_id} was discarded at {at}", file=sys.stderr)
        return 0

    return _at_desk(work)


def replay_all(
    letter_id: int | None, which: Which, after: int | None, limit: int, output: Output
) -> int:
    """`homing dead-letters replay --all`."""
    if letter_id is not None:
        raise BadInput("give either the id of a letter, or --all with a --reason.")
    if which.reason is None:
        raise BadInput("--all needs a --reason.")
    config = settings.load(ReplaySettings)
    wanted = Wanted(which.reason, which.type, which.key)

    async def work(desk: Desk) -> int:
        begin = (0, 0, 0) if after is None else _place((await desk.read(after))[0])
        count, last, whole = 0, None, False
        try:
            async with _wire(config, desk.stream) as wire:
                async for letter, sent in _replay_all(desk, wire, wanted, begin):
                    letter_text.show_sent(sent, output, lines=True)
                    count, last = count + 1, letter.id
                    if count == limit:
                        return 0
            whole = True
        finally:
            print(f"homing: {count} replays were sent", file=sys.stderr)
            if last is not None and not whole:  # at the limit, or broken off
                print(f"homing: there may be more: --after {last}", file=sys.stderr)
        return 0

    return _at_desk(work)


async def _replay_all(
    desk: Desk, wire: Wire, wanted: Wanted, after: tuple[int, int, int]
) -> AsyncIterator[tuple[Letter, Sent]]:
    """In the order of the stream, so that the commands of a key keep theirs among each other."""
    seen: set[str] = set()
    while page := await desk.letters.in_order(wanted, after, PAGE):
        for letter in page:
            after = _place(letter)
            try:
                original = original_of(*await desk.read(letter.id))
                if original.id in seen or await desk.replays.pending(original, wire):
                    continue
                sent = await desk.replays.send(original, wire)
            except (NotReplayable, Done) as error:
                print(f"homing: dead letter {letter.id}: {error}", file=sys.stderr)
                continue
            seen.add(original.id)
            yield letter, sent


def _place(letter: Letter) -> tuple[int, int, int]:
    return letter.incarnation, letter.sequence, letter.id


async def _last(desk: Desk, letter: Letter) -> Replay | None:
    """The last replay of what failed first: the letter of a replay that failed tells of it, too."""
    original = letter.command_id
    if original is None or letter.reason.startswith(f"{CONFLICT}:"):
        return None
    if UUID(original).version == DERIVED:
        try:
            original = original_of(*await desk.read(letter.id)).id
        except NotReplayable:
            return None
    replays = await desk.replays.of(original)
    return replays[-1] if replays else None


def _at_desk(work: Callable[[Desk], Awaitable[int]]) -> int:
    config = settings.load(LettersSettings)

    async def run() -> int:
        database = await Database.open(config.postgres_url, 1)
        try:
            await check_schema(database, {})
            stream = await recorded_stream(database)
            if stream is None:
                raise NotMigrated("the database does not know its stream")
            return await work(Desk.at(database, stream))
        finally:
            await database.close()

    return asyncio.run(run())


@asynccontextmanager
async def _wire(config: ReplaySettings, stream: RecordedStream) -> AsyncIterator[Wire]:
    """To the stream that the database belongs to, and to no other."""
    broker = await connect(config.nats_url, "migrate")
    try:
        facts = await verify(broker, stream.partitions)
        if facts.created_at != stream.created_at:
            raise TopologyMismatch(f"the database belongs to the stream of {stream.created_at}")
        yield Wire(stream, Publisher(broker, 1, PUBLISH_SECONDS), CommandStream(broker))
    finally:
        await broker.close()
