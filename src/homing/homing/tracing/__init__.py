"""Traces: what every process asks while it handles commands, and what it costs nothing to ask.

There is one tracer per process, as there is one registry of metrics. Without an exporter asked for
in the environment there is none: no span is started then, and no SDK is imported.
"""

from __future__ import annotations

from opentelemetry import trace

_tracer: trace.Tracer | None = None


def active() -> bool:
    """Whether spans are recorded and exported at all."""
    return _tracer is not None


def current_exemplar() -> dict[str, str] | None:
    """The trace that a measurement made here belongs to, if somebody can look at it later."""
    if _tracer is None:
        return None
    span = trace.get_current_span()
    context = span.get_span_context()
    if not (span.is_recording() and context.trace_flags.sampled):
        return None
    return {"trace_id": trace.format_trace_id(context.trace_id)}
