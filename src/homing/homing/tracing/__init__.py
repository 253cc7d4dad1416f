"""Traces: what every process asks while it handles commands, and what it costs nothing to ask.

There is one tracer per process, as there is one registry of metrics. Without an exporter asked for
in the environment there is none: no span is started then, and no SDK is imported. The name of a
span is a template and never holds an id. A parent is said as a traceparent (W3C Trace Context),
which is how it travels; nothing else of a sender's context is taken over: `baggage` is not trusted,
and `tracestate` would be stored with every command for vendors that are not asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)
from opentelemetry.util.types import AttributeValue

from homing.identity import Traced, traced

Attributes = Mapping[str, AttributeValue]
_NOWHERE = Context()
_NOTHING = nullcontext()
_SAMPLED_ENDS = frozenset("13579bdf")
_tracer: Tracer | None = None
_every = False
_odds = 1.0


def use(tracer: Tracer | None, *, every: bool = False, odds: float = 1.0) -> None:
    """Record with this tracer from now on, or nothing (None).

    `every`: the sampler does not care whether the trace is sampled where it came from.
    `odds`: the share (0 to 1) of the traces that begin here which the SDK is asked for at all.
    Mostly the sampler would say no, and by then the SDK has made its ids and objects.
    """
    global _tracer, _every, _odds  # one per process
    _tracer, _every, _odds = tracer, every, odds


def active() -> bool:
    """Whether spans are recorded and exported at all."""
    return _tracer is not None


def wanted(parent: str) -> bool:
    """Whether a span below `parent` may be recorded: a look at one character, for hot paths."""
    return _tracer is not None and (_every or not parent or parent[-1] in _SAMPLED_ENDS)


def declined(parent: str) -> bool:
    """Whether whoever began the trace of `parent` decided against it, and that counts here."""
    known = None if _every else traced(parent)
    return known is not None and not known.sampled


def current_exemplar() -> dict[str, str] | None:
    """The trace that a measurement made here belongs to, if somebody can look at it later."""
    if _tracer is None:
        return None
    span = trace.get_current_span()
    context = span.get_span_context()
    if not (span.is_recording() and context.trace_flags.sampled):
        return None
    return {"trace_id": trace.format_trace_id(context.trace_id)}


def current() -> Span | None:
    """The span that is being recorded at this place, if there is one."""
    if _tracer is None:
        return None
    span = trace.get_current_span()
    return span if span.is_recording() else None


def start(
    name: str,
    parent: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    links: Sequence[str] = (),
    at_ns: int | None = None,
) -> Span:
    """Begin a span below `parent`, or a trace if that names none; whoever begins it ends it.

    It may turn out not to be recorded: ask `is_recording`.
    """
    if _tracer is None:
        return trace.INVALID_SPAN
    linked = [Link(_context(known)) for one in links if (known := traced(one))]
    known = traced(parent)
    if known is None and not linked and random.random() >= _odds:  # noqa: S311  # no secret
        return trace.INVALID_SPAN
    context = _NOWHERE
    if known is not None:
        context = trace.set_span_in_context(NonRecordingSpan(_context(known)), _NOWHERE)
    return _tracer.start_span(name, context, kind, attributes, linked, at_ns)


def link(span: Span, other: str) -> None:
    """Say that a span has to do with another one."""
    if known := traced(other):
        span.add_link(_context(known))


def traceparent_of(span: Span) -> str:
    """How a span is named where it is somebody's parent."""
    said = span.get_span_context()
    return str(
        Traced(
            trace.format_trace_id(said.trace_id),
            trace.format_span_id(said.span_id),
            said.trace_flags,
        )
    )


def step(name: str, statement: str = "", rows: int = 0) -> AbstractContextManager[object]:
    """A part of what is being recorded at this place; nothing if nothing is.

    `statement` is what it asks of Postgres, in a few words, and `rows` for how many.
    """
    if _tracer is None or not trace.get_current_span().is_recording():
        return _NOTHING
    if not statement:
        return inside(_tracer.start_span(name))
    said: dict[str, AttributeValue] = {
        "db.system.name": "postgresql",
        "db.query.summary": statement,
    }
    if rows:
        said["db.operation.batch.size"] = rows
    return inside(_tracer.start_span(name, kind=SpanKind.CLIENT, attributes=said))


@contextmanager
def inside(span: Span) -> Iterator[Span]:
    """Make it the current span, and end it; an error that passes is its status."""
    with trace.use_span(
        span, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield span
        except Exception as error:
            failed(span, error)
            raise


def beside(span: Span) -> AbstractContextManager[Span]:
    """Make it the current span; whoever began it ends it, and says how it went."""
    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def failed(span: Span, error: BaseException) -> None:
    """Note an error by its type alone: what it says may hold what a client sent."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR, type(error).__name__))


def _context(known: Traced) -> SpanContext:
    return SpanContext(
        int(known.trace_id, 16), int(known.span_id, 16), is_remote=True,
        trace_flags=TraceFlags(known.flags),
    )  # fmt: skip
