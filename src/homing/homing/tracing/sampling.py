"""Which traces are recorded: the standard samplers, and what begins beside a trace."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from homing.tracing.settings import Tracing

_ROOTS: dict[str, Callable[[float], Sampler]] = {
    "always_on": lambda _: ALWAYS_ON,
    "always_off": lambda _: ALWAYS_OFF,
    "traceidratio": TraceIdRatioBased,
}


def sampler(asked: Tracing) -> Sampler:
    """The sampler that the settings name."""
    root = _ROOTS[asked.sampler.removeprefix("parentbased_")](asked.ratio)
    return Beside(ParentBased(root) if asked.parent_based else root)


def odds(asked: Tracing) -> float:
    """The share of the traces beginning here that may be sampled; the rest need not be begun."""
    if asked.sampler == "parentbased_always_off":
        return 0.0
    return asked.ratio if asked.sampler == "parentbased_traceidratio" else 1.0


def ids(asked: Tracing) -> IdGenerator:
    """Who makes the ids of traces and spans."""
    return Won(asked.ratio) if odds(asked) < 1 else RandomIdGenerator()


class Won(RandomIdGenerator):
    """Draws the trace's id among those that the ratio samples: the odds were drawn before.

    So ids of sampled traces are what they would be if each id had been drawn first and looked at
    then, and other services that sample by the same ratio and the id agree.
    """

    def __init__(self, ratio: float) -> None:
        self._most = max(1, TraceIdRatioBased.get_bound_for_rate(ratio) - 1)

    def generate_trace_id(self) -> int:
        """128 bits, of which the sampler looks at the lower 64."""
        return random.getrandbits(64) << 64 | random.randint(1, self._most)  # noqa: S311  # no secret


class Beside(Sampler):
    """Samples a trace that begins with links as if it went on with what they lead to.

    A round is a trace beside those of its commands, and a command of a batch is one beside that of
    the request. Sampled by themselves, the round of a command that is looked at would mostly lack.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(  # noqa: PLR0913  # the SDK's
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """As the SDK asks."""

        def ask(context: Context | None, trace_id: int) -> SamplingResult:
            return self._sampler.should_sample(
                context, trace_id, name, kind, attributes, links, trace_state
            )

        if not links or trace.get_current_span(parent_context).get_span_context().is_valid:
            return ask(parent_context, trace_id)
        for link in links:
            around = trace.set_span_in_context(NonRecordingSpan(link.context), Context())
            result = ask(around, link.context.trace_id)
            if result.decision is Decision.RECORD_AND_SAMPLE:
                return result
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        """For those who look."""
        return f"Beside{{{self._sampler.get_description()}}}"
