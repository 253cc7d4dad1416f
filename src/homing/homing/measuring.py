"""What the processes measure when they are scraped: lag, the stream, the partitions, the pools.

A measurement that fails gives nothing, never a 0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from prometheus_client.core import Metric

from homing import telemetry
from homing.broker import BacklogReading
from homing.errors import HomingError
from homing.lag import Found, Lag
from homing.log import get
from homing.scraping import Measure
from homing.storage import Database

log = get(__name__)


def lag_of(lag: Lag) -> Measure:
    """Lag and gap, in all and of every partition; and whether they are known."""
    known = True

    async def measure() -> Iterable[Metric]:
        nonlocal known
        try:
            found = await lag.found()
        except HomingError as error:
            if known and lag.begun:
                log.warning("lag.unknown", why=str(error))
                known = False
            return [telemetry.LAG_KNOWN.family([((), 0.0)])]
        if not known:
            log.info("lag.known")
        known = True
        return [telemetry.LAG_KNOWN.family([((), 1.0)]), *_lag(found)]

    return measure


def stream_of(stream: BacklogReading) -> Measure:
    """How full the stream is: also while Postgres is away, which is when it fills."""

    async def measure() -> Iterable[Metric]:
        try:
            tail = await stream.tail()
        except HomingError as error:
            log.debug("metrics.unmeasured", what="stream", why=str(error))
            return ()
        limit = [] if tail.bytes_max is None else [((), float(tail.bytes_max))]
        return (
            telemetry.STREAM_BYTES.family([((), float(tail.bytes))]),
            *([telemetry.STREAM_LIMIT_BYTES.family(limit)] if limit else []),
        )

    return measure


def unheld_by(count: Callable[[], Awaitable[int]]) -> Measure:
    """How many partitions nobody holds."""

    async def measure() -> Iterable[Metric]:
        try:
            return [telemetry.PARTITIONS_UNHELD.family([((), float(await count()))])]
        except HomingError as error:
            log.debug("metrics.unmeasured", what="partitions", why=str(error))
            return ()

    return measure


def pools_of(*databases: Database) -> Measure:
    """What is in use of each pool."""

    async def measure() -> Iterable[Metric]:
        numbers = [(one.name, one.in_use, one.opened, one.limit) for one in databases]
        return (
            telemetry.POOL_CONNECTIONS.family(
                value
                for name, used, opened, _ in numbers
                for value in (((name, "used"), used), ((name, "idle"), opened - used))
            ),
            telemetry.POOL_LIMIT.family(((name,), limit) for name, _, _, limit in numbers),
        )

    return measure


def _lag(found: Found) -> Iterable[Metric]:
    measured = found.measured
    partitions = [((str(number),), one) for number, one in sorted(found.partitions.items())]
    yield telemetry.LAG_SECONDS.family([((), measured.oldest_seconds)])
    yield telemetry.GAP_COMMANDS.family([((), float(measured.gap))])
    yield telemetry.PARTITION_LAG_SECONDS.family(
        (labels, one.oldest_seconds) for labels, one in partitions
    )
    yield telemetry.PARTITION_GAP_COMMANDS.family(
        (labels, float(one.gap)) for labels, one in partitions
    )
