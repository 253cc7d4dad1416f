"""The spans of a command on its way into the stream and of its outcome on its way out.

A single command's trace is that of its request. A command of a batch has a trace of its own, which
begins with its publish and is linked to the request: a trace is the way of one command, and its id
in the outcome means that command alone; a thousand of them in one would be a trace that nobody can
read and few can keep. Both are recorded if the request is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from opentelemetry.trace import SpanKind
from structlog.contextvars import bind_contextvars

from homing import tracing
from homing.broker import Publishing, Receipt
from homing.identity import trace_id
from homing.outcome import Outcome
from homing.tracing.messaging import COMMANDS, attributes_of, name_of
from homing.tracing.requests import writing
from homing_api.streams import Stream
from homing_api.wrapping import Wrapped


async def publish(publisher: Publishing, wrapped: Wrapped) -> Receipt:
    """Publish a command; if its request is recorded, in a span that is the parent of its process.

    Raises what the publisher raises.
    """
    request = tracing.current()
    if request is None:
        return await publisher.publish(
            wrapped.command_id, wrapped.subject, wrapped.body, wrapped.traceparent
        )
    mine = tracing.traceparent_of(request)
    own = trace_id(mine) != trace_id(wrapped.traceparent)  # of a batch
    span = tracing.start(
        name_of("publish", COMMANDS),
        "" if own else mine,
        SpanKind.PRODUCER,
        {"homing.command.type": wrapped.type, "homing.partition": wrapped.partition},
        [mine] if own else [],
    )
    wrapped = wrapped.sent_by(tracing.traceparent_of(span))
    about(wrapped)
    with tracing.inside(span):
        body = wrapped.body
        span.set_attributes(
            attributes_of("publish", COMMANDS, wrapped.subject, wrapped.command_id, len(body))
        )
        receipt = await publisher.publish(
            wrapped.command_id, wrapped.subject, body, wrapped.traceparent
        )
        span.set_attributes(
            {"homing.sequence": receipt.sequence, "homing.duplicate": receipt.duplicate}
        )
        return receipt


def looking(wrapped: Wrapped) -> AbstractContextManager[object]:
    """The look for an earlier command of this id; those of a batch share it, and show none."""
    request = tracing.current()
    if request is None or trace_id(tracing.traceparent_of(request)) != trace_id(
        wrapped.traceparent
    ):
        return nullcontext()
    return tracing.step("look", "SELECT homing.outcomes")


def of_request(traceparent: str | None) -> None:
    """What is logged in this task from now on belongs to the trace that the request came in."""
    if traceparent and (known := trace_id(traceparent)):
        bind_contextvars(trace_id=known)


def about(wrapped: Wrapped) -> None:
    """What is logged in this task from now on is about this command."""
    bind_contextvars(
        command_id=wrapped.command_id,
        partition=wrapped.partition,
        trace_id=trace_id(wrapped.traceparent),
    )


def writes(stream: Stream, outcome: Outcome) -> None:
    """The outcome is being written to a stream, until the stream goes on or ends."""
    if outcome.traceparent and tracing.active():
        stream.telling(writing(outcome.traceparent, "stream"))
