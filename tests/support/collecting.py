"""A collector of traces: a real OTLP receiver, over gRPC and over HTTP, which keeps what it gets.

It is built on the classes that come with the protocol. What it kept can be read span by span, or as
a tree, which is how a person reads a trace.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from homing.local import ports
from support.waiting import until


class Event(NamedTuple):
    """Something that happened within a span."""

    name: str
    at_ns: int


class Span(NamedTuple):
    """A span, as it was exported."""

    service: str
    instance: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: tuple[Event, ...]
    links: tuple[tuple[str, str], ...]
    """(trace id, span id) each."""
    start_ns: int
    end_ns: int
    error: bool

    @property
    def title(self) -> str:
        """Who did what."""
        return f"{self.service.removeprefix('homing-')}: {self.name}"


class Collector:
    """What was exported so far."""

    def __init__(self, grpc_url: str, http_url: str) -> None:
        self.grpc_url, self.http_url = grpc_url, http_url
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        """Of each export."""

    def environ(self, protocol: str) -> dict[str, str]:
        """What a process needs in its environment to export here, at once."""
        return {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.grpc_url if protocol == "grpc" else self.http_url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def take(self, request: ExportTraceServiceRequest, headers: dict[str, str]) -> None:
        """An export."""
        self.headers.append(headers)
        for group in request.resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_span(resource, one) for one in scope.spans]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace, as they began."""
        mine = [one for one in self.spans if one.trace_id == trace_id]
        return sorted(mine, key=lambda one: one.start_ns)

    def named(self, trace_id: str, name: str) -> list[Span]:
        """Those whose name begins so."""
        return [one for one in self.trace(trace_id) if one.name.startswith(name)]

    async def shaped(self, trace_id: str, expected: str, seconds: float = 20) -> list[Span]:
        """The spans of a trace, once it has this shape: titles, indented below their parents."""
        wanted = "\n".join(line[_indent(expected) :] for line in expected.splitlines() if line)
        try:
            await until(lambda: outline(self.trace(trace_id)) == wanted.rstrip(), seconds)
        except AssertionError:
            found = tree(self.trace(trace_id))
            raise AssertionError(f"expected\n{wanted}\nfound\n{found}") from None
        return self.trace(trace_id)


def outline(spans: Iterable[Span]) -> str:
    """The titles of the spans of a trace, as a tree."""
    return "\n".join(f"{'  ' * depth}{span.title}" for depth, span in _walk(list(spans)))


def tree(spans: Iterable[Span]) -> str:
    """A trace for people: when each span began, how long it took, what it says of itself."""
    walked = list(_walk(list(spans)))
    began = min((span.start_ns for _, span in walked), default=0)
    return "\n".join(
        f"{(span.start_ns - began) / 1e6:8.2f} +{(span.end_ns - span.start_ns) / 1e6:8.2f} ms  "
        f"{'  ' * depth}{span.title}{_said(span)}"
        for depth, span in walked
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on free ports."""
    over_grpc, over_http = ports.free(2)
    collector = Collector(f"http://127.0.0.1:{over_grpc}", f"http://127.0.0.1:{over_http}")
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(_Grpc(collector), server)
    server.add_insecure_port(f"127.0.0.1:{over_grpc}")
    server.start()
    http = ThreadingHTTPServer(("127.0.0.1", over_http), _http(collector))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        server.stop(grace=None).wait()


class _Grpc(TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        self._collector.take(request, dict(context.invocation_metadata()))
        return ExportTraceServiceResponse()


def _http(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            headers = {name.lower(): value for name, value in self.headers.items()}
            collector.take(ExportTraceServiceRequest.FromString(body), headers)
            said = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_said: Any) -> None:
            pass

    return Handler


def _walk(spans: list[Span]) -> Iterator[tuple[int, Span]]:
    """Each with its depth, children as they began; those whose parent is elsewhere are roots."""
    known = {one.span_id for one in spans}

    def below(parent: str, depth: int) -> Iterator[tuple[int, Span]]:
        for one in spans:
            if one.parent_id == parent:
                yield depth, one
                yield from below(one.span_id, depth + 1)

    for root in spans:
        if root.parent_id not in known:
            yield 0, root
            yield from below(root.span_id, 1)


def _said(span: Span) -> str:
    shown = {
        name.removeprefix("homing."): round(value, 4) if isinstance(value, float) else value
        for name, value in span.attributes.items()
        if name.startswith(("homing.", "http.response", "db.", "error"))
    }
    events = [f"{one.name} at {(one.at_ns - span.start_ns) / 1e6:.2f}" for one in span.events]
    links = [f"-> {trace_id[:8]}…/{span_id}" for trace_id, span_id in span.links]
    return "  " + " ".join([*(f"{name}={value}" for name, value in shown.items()), *events, *links])


def _span(resource: dict[str, Any], one: trace_pb2.Span) -> Span:
    return Span(
        service=resource["service.name"],
        instance=resource["service.instance.id"],
        name=one.name,
        kind=trace_pb2.Span.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=one.trace_id.hex(),
        span_id=one.span_id.hex(),
        parent_id=one.parent_span_id.hex(),
        attributes=_attributes(one.attributes),
        events=tuple(Event(event.name, event.time_unix_nano) for event in one.events),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in one.links),
        start_ns=one.start_time_unix_nano,
        end_ns=one.end_time_unix_nano,
        error=one.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in pairs}


def _indent(text: str) -> int:
    first = next(line for line in text.splitlines() if line.strip())
    return len(first) - len(first.lstrip())
