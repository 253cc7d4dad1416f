"""API and streams: requests, submits, what was refused, event streams, what sweeps found."""

from __future__ import annotations

from boards.panels import (
    COUNT,
    ENDED,
    PER_SECOND,
    SECONDS,
    SHARE,
    TIMED_OUT,
    Board,
    Panel,
    Query,
    Section,
    latencies,
    rate,
    total,
)

REQUESTS = "homing_http_requests_total"
ENDS = "homing_waits_ended_total"

ASKED = Section(
    title="Requests",
    panels=(
        Panel(
            title="Requests, by route",
            description="HTTP requests per second, by the route's template; what is no route is "
            "`unknown`. A stream counts when it begins.",
            unit=PER_SECOND,
            width=12,
            queries=(Query(rate(REQUESTS, "method", "route"), "{{method}} {{route}}"),),
        ),
        Panel(
            title="Requests, by status",
            description="HTTP requests per second, by status. 409: a rule said no; 503: look at "
            "what was refused.",
            unit=PER_SECOND,
            width=12,
            queries=(Query(rate(REQUESTS, "status"), "{{status}}"),),
        ),
        Panel(
            title="Submits, by type and status",
            description="Submits per second. 202: accepted; 200: with the outcome; 4xx: the "
            "client's fault; 503: too much to do, or NATS is away.",
            unit=PER_SECOND,
            queries=(
                Query(
                    rate("homing_commands_submitted_total", "type", "status"), "{{type}} {{status}}"
                ),
            ),
        ),
        Panel(
            title="Submits refused, by reason",
            description="Submits per second that were refused because there is too much to do: the "
            "stream is full, too many are in flight, or the lag is above its limit.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_submits_refused_total", "reason"), "{{reason}}"),),
        ),
        Panel(
            title="Validate, look, publish",
            description="The API's steps before its 202: checking a command, looking for an "
            "earlier one of its Idempotency-Key, and the stream's acknowledgement that it is "
            "stored.",
            unit=SECONDS,
            exemplars=True,
            queries=latencies("homing_step_seconds", "step", where='step=~"validate|look|publish"'),
        ),
    ),
)

STREAMS = Section(
    title="Streams",
    panels=(
        Panel(
            title="Open streams",
            description="Event streams that are open, by process. They are limited "
            "(HOMING_STREAMS_MAX); uneven after a restart, even again within their lifetime.",
            unit=COUNT,
            queries=(Query(total("homing_streams_open", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Streams opened",
            description="Per second: fresh ones, those that resumed with what they had missed, and "
            "those that had to be reset because their cursor was not known.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_streams_opened_total", "how"), "{{how}}"),),
        ),
        Panel(
            title="Streams ended",
            description="Per second, by reason. `slow` and `stuck`: the reader took nothing; "
            "`refused`: there were too many.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_streams_ended_total", "reason"), "{{reason}}"),),
        ),
        Panel(
            title="Outcomes told",
            description="Outcomes per second that were written to clients, by way: held responses "
            "and streams. One outcome may be told several times, to each that asks.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_outcomes_sent_total", "over"), "{{over}}"),),
        ),
        Panel(
            title="Writing to clients",
            description="How long it takes to write an outcome to a client.",
            unit=SECONDS,
            exemplars=True,
            queries=latencies("homing_step_seconds", where='step="write"'),
        ),
        Panel(
            title="Found by sweeps",
            description="Outcomes per second that a process found in the database because no "
            "announcement had brought them; told up to a second late, none lost. Above 0 for a "
            "while: announcements get lost between NATS and the API.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_outcomes_swept_total"), "swept"),),
        ),
    ),
)

WAITS = Section(
    title="Waits",
    panels=(
        Panel(
            title="Waits, by way and end",
            description="Waits per second, of held responses and of streams, by how they ended.",
            unit=PER_SECOND,
            width=12,
            queries=(Query(rate(ENDS, "over", "cause"), "{{over}} {{cause}}"),),
        ),
        Panel(
            title="Share that timed out, by way",
            description="Of the waits that came to an end, the share without an outcome in time.",
            unit=SHARE,
            width=12,
            queries=(
                Query(
                    f"{rate(ENDS, 'over', where=TIMED_OUT)} / {rate(ENDS, 'over', where=ENDED)}",
                    "{{over}}",
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="homing-streams",
    title="Homing: API and streams",
    description="What clients ask for, what they are told, and what was refused.",
    sections=(ASKED, STREAMS, WAITS),
)
