"""Every metric, in one place: its meaning, its unit and its labels.

Labels are bounded: command types come from the registry (unknown ones are `unknown`), routes from
the routing table, causes and reasons from the code. No label is ever an id. Boards, alerts, the
chart and the docs use these names alone; a test holds them to it, and `docs/metrics.md` is written
from here.

Times between two processes (`queue`, the loop, fail-over) compare their wall clocks; fail-over
takes the database's alone. What is measured when somebody scrapes (`Scraped`) is absent while it
cannot be known: a 0 would be a lie. The file is as long as its list: in two there would be no one
place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase

from homing.identity import traced
from homing.tracing import current_exemplar

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGES = (*_SECONDS, 60, 300, 1800)
_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
UNKNOWN, OTHER = "unknown", "other"
"""What stands for a type or a route that the code does not know, and for such a method."""
ANY: tuple[str, ...] = ()
"""Values that the registry, the routing table or the settings bound, and this module does not."""
_ALL, _API, _REACTOR = ("api", "reactor", "web"), ("api",), ("reactor",)
_BOTH = (*_API, *_REACTOR)
Labels = Mapping[str, Sequence[str]]
"""Names, and the values that each can have (`ANY`: see there)."""
Value = tuple[tuple[str, ...], float]
"""The labels' values, in their order, and the number."""


class _Remembering(MetricWrapperBase):
    """A metric that finds the series of given labels again without a lock and checks.

    Every command asks for a dozen of them, and they are few and stay.
    """

    def __init__(self, *said: Any, **named: Any) -> None:
        self._known: dict[tuple[str, ...], Self] = {}
        super().__init__(*said, **named)

    def labels(self, *values: str) -> Self:  # type: ignore[override]  # by position, as all here do
        """The series with these labels' values, in their order."""
        child = self._known.get(values)
        if child is None:
            child = self._known[values] = super().labels(*values)
        return child


class _Counter(_Remembering, Counter):
    """Counts."""


class _Histogram(_Remembering, Histogram):
    """Counts by size."""


