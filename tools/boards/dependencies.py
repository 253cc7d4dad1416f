"""Dependencies: NATS, Postgres, the stream's size, the processes themselves."""

from __future__ import annotations

from boards.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    Board,
    Panel,
    Query,
    Section,
    latencies,
    rate,
    series,
    whole,
)

USED = series("homing_pool_connections", 'state="used"')
LIMIT = series("homing_pool_limit_connections")

SERVERS = Section(
    title="NATS and Postgres",
    panels=(
        Panel(
            title="Answers",
            description="Whether each dependency answers each process: 1 or 0. All at 0: the "
            "server is away; one at 0: that process is cut off.",
            unit=COUNT,
            queries=(
                Query(
                    f"min by (dependency, instance) ({series('homing_dependency_up')})",
                    "{{dependency}} {{instance}}",
                ),
            ),
        ),
        Panel(
            title="Lag can be measured",
            description="1 where each process could measure lag and gap, 0 where one could not: "
            "then they are absent, and the log says why (`lag.unknown`).",
            unit=COUNT,
            queries=(Query(f"min({series('homing_lag_known')})", "known"),),
        ),
        Panel(
            title="Reconnects to NATS",
            description="Reconnects per second, by process. What was announced meanwhile is found "
            "by sweeps.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_nats_reconnects_total", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Announcements dropped",
            description="Times per second that announcements came faster than a process took them. "
            "Sweeps find what was dropped.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_nats_slow_consumer_total", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="The stream's size",
            description="Bytes that the stream of commands has stored, and may store. At the limit "
            "submits answer 503; it falls when applied commands reach the end of their retention.",
            unit=BYTES,
            queries=(
                Query(whole("homing_stream_bytes"), "stored"),
                Query(whole("homing_stream_limit_bytes"), "limit"),
            ),
        ),
        Panel(
            title="The stream's share",
            description="The stored part of the limit.",
            unit=SHARE,
            queries=(
                Query(
                    f"{whole('homing_stream_bytes')} / {whole('homing_stream_limit_bytes')}",
                    "stored",
                ),
            ),
        ),
    ),
)

POOLS = Section(
    title="Pools of connections to Postgres",
    panels=(
        Panel(
            title="In use",
            description="The used share of each pool's limit, in the fullest process. A reactor's "
            "pool for rounds is at 1 whenever a round runs, which is no trouble.",
            unit=SHARE,
            queries=(
                Query(
                    f"max by (pool) ({USED} / on (namespace, job, instance, pool) {LIMIT})",
                    "{{pool}}",
                ),
            ),
        ),
        Panel(
            title="Connections",
            description="Connections to Postgres that all processes have open together, by state. "
            "With those of others it must stay under the server's limit.",
            unit=COUNT,
            queries=(Query(f"sum by (state) ({series('homing_pool_connections')})", "{{state}}"),),
        ),
        Panel(
            title="Waiting for a connection",
            description="How long it takes to get a connection of a pool. Above some milliseconds "
            "the pool is too small, or its statements too slow.",
            unit=SECONDS,
            queries=latencies("homing_pool_wait_seconds", "pool"),
        ),
    ),
)

PROCESSES = Section(
    title="Processes",
    panels=(
        Panel(
            title="Versions",
            description="Processes by service and version. Two versions of one service: an update "
            "is under way, or stuck.",
            unit=COUNT,
            kind="table",
            queries=(
                Query(f"count by (service, version, python) ({series('homing_build_info')})"),
            ),
        ),
        Panel(
            title="Processor time",
            description="Cores that each process keeps busy. One process uses one core at most.",
            unit=COUNT,
            queries=(Query(rate("process_cpu_seconds_total", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Memory",
            description="Resident memory of each process.",
            unit=BYTES,
            queries=(Query(whole("process_resident_memory_bytes", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Open files",
            description="Of each process: sockets of clients, mostly. Compare with open streams.",
            unit=COUNT,
            queries=(Query(whole("process_open_fds", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Starts",
            description="When each process was started, as seconds before now. A line that falls "
            "to 0 again and again: it crashes.",
            unit=SECONDS,
            queries=(
                Query(
                    f"time() - max by (instance) ({series('process_start_time_seconds')})",
                    "{{instance}}",
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="homing-dependencies",
    title="Homing: dependencies",
    description="NATS, Postgres, the stream's size, and the processes themselves.",
    sections=(SERVERS, POOLS, PROCESSES),
)
