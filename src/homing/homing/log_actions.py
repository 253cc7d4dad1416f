"""Every action that a log line can have, and what it means. Pure.

A line is one event: its `action` is one of these, whatever varies is in its fields. Fields that are
about one command are always called the same: `command_id`, `partition`, `trace_id`. A test holds
the code to this list, and `docs/logs.md` is written from it.
"""

from __future__ import annotations

LIBRARY = "library.said"
ACTIONS = {
    # --- any process ---
    "process.failed": "It ends with an error that it cannot mend; `why` says what a person must do",
    "start.waiting": "It waits for a server, or for `homing migrate`, and tries again",
    LIBRARY: "A library (`logger`) logged `message`, of which only the first line is kept",
    "traces.lost": "The collector of traces takes nothing; said once, until it does again",
    "traces.exported_again": "The collector of traces takes them again; `lost` spans were not sent",
    "traces.not_flushed": "The process ended before the last spans were sent",
    # --- NATS ---
    "nats.disconnected": "The connection is lost; it is tried again without end",
    "nats.reconnected": "The connection is back; what was missed is asked for",
    "nats.slow_consumer": "Messages came faster than they were taken, and some were dropped",
    "nats.error": "nats-py reported an error on the connection",
    "nats.doubt_failed": "Nobody could be told that messages may have been missed: a defect",
    "announce.lost": "An announcement or acknowledgement could not be sent; the sweep brings it",
    "announce.flush_failed": "What was said last may not have left before the connection closed",
    # --- what is measured ---
    "lag.unknown": "Lag and gap cannot be measured; `why` says what is missing",
    "lag.known": "Lag and gap can be measured again",
    "metrics.unmeasured": "Something could not be measured for a scrape, and is absent from it",
    # --- the API ---
    "api.started": "It takes requests",
    "api.stopped": "It has stopped, in order",
    "request.failed": "A request broke on something that nobody foresaw; its answer was a 500",
    "batch.item_failed": "An item of a batch could not be submitted, and was answered 503",
    "repeat.unread": "Whether a command was sent before could not be read; the stream will tell",
    "submits.refused": "Lag is above its limit: submits are answered 503",
    "submits.taken_again": "Lag is below its limit again",
    "sweep.failed": "The store did not answer a sweep; it is tried again",
    "outcomes.unread": "Outcomes that are waited for could not be read; they are asked for again",
    "outcome.unreadable": "An announcement could not be read; the sweep brings its outcome",
    "stream.store_away": "An event stream ended as the store did not answer; it is resumed later",
    "letter.replayed": "An operator sent a dead letter again, by the operators' page",
    "letter.discarded": "An operator said that nothing will come of a dead letter",
    "operators.unseen": "What the operators' page shows could not be read; it is tried again",
    "streams.cut": "Event streams were still open when the drain window was over",
    # --- the reactor ---
    "reactor.started": "It looks for partitions to hold",
    "reactor.left": "It has finished its rounds, and released what it held",
    "reactor.left_without_release": "It could not release; others wait for the end of its lease",
    "lease.not_renewed": "Postgres did not answer in time; past `left` seconds nothing is applied",
    "partitions.claimed": "It holds `count` partitions more",
    "partitions.released": "It gave partitions back",
    "partitions.not_released": "Partitions could not be given back yet",
    "partition.lost": "Another reactor holds it now, as the database says",
    "partition.fenced": "A round found that another reactor holds it; nothing of it was applied",
    "partition.perilous": "Its holders died one after another; it is applied one by one",
    "partition.reset": "Its consumer was set back to the checkpoint; `why` as the metrics have it",
    "partition.reset_failed": "Its consumer could not be set back; it is tried again",
    "partition.task_failed": "Its task ended with an error: a defect; it is claimed again",
    "partition.trimmed": "Applied commands that are old enough were removed from the stream",
    "pull.request_failed": "More could not be asked for; it is asked again",
    "pull.unsubscribe_failed": "An old inbox could not be given up",
    "stream.mismatch": "The stream is not the one that was applied; commands would be skipped",
    "round.failed": "A round was not committed; `verdict` says what is done about it",
    "command.waiting": "Its partition stands still for it: a newer reactor may know its `type`, "
    "its `schema_version` or its envelope; after ten minutes it is a dead letter",
    "delivery.broken": "It could not be taken: a defect; its partition does not go past it",
    "command.dead_letter": "A command could not be processed: look at it with "
    "`homing dead-letters`",
    "outcomes.not_announced_again": "The last outcomes of a dead holder are left to the sweep",
    "retention.failed": "A partition could not be trimmed or pruned; it is tried at the next turn",
    "retention.broken": "Trimming or pruning broke on something that nobody foresaw",
    "rows.pruned": "Rows that are old enough were removed",
    # --- the web process ---
    "web.started": "It serves the page",
    "web.stopped": "It has stopped, in order",
    "web.reader.cut": "A reader took nothing for too long, and was cut",
    "web.drain.cut": "Exchanges were still open when the drain window was over",
    "web.upstream.away": "The API could not be reached; the answer was a 502 or 503",
    "web.upstream.lost": "The API's answer broke off",
    "web.upstream.repeated": "A request was sent again on a new connection",
    # --- homing migrate ---
    "migrate.applied": "A migration was applied",
    "migrate.done": "Schema, rights, stream and consumers are as this version needs them",
    "stream.adopted": "The database belongs to another stream now",
    "stream.nothing_to_adopt": "The database belongs to this stream already",
    "stream.skipped": "Commands older than their outcomes' retention were skipped at an adoption",
}
