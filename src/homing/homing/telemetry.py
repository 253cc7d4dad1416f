"""Every metric, in one place: its meaning, its unit and its labels.

Labels are bounded: command types come from the registry (unknown ones are `unknown`), routes from
the routing table, causes and reasons from the code. No label is ever an id. Boards, alerts, the
chart and the docs use these names alone; a test holds them to it.

Times between two processes (`queue`, the loop, told late) compare their wall clocks.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGES = (*_SECONDS, 60, 300, 1800)
_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

# --- the way of a command ---
STEP_SECONDS = Histogram(
    "homing_step_seconds",
    "One step of a command's way: validate, publish (API); queue, apply, commit, announce "
    "(reactor); write (API). Apply, commit and announce are observed once per round",
    ["step"],
    buckets=_SECONDS,
)
LOOP_SECONDS = Histogram(
    "homing_loop_seconds",
    "The whole loop, from the acceptance of a command to its outcome written to a client who "
    "waited for it (over: response, stream)",
    ["over"],
    buckets=_AGES,
)
ACCEPTED = Counter("homing_commands_accepted_total", "Commands that the stream stored", ["type"])
APPLIED = Counter(
    "homing_commands_applied_total",
    "Commands with an outcome (status: succeeded, rejected, failed, expired)",
    ["type", "status"],
)
REPEATS = Counter(
    "homing_commands_repeated_total",
    "Commands that had come before, by who knew (found: outcome, stream, round)",
    ["found"],
)
DEAD_LETTERS = Counter(
    "homing_dead_letters_total", "Commands that became dead letters, by reason", ["reason"]
)

# --- what is unapplied; absent where it cannot be known ---
LAG_SECONDS = Gauge("homing_lag_seconds", "Age of the oldest unapplied command")
GAP_COMMANDS = Gauge("homing_gap_commands", "Commands in the stream that are not applied yet")
PARTITION_LAG_SECONDS = Gauge(
    "homing_partition_lag_seconds", "Age of the partition's oldest unapplied command", ["partition"]
)
PARTITION_GAP_COMMANDS = Gauge(
    "homing_partition_gap_commands", "Unapplied commands of the partition", ["partition"]
)
PARTITIONS_UNHELD = Gauge(
    "homing_partitions_unheld", "Partitions without a live holder, as the database has it"
)
STREAM_BYTES = Gauge("homing_stream_bytes", "Bytes that the stream of commands has stored")
STREAM_LIMIT_BYTES = Gauge("homing_stream_limit_bytes", "Bytes that the stream may store")

# --- the reactor ---
PARTITIONS_HELD = Gauge("homing_partitions_held", "Partitions that this reactor has in hand")
CLAIMS = Counter(
    "homing_partition_claims_total",
    "Partitions claimed, free or from an expired lease (from: free, expired)",
    ["from"],
)
FENCED = Counter(
    "homing_partitions_fenced_total", "Partitions that a round found to belong to another reactor"
)
RESETS = Counter(
    "homing_partition_resets_total",
    "Consumers set back to the checkpoint, by why (claimed, reconnected, out-of-order)",
    ["reason"],
)
FAILOVER_SECONDS = Histogram(
    "homing_failover_seconds",
    "From the last sign of life of a dead holder to the claim of its partition",
    buckets=_AGES,
)
ROUND_SECONDS = Histogram(
    "homing_round_seconds", "A round, fence to commit, by lane", ["lane"], buckets=_SECONDS
)
ROUND_COMMANDS = Histogram("homing_round_commands", "Commands in a round", buckets=_COMMANDS)
ROUNDS_FAILED = Counter("homing_rounds_failed_total", "Rounds not committed", ["verdict"])
TRIMMED = Counter("homing_commands_trimmed_total", "Applied commands removed from the stream")
PRUNED = Counter("homing_rows_pruned_total", "Rows removed after their retention", ["table"])

# --- the API ---
REQUESTS = Counter(
    "homing_http_requests_total",
    "HTTP requests by the route's template (`unknown` for all else), method and status",
    ["route", "method", "status"],
)
SUBMITTED = Counter(
    "homing_commands_submitted_total", "Submits by command type and HTTP status", ["type", "status"]
)
REFUSED = Counter(
    "homing_submits_refused_total",
    "Submits refused because there is too much to do (reason: in-flight, lag, stream-full)",
    ["reason"],
)
WAITS_HELD = Gauge("homing_waits_held", "Waits that are open, held responses and streams alike")
WAITS_ENDED = Counter(
    "homing_waits_ended_total",
    "Waits by how they ended: succeeded, rejected or failed in time, timed-out, left by the "
    "client, drained",
    ["over", "cause"],
)
TOLD_LATE = Counter(
    "homing_waits_told_late_total", "Outcomes told by this process after their wait had timed out"
)
STREAMS_OPEN = Gauge("homing_streams_open", "Open event streams")
STREAMS_OPENED = Counter(
    "homing_streams_opened_total", "Event streams opened (how: fresh, resumed, reset)", ["how"]
)
STREAMS_ENDED = Counter("homing_streams_ended_total", "Event streams that ended", ["reason"])
EVENTS_SENT = Counter(
    "homing_outcomes_sent_total", "Outcomes told to a client (over: response, stream)", ["over"]
)
SWEPT = Counter("homing_outcomes_swept_total", "Outcomes that no announcement had brought")

# --- what a process depends on ---
POOL_CONNECTIONS = Gauge(
    "homing_pool_connections", "Connections to Postgres by pool (state: used, idle)",
    ["pool", "state"],
)  # fmt: skip
POOL_LIMIT = Gauge("homing_pool_limit_connections", "Most connections that a pool opens", ["pool"])
POOL_WAIT_SECONDS = Histogram(
    "homing_pool_wait_seconds", "The wait for a connection of a pool", ["pool"], buckets=_SECONDS
)
UP = Gauge(
    "homing_dependency_up", "Whether a dependency answers this process (1 or 0)", ["dependency"]
)
NATS_RECONNECTS = Counter("homing_nats_reconnects_total", "Reconnects to NATS")
NATS_SLOW = Counter(
    "homing_nats_slow_consumer_total", "Times that announcements came faster than they were taken"
)
BUILD = Gauge(
    "homing_build_info", "1, with the version of this process", ["version", "python", "service"]
)
