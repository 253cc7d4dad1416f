"""The spans of a round: its own trace, and in the trace of each of its commands the part done here.

A round is one transaction for commands of many traces, so it has a trace of its own, linked to the
contexts that its commands came in. Each command that is recorded has a span for each round that it
was in: `process`, below its publish, linked to the round, from the round's start to its end; what
failed is tried again in another. The round is recorded if one of its commands is.

What the outcome tells as its span is this `process`, so that whoever brings it to its client,
announced or found in the store, goes on below it. A process that is killed takes with it what it
has not exported yet: then there is a hole in the tree, but still one trace.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from homing import tracing
from homing.outcome import decode_outcome, now
from homing.partition import consumer_of
from homing.storage import OutcomeRow
from homing.tracing.messaging import COMMANDS, OUTCOMES, attributes_of, name_of
from homing_reactor.applying import Applied
from homing_reactor.deciding import Plan, Said, announcement
from homing_reactor.forming import Batch
from homing_reactor.held import Held
from homing_reactor.intake import Task


class _Process(NamedTuple):
    """The span of a command in a round."""

    partition: int
    command_id: str
    span: Span


class RoundSpans:
    """The spans of one round; of a round of which nothing is recorded there are none."""

    def __init__(self, round_: Span | None = None, processes: Sequence[_Process] = ()) -> None:
        self._round = round_
        self._processes = list(processes)
        self._told: dict[str, str] = {}

    def committed(self, applied: Applied) -> None:
        """It is done: what became of each command."""
        if self._round is None:
            return
        outcomes = {row.command_id: row for row in applied.plan.outcomes}
        for partition, command_id, span in self._processes:
            if partition not in applied.ours:
                span.set_attribute("homing.fenced", True)
                continue
            span.add_event("committed")
            if row := outcomes.get(command_id):
                _concluded(span, row)
                self._told[command_id] = tracing.traceparent_of(span)
            else:
                span.set_attribute("homing.repeat" if command_id else "homing.unreadable", True)
        self.end()

    def failed(self, error: Exception) -> None:
        """Nothing of it is applied; it is tried again."""
        for span in self._spans():
            tracing.failed(span, error)
            if sqlstate := getattr(error, "sqlstate", ""):
                span.set_attribute("db.response.status_code", sqlstate)
        self.end()

    def end(self) -> None:
        """Whatever came of it."""
        for span in self._spans():
            span.end()
        self._round, self._processes = None, []

    def announcements(self, plan: Plan) -> Iterator[Said]:
        """(owner, command id, body) each; each that is recorded in a span while it is published."""
        if not self._told:
            yield from plan.announcements()
            return
        for row in plan.outcomes:
            parent = self._told.get(row.command_id)
            if parent is None:
                yield announcement(row)
                continue
            # From here to the next one the publish of this one is all that happens.
            span = _announcing(row, parent)
            try:
                yield announcement(row, tracing.traceparent_of(span))
            finally:
                span.end()

    def _spans(self) -> list[Span]:
        spans = [one.span for one in self._processes]
        return spans if self._round is None else [*spans, self._round]


NONE = RoundSpans()


@contextmanager
def of_round(batches: Sequence[Batch[Held]], *, aside: bool) -> Iterator[RoundSpans]:
    """The spans of a round, which is the current one inside; the tasks learn of theirs."""
    found = [
        (batch, index)
        for batch in batches if tracing.active()
        for index, task in enumerate(batch.tasks) if tracing.wanted(parent_of(task))
    ]  # fmt: skip
    if not found:
        yield NONE
        return
    at_ns = time.time_ns()
    round_ = tracing.start(
        "round", "",
        attributes={
            "homing.lane": "aside" if aside else "merged",
            "homing.partitions": len(batches),
            "homing.commands": sum(len(batch.tasks) for batch in batches),
        },
        links=[parent_of(batch.tasks[index]) for batch, index in found], at_ns=at_ns,
    )  # fmt: skip
    processes = [
        _process(batch, index, tracing.traceparent_of(round_), at_ns) for batch, index in found
    ]
    spans = RoundSpans(round_, [one for one in processes if one.span.is_recording()])
    try:
        with tracing.beside(round_):
            yield spans
    finally:
        spans.end()


def _process(batch: Batch[Held], index: int, round_: str, at_ns: int) -> _Process:
    held, task = batch.held, batch.tasks[index]
    delivery, envelope = task.delivery, task.envelope
    command_id = envelope.id if envelope else ""
    span = tracing.start(
        name_of("process", COMMANDS), parent_of(task), SpanKind.CONSUMER,
        attributes_of("process", COMMANDS, delivery.subject, command_id, len(delivery.body)),
        [round_], at_ns,
    )  # fmt: skip
    if span.is_recording():
        waited = now() - delivery.received_at
        span.set_attributes(
            {
                "messaging.consumer.group.name": consumer_of(held.partition),
                "messaging.destination.partition.id": str(held.partition),
                "homing.command.type": envelope.type if envelope else "unknown",
                "homing.partition": held.partition,
                "homing.sequence": delivery.sequence,
                "homing.epoch": held.epoch,
                "homing.delivery.attempt": delivery.attempt,
                "homing.round.tries": held.suspicion.tries,
                "homing.published_at": delivery.published_at.isoformat(),
                "homing.received_at": delivery.received_at.isoformat(),
                "homing.queue.seconds": _seconds(delivery.published_at, delivery.received_at),
                "homing.wait.seconds": waited.total_seconds(),
            }
        )
        batch.tasks[index] = task._replace(traceparent=tracing.traceparent_of(span))
    return _Process(held.partition, command_id, span)


def _announcing(row: OutcomeRow, parent: str) -> Span:
    subject = f"homing.outcomes.{row.owner}.{row.command_id}"
    size = len(row.body.encode())
    said = attributes_of("publish", OUTCOMES, subject, row.command_id, size)
    return tracing.start(name_of("publish", OUTCOMES), parent, SpanKind.PRODUCER, said)


def _concluded(span: Span, row: OutcomeRow) -> None:
    outcome = decode_outcome(row.body.encode())
    if decided_at := outcome.timeline.decided_at:
        span.add_event("decided", timestamp=int(decided_at.timestamp() * 1_000_000) * 1000)
    span.set_attribute("homing.outcome.status", outcome.status)
    if outcome.error is not None:
        span.set_attribute("homing.outcome.error", outcome.error.type)
    if outcome.status == "failed":
        span.set_attribute("error.type", outcome.error.type if outcome.error else "failed")
        span.set_status(Status(StatusCode.ERROR))


def parent_of(task: Task) -> str:
    """The context of its publish: in the envelope, or beside one that cannot be read."""
    envelope = task.envelope
    return envelope.traceparent if envelope else task.delivery.headers.get("traceparent", "")


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
