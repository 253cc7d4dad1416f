"""`/metrics`: what a process counted, and what it measures when somebody scrapes it.

Each process exposes its own metrics alone: a reactor that said 0 of the API's streams would lie.
OpenMetrics with exemplars is given to who asks for it, as Prometheus does, the older text to all
others. What is measured has `PATIENCE_SECONDS`, all of it at the same time; what is not known by
then is absent.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Iterable, Iterator
from importlib.metadata import version

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    disable_created_metrics,
)
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from homing import telemetry
from homing.lifecycle import Lifecycle

PATIENCE_SECONDS = 2.5
"""Longer than lag takes to be known as unknown, shorter than any scraper waits."""
Measure = Callable[[], Awaitable[Iterable[Metric]]]
"""Measures some of `telemetry.Scraped`; what cannot be known is left out."""


class Scrape:
    """What one process says when it is scraped."""

    def __init__(self, process: str, lifecycle: Lifecycle) -> None:
        """`process` is `api`, `reactor` or `web`."""
        # When a counter began, which nobody asks, would be a third of the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._process = process
        self._lifecycle = lifecycle
        self._counted = CollectorRegistry()
        self._measures: list[Measure] = []
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            self._counted.register(collector)
        for entry in telemetry.CATALOGUE.values():
            if process in entry.processes and not entry.scraped:
                self._counted.register(entry.metric)

    def measure(self, *measures: Measure) -> None:
        """Ask these as well from now on."""
        self._measures += measures

    async def answer(self, accept: str) -> tuple[int, str, bytes]:
        """Status, content type and body, in the form that `accept` (the header) prefers."""
        encode, content_type = choose_encoder(accept)
        families = [*self._facts(), *await self._measured()]
        return 200, content_type, encode(_Page(self._counted, families))

    async def _measured(self) -> list[Metric]:
        """Nobody who scrapes is kept waiting by what does not even answer a cancellation."""
        asked = [asyncio.ensure_future(_listed(measure)) for measure in self._measures]
        if not asked:
            return []
        done, late = await asyncio.wait(asked, timeout=PATIENCE_SECONDS)
        for task in late:
            task.cancel()
        return [family for task in asked if task in done for family in task.result()]

    def _facts(self) -> Iterator[Metric]:
        facts = (version("homing"), platform.python_version(), self._process)
        yield telemetry.BUILD.family([(facts, 1.0)])
        answers = self._lifecycle.dependencies.items()
        if answers:
            yield telemetry.UP.family([((name,), float(ask())) for name, ask in answers])


class _Page(Collector):
    """All that is exposed at one scrape."""

    def __init__(self, counted: Collector, measured: Iterable[Metric]) -> None:
        self._counted = counted
        self._measured = measured

    def collect(self) -> Iterable[Metric]:
        yield from self._counted.collect()
        yield from self._measured


async def _listed(measure: Measure) -> list[Metric]:
    return list(await measure())
