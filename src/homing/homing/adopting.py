"""`homing migrate --adopt-stream`: the database goes on with the stream as it is now.

The way on when the stream was made anew, restored or rolled back, while no reactor runs. Every
partition begins at the stream's first message again, under a new incarnation; what has its outcome
has no second effect. What is older than outcomes are kept, or than one that was removed, cannot be
told from what was applied already: it is listed and skipped.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from homing.broker import CommandStream, Kept, PartitionReading, StreamFacts
from homing.errors import ReactorsRunning
from homing.log import get
from homing.outcome import now
from homing.storage import (
    SKEW,
    Checkpoint,
    Database,
    RecordedStream,
    adopt_stream,
    checkpoints,
    pruned,
    running_reactors,
)

log = get(__name__)
LISTED_MAX = 20
"""Of the messages that are skipped; the count is of all."""
TICK = timedelta(microseconds=1)


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
    known = await checkpoints(database)
    unlike = {number for number, one in known.items() if not await _same_message(stream, one)}
    if recorded.created_at == facts.created_at and not unlike:
        log.info("stream.nothing_to_adopt", created_at=facts.created_at.isoformat())
        return
    oldest = now() - kept + min(SKEW, kept / 20)
    removed = await pruned(database)
    begin = {
        number: await _begin(
            stream, number, max(oldest, removed[number] + TICK) if number in removed else oldest,
            0 if number in unlike else one.sequence,
        )
        for number, one in known.items()
    }  # fmt: skip
    incarnation = await adopt_stream(database, facts.created_at, known, begin)
    log.warning(
        "stream.adopted", incarnation=incarnation, created_at=facts.created_at.isoformat(),
        belonged_to=recorded.created_at.isoformat(), partitions_unlike=sorted(unlike),
    )  # fmt: skip


async def _same_message(stream: PartitionReading, checkpoint: Checkpoint) -> bool:
    if checkpoint.sequence == 0:
        return True
    message = await stream.read_message(checkpoint.sequence)
    return message is not None and message["time"] == checkpoint.at


async def _begin(
    stream: PartitionReading, partition: int, oldest: datetime, applied: int
) -> Checkpoint:
    """Behind the partition's last message that is too old; those above `applied` are listed."""
    last: Kept | None = None
    count, listed = 0, []
    while (found := await stream.next_message(partition, last.sequence if last else 0)) and (
        found.stored_at < oldest
    ):
        last = found
        if found.sequence > applied:  # what was applied for certain is not missed
            count += 1
            listed.append((found.sequence, found.command_id))
            del listed[LISTED_MAX:]
    if count:
        log.warning(
            "stream.skipped", partition=partition, count=count, first=listed,
            why="older than outcomes are kept: whether it was applied cannot be known",
        )  # fmt: skip
    return Checkpoint(last.sequence, last.stored_at) if last else Checkpoint(0, None)
