"""`homing migrate --adopt-stream`: the database goes on with the stream as it is now.

The way on when the stream was made anew, restored or rolled back, while no reactor runs. Every
partition begins at the stream's first message again, under a new incarnation; what has its outcome
has no second effect. What is older than outcomes are kept cannot be told from what was applied
already: it is listed and skipped.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from homing.broker import CommandStream, Kept, PartitionReading, StreamFacts
from homing.errors import ReactorsRunning
from homing.log import get
from homing.outcome import now
from homing.storage import (
    Database,
    Mark,
    RecordedStream,
    adopt_stream,
    marks,
    running_reactors,
)

log = get(__name__)
LISTED_MAX = 20
"""Of the messages that are skipped; the count is of all."""
SKEW = timedelta(hours=1)
"""How far clocks may differ: an outcome must not be pruned before its message is skipped."""


async def adopt(
    database: Database,
    stream: CommandStream,
    recorded: RecordedStream,
    facts: StreamFacts,
    kept: timedelta,
) -> None:
    """Adopt, unless nothing differs; `kept` is how long outcomes are.

    Raises `ReactorsRunning`.
    """
    if running := await running_reactors(database):
        raise ReactorsRunning(
            f"{', '.join(running)} gave a sign of life within the last 15 s; stop all reactors, "
            "wait for so long if they were killed, and try again"
        )
    known = await marks(database)
    unlike = {mark.partition for mark in known if not await same_message(stream, mark)}
    if recorded.created_at == facts.created_at and not unlike:
        log.info("stream.nothing_to_adopt", created_at=facts.created_at.isoformat())
        return
    oldest = now() - kept + min(SKEW, kept / 20)
    begin = [await _begin(stream, mark, oldest, mark.partition in unlike) for mark in known]
    incarnation = await adopt_stream(database, facts.created_at, known, begin)
    log.warning(
        "stream.adopted", incarnation=incarnation, created_at=facts.created_at.isoformat(),
        belonged_to=recorded.created_at.isoformat(), partitions_unlike=sorted(unlike),
    )  # fmt: skip


async def same_message(stream: PartitionReading, mark: Mark) -> bool:
    """Whether the stream has the checkpoint's message, with its time."""
    if mark.sequence == 0:
        return True
    message = await stream.read_message(mark.sequence)
    return message is not None and message["time"] == mark.at


async def _begin(stream: PartitionReading, mark: Mark, oldest: datetime, unlike: bool) -> Mark:
    """Where the partition begins again: behind its last message that is too old."""
    applied = 0 if unlike else mark.sequence
    last: Kept | None = None
    count, listed = 0, []
    while (found := await stream.next_message(mark.partition, last.sequence if last else 0)) and (
        found.stored_at < oldest
    ):
        last = found
        if found.sequence > applied:  # what was applied for certain is not missed
            count += 1
            listed.append((found.sequence, found.command_id))
            del listed[LISTED_MAX:]
    if count:
        log.warning(
            "stream.skipped", partition=mark.partition, count=count, first=listed,
            why="older than outcomes are kept: whether it was applied cannot be known",
        )  # fmt: skip
    sequence, at = (last.sequence, last.stored_at) if last else (0, None)
    return Mark(mark.partition, sequence, at)
