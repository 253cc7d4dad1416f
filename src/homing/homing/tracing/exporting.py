"""Spans on their way out of the process: made by the SDK, which is imported here and only if asked.

Nobody waits for a collector. Spans are sent by a thread of the SDK's, from a bounded queue; what a
collector that is away does not take is lost, and said once. At the end of the process there is a
moment to send what is left.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import re
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

from homing import tracing
from homing.log import get
from homing.tracing.sampling import ids, odds, sampler
from homing.tracing.settings import Tracing

log = get(__name__)
FLUSH_SECONDS = 1.5
SAID_MAX = 300
_CREDENTIALS = tuple(
    f"OTEL_PYTHON_EXPORTER_OTLP_{signal}CREDENTIAL_PROVIDER" for signal in ("HTTP_", "HTTP_TRACES_")
)
_QUERY = re.compile(r"\?\S+")


@asynccontextmanager
async def exporting(asked: Tracing) -> AsyncIterator[None]:
    """Record and export while the block runs."""
    provider = _provider(asked)
    tracer = provider.get_tracer("homing", version("homing"))
    tracing.use(tracer, every=not asked.parent_based, odds=odds(asked))
    try:
        yield
    finally:
        tracing.use(None)
        await _flushed(provider)


def _provider(asked: Tracing) -> TracerProvider:
    resource = Resource.create(
        {
            "service.name": asked.service,
            "service.version": version("homing"),
            "service.instance.id": str(uuid4()),
        }
    )
    # What is left at the end is sent by us, who know for how long; the SDK would wait for minutes.
    provider = TracerProvider(
        sampler(asked), resource, shutdown_on_exit=False, id_generator=ids(asked)
    )
    for name in asked.exporters:
        provider.add_span_processor(BatchSpanProcessor(_Watched(_exporter(name, asked.protocol))))
    return provider


def _exporter(name: str, protocol: str) -> SpanExporter:
    if name == "console":
        return ConsoleSpanExporter()
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415  # large
            OTLPSpanExporter as OverGrpc,
        )

        return OverGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # large
        OTLPSpanExporter as OverHttp,
    )

    return OverHttp(session=_session())


def _session() -> Any:
    """The exporter's way out: it follows no redirect, and would take one for a success.

    None if a provider of credentials makes one, as the SDK has it.
    """
    if any(os.environ.get(name) for name in _CREDENTIALS):
        return None
    import requests  # noqa: PLC0415  # large

    session = requests.Session()
    session.hooks["response"].append(_refuse_redirect)
    return session


def _refuse_redirect(answer: Any, **_: object) -> None:
    if 300 <= answer.status_code < 400:  # RFC 9110, section 15.4
        raise OSError(f"the collector answers {answer.status_code}: it is somewhere else")


async def _flushed(provider: TracerProvider) -> None:
    """Send what is left, for a moment; in a thread that nobody waits for any longer than that."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def flush() -> None:
        provider.shutdown()
        try:
            loop.call_soon_threadsafe(done.set)
        except RuntimeError:  # it took too long: the loop is closed
            return

    threading.Thread(target=flush, name="homing-traces-flush", daemon=True).start()
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await done.wait()
    except TimeoutError:
        log.warning("traces.not_flushed", seconds=FLUSH_SECONDS)


class _Watched(SpanExporter):
    """An exporter that says when its collector goes, and when it is back, and no more."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._around = contextvars.copy_context()  # what the process binds to its log lines
        self._reason = _Reason()
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK's thread, for one batch at a time."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # whatever it is, spans are lost and nothing else
            self._reason.said, result = _shown(repr(error)), SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                self._around.run(log.warning, "traces.lost", why=self._reason.said)
            self._lost += len(spans)
        elif self._lost:
            self._around.run(log.info, "traces.exported_again", lost=self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """The last call."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)


class _Reason(logging.Handler):
    """Keeps what the exporters say of a failure, which they say again with every batch."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = ""
        logger = logging.getLogger("opentelemetry.exporter")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last word."""
        self.said = _shown(record.getMessage())


def _shown(said: str) -> str:
    """What an exporter says, without the query of its collector's URL: keys stand in some."""
    return _QUERY.sub("?…", said)[:SAID_MAX]