class Scraped:
    """A gauge that each process measures when it is scraped, or leaves out."""

    def __init__(self, name: str, meaning: str, labels: Iterable[str]) -> None:
        self.name = name
        self._meaning = meaning
        self._labels = tuple(labels)

    def family(self, values: Iterable[Value]) -> GaugeMetricFamily:
        """What is exposed."""
        family = GaugeMetricFamily(self.name, self._meaning, labels=self._labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


class Entry(NamedTuple):
    """What the catalogue says of one metric."""

    name: str
    kind: str
    meaning: str
    labels: Labels
    processes: tuple[str, ...]
    metric: Any

    @property
    def scraped(self) -> bool:
        """Whether it is measured for each scrape."""
        return isinstance(self.metric, Scraped)

    @property
    def samples(self) -> set[str]:
        """The names under which its samples can be asked for."""
        if self.kind != "histogram":
            return {self.name}
        return {f"{self.name}_{part}" for part in ("bucket", "sum", "count")}


CATALOGUE: dict[str, Entry] = {}
"""By name, in the order of the definitions below."""
_NONE: Labels = {}


def _counter(of: tuple[str, ...], name: str, meaning: str, labels: Labels = _NONE) -> Counter:
    counter = _Counter(name, meaning, list(labels))
    CATALOGUE[name] = Entry(name, "counter", meaning, labels, of, counter)
    return counter


def _gauge(of: tuple[str, ...], name: str, meaning: str) -> Gauge:
    gauge = Gauge(name, meaning)
    CATALOGUE[name] = Entry(name, "gauge", meaning, {}, of, gauge)
    return gauge


def _scraped(of: tuple[str, ...], name: str, meaning: str, labels: Labels = _NONE) -> Scraped:
    scraped = Scraped(name, meaning, labels)
    CATALOGUE[name] = Entry(name, "gauge", meaning, labels, of, scraped)
    return scraped


def _histogram(
    of: tuple[str, ...],
    name: str,
    meaning: str,
    labels: Labels = _NONE,
    buckets: Sequence[float] = _SECONDS,
) -> Histogram:
    histogram = _Histogram(name, meaning, list(labels), buckets=buckets)
    CATALOGUE[name] = Entry(name, "histogram", meaning, labels, of, histogram)
    return histogram


# --- the way of a command ---
STEP_SECONDS = _histogram(
    _BOTH,
    "homing_step_seconds",
    "One step of a command's way: validate, look (whether a command with an Idempotency-Key came "
    "before) and publish (API), queue (from its place in the stream "
    "to its round), apply, commit and announce (reactor, once per round), write (API, from an "
    "outcome that was heard to its client)",
    {"step": ("validate", "look", "publish", "queue", "apply", "commit", "announce", "write")},
    _AGES,
)
LOOP_SECONDS = _histogram(
    _API,
    "homing_loop_seconds",
    "The whole loop, from the acceptance of a command to its outcome written to a client who "
    "waited for it, in time or late. What is read later from the history is not in it",
    {"over": ("response", "stream")},
    _AGES,
)
ACCEPTED = _counter(
    _API,
    "homing_commands_accepted_total",
    "Commands that the stream stored. One whose publish was never acknowledged is not in it, "
    "though the stream may have it",
    {"type": ANY},
)
APPLIED = _counter(
    _REACTOR,
    "homing_commands_applied_total",
    "Commands with an outcome",
    {"type": ANY, "status": ("succeeded", "rejected", "failed", "expired")},
)
REPEATS = _counter(
    _BOTH,
    "homing_commands_repeated_total",
    "Commands that had come before, by who knew: the outcome, the stream (API), the round "
    "(reactor, redeliveries and replays of the stream included)",
    {"found": ("outcome", "stream", "round")},
)
DEAD_LETTERS = _counter(
    _REACTOR,
    "homing_dead_letters_total",
    "Commands that became dead letters",
    {
        "reason": (
            "domain-error", "idempotency-conflict", "invalid-payload", "misplaced",
            "newer-envelope", "newer-payload", "not-applicable", "outcome-invalid",
            "outcome-too-large", "reactor-died", "unknown-type", "unreadable",
        )
    },
)  # fmt: skip

# --- what is unapplied; absent while it cannot be known ---
LAG_KNOWN = _scraped(
    _BOTH,
    "homing_lag_known",
    "Whether lag and gap could be measured for this scrape (1 or 0); the four below are absent if "
    "not. The log says why (`lag.unknown`)",
)
LAG_SECONDS = _scraped(_BOTH, "homing_lag_seconds", "Age of the oldest unapplied command")
GAP_COMMANDS = _scraped(
    _BOTH, "homing_gap_commands", "Commands in the stream that are not applied yet"
)
PARTITION_LAG_SECONDS = _scraped(
    _BOTH,
    "homing_partition_lag_seconds",
    "Age of the partition's oldest unapplied command",
    {"partition": ANY},
)
PARTITION_GAP_COMMANDS = _scraped(
    _BOTH, "homing_partition_gap_commands", "Unapplied commands of the partition",
    {"partition": ANY},
)  # fmt: skip
PARTITIONS_UNHELD = _scraped(
    _BOTH, "homing_partitions_unheld", "Partitions without a live holder, as the database has it"
)
STREAM_BYTES = _scraped(
    _BOTH, "homing_stream_bytes", "Bytes that the stream of commands has stored"
)
STREAM_LIMIT_BYTES = _scraped(_BOTH, "homing_stream_limit_bytes", "Bytes that the stream may store")

# --- the reactor ---
PARTITIONS_HELD = _gauge(
    _REACTOR, "homing_partitions_held", "Partitions that this reactor has in hand"
)
CLAIMS = _counter(
    _REACTOR,
    "homing_partition_claims_total",
    "Partitions claimed: free, from another's expired lease, or its own again, after a doubt",
    {"from": ("free", "expired", "own")},
)
FENCED = _counter(
    _REACTOR,
    "homing_partitions_fenced_total",
    "Partitions that a round found to belong to another reactor",
)
RESETS = _counter(
    _REACTOR,
    "homing_partition_resets_total",
    "Consumers set back to the checkpoint, by why",
    {"reason": ("claimed", "out-of-order", "reconnected", "slow-consumer", "stream")},
)
FAILOVER_SECONDS = _histogram(
    _REACTOR,
    "homing_failover_seconds",
    "From the last sign of life of a dead holder to the claim of its partition, once for each "
    "partition, by the database's clock",
    buckets=_AGES,
)
ROUND_SECONDS = _histogram(
    _REACTOR, "homing_round_seconds", "A round, fence to commit", {"lane": ("merged", "aside")}
)
DECIDE_SECONDS = _histogram(
    _REACTOR,
    "homing_decide_seconds",
    "The longest that a command of the type took to be decided, once per round",
    {"type": ANY},
)
ROUND_COMMANDS = _histogram(
    _REACTOR, "homing_round_commands", "Commands in a round", buckets=_COMMANDS
)
ROUNDS_FAILED = _counter(
    _REACTOR,
    "homing_rounds_failed_total",
    "Rounds not committed, by what is done about it",
    {"verdict": ("alone", "blame", "isolate", "late", "retry", "doubt", "stuck")},
)
TRIMMED = _counter(
    _REACTOR, "homing_commands_trimmed_total", "Applied commands removed from the stream"
)
PRUNED = _counter(
    _REACTOR,
    "homing_rows_pruned_total",
    "Rows removed after their retention",
    {"table": ("outcomes", "events")},
)

# --- the API ---
REQUESTS = _counter(
    _API,
    "homing_http_requests_total",
    "HTTP requests by the route's template (`unknown` for all else), method (`other` for what HTTP "
    "does not know) and status; a stream counts when it begins",
    {"route": ANY, "method": ANY, "status": ANY},
)
SUBMITTED = _counter(
    _API,
    "homing_commands_submitted_total",
    "Submits by command type (`unknown` for what is none) and HTTP status; each item of a batch is "
    "one",
    {"type": ANY, "status": ANY},
)
REFUSED = _counter(
    _API,
    "homing_submits_refused_total",
    "Submits refused because there is too much to do",
    {"reason": ("in-flight", "lag", "stream-full")},
)
WAITS_HELD = _gauge(
    _API,
    "homing_waits_held",
    "Waits that are open: held responses, and streams of one command with a timeout",
)
WAITS_ENDED = _counter(
    _API,
    "homing_waits_ended_total",
    "Waits by how they ended: succeeded, rejected or failed in time, timed out, left by the "
    "client, drained by the process",
    {
        "over": ("response", "stream"),
        "cause": ("succeeded", "rejected", "failed", "timed-out", "left", "drained"),
    },
)
TOLD_LATE = _counter(
    _API,
    "homing_waits_told_late_total",
    "Outcomes told by this process, on a stream or as a status, after a wait for them had timed "
    "out here",
)
STREAMS_OPEN = _gauge(_API, "homing_streams_open", "Open event streams")
STREAMS_OPENED = _counter(
    _API,
    "homing_streams_opened_total",
    "Event streams opened: without a cursor, with one, with one that is not known any more",
    {"how": ("fresh", "resumed", "reset")},
)
STREAMS_ENDED = _counter(
    _API,
    "homing_streams_ended_total",
    "Event streams that ended, and those that were refused",
    {
        "reason": (
            "client", "told", "lifetime", "drain", "slow", "stuck", "store-away", "refused",
        )
    },
)  # fmt: skip
EVENTS_SENT = _counter(
    _API, "homing_outcomes_sent_total", "Outcomes told to a client",
    {"over": ("response", "stream")},
)  # fmt: skip
SWEPT = _counter(
    _API, "homing_outcomes_swept_total", "Outcomes that no announcement had brought when they were "
    "swept",
)  # fmt: skip

# --- what a process depends on ---
POOL_CONNECTIONS = _scraped(
    _BOTH,
    "homing_pool_connections",
    "Connections to Postgres by pool",
    {"pool": ANY, "state": ("used", "idle")},
)
POOL_LIMIT = _scraped(
    _BOTH, "homing_pool_limit_connections", "Most connections that a pool opens", {"pool": ANY}
)
POOL_WAIT_SECONDS = _histogram(
    _BOTH,
    "homing_pool_wait_seconds",
    "The wait for a connection of a pool, also one that ended without",
    {"pool": ANY},
)
UP = _scraped(
    _BOTH,
    "homing_dependency_up",
    "Whether a dependency answers this process (1 or 0)",
    {"dependency": ("nats", "postgres")},
)
NATS_RECONNECTS = _counter(_BOTH, "homing_nats_reconnects_total", "Reconnects to NATS")
NATS_SLOW = _counter(
    _BOTH,
    "homing_nats_slow_consumer_total",
    "Times that messages came faster than they were taken, and some were dropped",
)
BUILD = _scraped(
    _ALL,
    "homing_build_info",
    "1, with the version of this process",
    {"version": ANY, "python": ANY, "service": _ALL},
)


def observe(histogram: Histogram, value: float, *labels: str) -> None:
    """Observe, with the trace that is being recorded here as its exemplar."""
    child = histogram.labels(*labels) if labels else histogram
    child.observe(value, current_exemplar())


def exemplar_of(traceparent: str) -> dict[str, str] | None:
    """The exemplar of one command: the trace of its span, empty if none is recorded."""
    known = traced(traceparent) if traceparent else None
    return {"trace_id": known.trace_id} if known is not None and known.sampled else None


def begin_at_zero(process: str, types: Iterable[str]) -> None:
    """Let the counters of a process be there before they count.

    Who looks at a counter that appears with a 1 does not see it rise.
    """
    known = {"type": [*types, UNKNOWN]}
    for entry in CATALOGUE.values():
        values = [known.get(name, some) for name, some in entry.labels.items()]
        if entry.kind == "counter" and process in entry.processes and values and all(values):
            for some in itertools.product(*values):
                entry.metric.labels(*some)
