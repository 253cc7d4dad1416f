"""The loop: from a command's acceptance to its outcome at the client."""

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
    counted,
    latencies,
    mean,
    quantile,
    rate,
    total,
    whole,
)

WAITS = "homing_waits_ended_total"

NOW = Section(
    title="Now",
    panels=(
        Panel(
            title="Oldest unapplied command",
            description="The lag: how long the command that waits longest has been in the stream. "
            "Near 0 when reactors keep up.",
            unit=SECONDS,
            kind="number",
            width=4,
            queries=(Query(whole("homing_lag_seconds")),),
        ),
        Panel(
            title="Unapplied commands",
            description="The gap: commands in the stream that no reactor has applied yet.",
            unit=COUNT,
            kind="number",
            width=4,
            queries=(Query(whole("homing_gap_commands")),),
        ),
        Panel(
            title="Accepted in this time",
            description="Commands that were promised an outcome, in the time that is shown.",
            unit=COUNT,
            kind="number",
            width=4,
            queries=(Query(counted("homing_commands_accepted_total")),),
        ),
        Panel(
            title="Applied in this time",
            description="Commands that got their outcome, in the time that is shown. Differs from "
            "the accepted ones by what was and is unapplied at both ends.",
            unit=COUNT,
            kind="number",
            width=4,
            queries=(Query(counted("homing_commands_applied_total")),),
        ),
        Panel(
            title="Waits that timed out",
            description="Of the waits that came to an end, the share that ended without the "
            "outcome. Clients hear it later; many of them mean that reactors are too slow.",
            unit=SHARE,
            kind="number",
            width=4,
            queries=(Query(f"{rate(WAITS, where=TIMED_OUT)} / {rate(WAITS, where=ENDED)}"),),
        ),
        Panel(
            title="Dead letters in this time",
            description="Commands that could not be processed, in the time that is shown. Each "
            "one's client was told that it failed. `homing dead-letters list` shows them.",
            unit=COUNT,
            kind="number",
            width=4,
            queries=(Query(counted("homing_dead_letters_total")),),
        ),
    ),
)

WORK = Section(
    title="In and out",
    panels=(
        Panel(
            title="Accepted and applied",
            description="Commands per second that the stream stored, and that got an outcome. As "
            "long as the first is above the second, the gap grows.",
            unit=PER_SECOND,
            queries=(
                Query(rate("homing_commands_accepted_total"), "accepted"),
                Query(rate("homing_commands_applied_total"), "applied"),
            ),
        ),
        Panel(
            title="Accepted, by type",
            description="Commands per second that the stream stored, by command type.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_commands_accepted_total", "type"), "{{type}}"),),
        ),
        Panel(
            title="Outcomes, by status",
            description="Commands per second by what became of them: succeeded, rejected by a "
            "rule, failed, or expired before they were applied.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_commands_applied_total", "status"), "{{status}}"),),
        ),
        Panel(
            title="Lag",
            description="The age of the oldest unapplied command. It rises by a second per second "
            "when nothing is applied, and falls when reactors catch up. A hole means that it "
            "could not be known: NATS or Postgres did not answer.",
            unit=SECONDS,
            queries=(Query(whole("homing_lag_seconds"), "oldest"),),
        ),
        Panel(
            title="Gap",
            description="How many commands are unapplied. Few and old: one partition waits. Many "
            "and old: all reactors are too slow.",
            unit=COUNT,
            queries=(Query(whole("homing_gap_commands"), "unapplied"),),
        ),
        Panel(
            title="Repeats, by who knew them",
            description="Commands per second that had come before and were not done again: known "
            "by their outcome, by the stream, or by the reactor's round.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_commands_repeated_total", "found"), "{{found}}"),),
        ),
    ),
)

TIMES = Section(
    title="Times",
    panels=(
        Panel(
            title="The whole loop",
            description="From the acceptance of a command to its outcome written to a client who "
            "waited, by how it waited. The dots are single commands, with their traces. Compares "
            "the clocks of two processes.",
            unit=SECONDS,
            width=12,
            exemplars=True,
            queries=latencies("homing_loop_seconds", "over"),
        ),
        Panel(
            title="Where the time goes",
            description="The mean of each step: validate, look (with an Idempotency-Key) and "
            "publish in the API, queue, apply, commit and announce in the reactor, write in the "
            "API. The tallest is what to look at.",
            unit=SECONDS,
            width=12,
            queries=(Query(mean("homing_step_seconds", "step"), "{{step}}"),),
        ),
        Panel(
            title="Each step, at its worst",
            description="What one in twenty exceeds, by step. The dots are single commands or "
            "rounds, with their traces.",
            unit=SECONDS,
            width=12,
            exemplars=True,
            queries=(Query(quantile(0.95, "homing_step_seconds", "step"), "p95 {{step}}"),),
        ),
        Panel(
            title="Deciding, by type",
            description="What one in twenty of the longest decisions of a round exceeds, by "
            "command type: it names the one that is slow.",
            unit=SECONDS,
            width=12,
            queries=(Query(quantile(0.95, "homing_decide_seconds", "type"), "p95 {{type}}"),),
        ),
    ),
)

WAITING = Section(
    title="Waiting",
    panels=(
        Panel(
            title="Waits, by how they ended",
            description="Waits per second that ended with the outcome in time, timed out, were "
            "left by the client, or were drained by a leaving process.",
            unit=PER_SECOND,
            queries=(Query(rate(WAITS, "cause"), "{{cause}}"),),
        ),
        Panel(
            title="Told late",
            description="Outcomes per second that a process told after their wait had timed out. "
            "Each wait that timed out ends up here, if its client is still listening.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_waits_told_late_total"), "told late"),),
        ),
        Panel(
            title="Waits that are open",
            description="Held responses, and streams of one command with a timeout, that wait now.",
            unit=COUNT,
            queries=(Query(total("homing_waits_held"), "waiting"),),
        ),
        Panel(
            title="Dead letters, by reason",
            description="Commands per second that could not be processed, by reason.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_dead_letters_total", "reason"), "{{reason}}"),),
        ),
    ),
)

BOARD = Board(
    uid="homing-loop",
    title="Homing: the loop",
    description="Whether every accepted command comes home, and where its time goes.",
    sections=(NOW, WORK, TIMES, WAITING),
)
