"""What crosses the proxy and what does not: header rules, and what it tells event streams. Pure.

Hop-by-hop fields end here (RFC 9110, section 7.6.1); the client's address, scheme and host go on as
`X-Forwarded-*`. An event stream gets a 200 with `retry:` where a fetch gets a 502 or 503, because
any other status closes an EventSource for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from homing.answers import Answer, Headers
from homing.identity import trace_id
from homing.tracing.requests import submits

Scope = dict[str, Any]

EVENT_STREAM = b"text/event-stream"
_ROUTES = (
    *("/api/commands", "/api/outcomes", "/api/session"),
    *("/operator/dead-letters", "/operator/events", "/operator/state"),
)
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)
# Set by the client library, or answered by our own server before the body is read.
_OURS = frozenset((b"host", b"expect", b"x-forwarded-for"))


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """All values of one field, joined as RFC 9110 (section 5.3) allows; empty if there is none."""
    return b", ".join(value for key, value in headers if key.lower() == name)


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields that go on, in lower case: not hop-by-hop, not named by `Connection`."""
    given = list(headers)
    named = {name.strip().lower() for name in header(given, b"connection").split(b",")}
    return [
        (key.lower(), value)
        for key, value in given
        if key.lower() not in _HOP_BY_HOP and key.lower() not in named
    ]


def request_headers(scope: Scope) -> Headers:
    """The fields of the request as the API gets them.

    A scheme or host that a gateway in front has named is kept: it knows what the browser sees.
    """
    received = end_to_end(scope["headers"])
    headers = [(key, value) for key, value in received if key not in _OURS]
    address = (scope.get("client") or ("unknown",))[0].encode()
    path = [header(received, b"x-forwarded-for"), address]
    headers.append((b"x-forwarded-for", b", ".join(hop for hop in path if hop)))
    if not header(received, b"x-forwarded-proto"):
        headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
    if not header(received, b"x-forwarded-host"):
        headers.append((b"x-forwarded-host", header(received, b"host")))
    return headers


def target(scope: Scope) -> str:
    """Path and query exactly as they came, percent-encoding included."""
    path: str = scope.get("raw_path", scope["path"].encode()).decode("ascii")
    query: str = scope["query_string"].decode("ascii")
    return f"{path}?{query}" if query else path


def about(scope: Scope) -> dict[str, str]:
    """What a log line says of a request: never its path, which may hold what nobody may read."""
    path: str = scope["path"]
    route = next((one for one in _ROUTES if f"{path}/".startswith(f"{one}/")), None)
    trace = trace_id(header(scope["headers"], b"traceparent").decode("latin-1"))
    said = {"route": submits(scope["method"], path) or route or "other"}
    return {**said, "trace_id": trace} if trace else said


def wants_events(scope: Scope) -> bool:
    """Whether an EventSource (or one who speaks like it) asks."""
    return EVENT_STREAM in header(scope["headers"], b"accept").lower()


def come_back(milliseconds: int) -> Answer:
    """An event stream that ends at once and says when to open it again."""
    headers = [(b"content-type", EVENT_STREAM), (b"cache-control", b"no-store, no-transform")]
    return Answer(200, headers, b"retry: %d\n\n" % milliseconds)
