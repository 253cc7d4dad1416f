"""Every metric, in one place: its meaning, its unit and its labels.

Labels are bounded: command types come from the registry (unknown ones are `unknown`), no label is
ever an id. Spans and the boards that read these names come from here as well.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

# --- the reactor ---
PARTITIONS_HELD = Gauge("homing_partitions_held", "Partitions that this reactor has in hand")
CLAIMS = Counter(
    "homing_partition_claims_total", "Partitions claimed, free or from an expired lease", ["from"]
)
FENCED = Counter(
    "homing_partitions_fenced_total", "Partitions that a round found to belong to another reactor"
)
APPLIED = Counter("homing_commands_applied_total", "Commands with an outcome", ["type", "status"])
REPEATS = Counter("homing_commands_repeated_total", "Deliveries of a command that had its outcome")
ROUND_SECONDS = Histogram("homing_round_seconds", "A round, fence to commit", buckets=_SECONDS)
ROUND_COMMANDS = Histogram("homing_round_commands", "Commands in a round", buckets=_COMMANDS)
ROUNDS_FAILED = Counter("homing_rounds_failed_total", "Rounds not committed", ["verdict"])
TRIMMED = Counter("homing_commands_trimmed_total", "Applied commands removed from the stream")
PRUNED = Counter("homing_rows_pruned_total", "Rows removed after their retention", ["table"])

# --- the API ---
SUBMITTED = Counter("homing_commands_submitted_total", "Submits", ["type", "result"])
REFUSED = Counter(
    "homing_submits_refused_total", "Submits refused because there is too much to do", ["reason"]
)
PUBLISH_SECONDS = Histogram(
    "homing_publish_seconds", "A publish, with its retries, until the ack", buckets=_SECONDS
)
WAITS_HELD = Gauge("homing_waits_held", "Responses that are held open for an outcome")
STREAMS_OPEN = Gauge("homing_streams_open", "Open event streams")
STREAMS_ENDED = Counter("homing_streams_ended_total", "Event streams that ended", ["reason"])
EVENTS_SENT = Counter("homing_outcomes_sent_total", "Outcomes told to a client", ["over"])
SWEPT = Counter("homing_outcomes_swept_total", "Outcomes that no announcement had brought")
