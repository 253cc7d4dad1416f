"""A span around each request that sends commands, and around the writing of a held response.

As an ASGI application around the one that answers, so that it sees the whole of a request, errors
included. Inside, the span is the current one, and the request's `traceparent` names it: so whoever
passes requests on passes on the right parent, and whoever answers them need not know of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from homing import tracing
from homing.identity import traceparent

COMMANDS = "/api/commands"
HEADER = b"traceparent"
TOLD = "homing.told"
PATH_MAX = 200
Route = Callable[[str, str], str | None]
"""The template of a route that is traced, by method and path."""


def submits(method: str, path: str) -> str | None:
    """The routes that commands come in by."""
    if method != "POST":
        return None
    if path == COMMANDS:
        return COMMANDS
    command_type = path.removeprefix(f"{COMMANDS}/")
    return f"{COMMANDS}/{{type}}" if command_type != path and "/" not in command_type else None


def served(app: Any, route: Route = submits, *, passes_on: bool = False) -> Any:
    """`app`, traced; `app` itself if no traces are asked for.

    `passes_on`: it sends the request to another process, which must not draw once more whether a
    trace begins there; so a request that is not recorded names a trace as well, of nobody.
    """
    if not tracing.active():
        return app

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        template = route(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if template is None:
            await app(scope, receive, send)
        else:
            await _Exchange(scope, template, passes_on).run(app, receive, send)

    return wrapped


def tells(scope: Any, traceparent: str) -> None:
    """The response to this request will tell an outcome that was decided in this span."""
    if traceparent and TOLD in scope:
        scope[TOLD].append(traceparent)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Any, template: str, passes_on: bool) -> None:
        self._told: list[str] = []
        self._writing: list[Span] = []
        self._span = _started(scope, template)
        self._scope = {**scope, TOLD: self._told}
        if self._span is not None and (passes_on or self._span is not trace.INVALID_SPAN):
            mine = (HEADER, _named(self._span).encode())
            others = [one for one in scope["headers"] if one[0] != HEADER]
            self._scope["headers"] = [mine, *others]

    async def run(self, app: Any, receive: Any, send: Any) -> None:
        """Let `app` answer."""

        async def seen(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._began(message["status"])
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._end_writing()

        try:
            if self._span is None or not self._span.is_recording():
                await app(self._scope, receive, seen)
            else:
                with tracing.inside(self._span):
                    await app(self._scope, receive, seen)
        finally:
            self._end_writing()

    def _began(self, status: int) -> None:
        if self._span is not None and self._span.is_recording():
            self._span.set_attribute("http.response.status_code", status)
            if status >= 500:
                self._span.set_attribute("error.type", str(status))
                self._span.set_status(Status(StatusCode.ERROR))
        self._writing = [writing(one, "response", self._span) for one in self._told]

    def _end_writing(self) -> None:
        for span in self._writing:
            span.end()
        self._writing = []


def writing(parent: str, over: str, request: Span | None = None) -> Span:
    """Begin the span in which an outcome is written to a client, below who told of it.

    `request` asked for it; mostly it is where the trace began.
    """
    span = tracing.start("write", parent, attributes={"homing.over": over})
    if request is not None and request.is_recording():
        asked, mine = request.get_span_context(), span.get_span_context()
        if asked.trace_id != mine.trace_id:
            span.add_link(asked)
    return span


def _named(span: Span) -> str:
    """The traceparent of a request's span; that of a trace of nobody, if it was not begun."""
    return tracing.traceparent_of(span) if span is not trace.INVALID_SPAN else traceparent()


def _started(scope: Any, template: str) -> Span | None:
    """The span of a request; None if its trace is not sampled and that counts."""
    parent = b",".join(value for name, value in scope["headers"] if name == HEADER).decode(
        "latin-1"
    )
    if tracing.declined(parent):
        return None
    span = tracing.start(f"{scope['method']} {template}", parent, SpanKind.SERVER)
    if span.is_recording():
        span.set_attributes(
            {
                "http.request.method": scope["method"],
                "http.route": template,
                "url.path": scope["path"][:PATH_MAX],
                "url.scheme": scope["scheme"],
                "network.protocol.version": scope.get("http_version", ""),
            }
        )
    return span
