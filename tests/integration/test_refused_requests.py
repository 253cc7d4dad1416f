"""What no route answers, at every port that we listen on: always a problem document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from homing.local import ports
from support.place import Servers, fresh_place
from support.raw import request, said
from support.running import running_api, running_reactor, running_web

PORTS = ("api", "api-internal", "reactor", "web", "web-internal")
Listening = dict[str, int]


@pytest.fixture(scope="module")
async def listening(servers: Servers) -> AsyncIterator[Listening]:
    """Every port of an API, a reactor and a web process, by name."""
    inside, reactor = ports.free(2)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(fresh_place(servers))
        await stack.enter_async_context(running_reactor(place, internal_port=reactor))
        api = await stack.enter_async_context(running_api(place, internal_port=inside))
        web = await stack.enter_async_context(
            running_web(api, api_internal_url=f"http://127.0.0.1:{inside}")
        )
        port = int(api.rpartition(":")[2])
        yield dict(zip(PORTS, (port, inside, reactor, web.public, web.internal), strict=True))


@pytest.mark.parametrize(
    ("port", "asked", "status", "allow"),
    [
        ("reactor", "GET /elsewhere", 404, None),
        ("reactor", "POST /livez", 405, "GET, HEAD"),
        ("reactor", "DELETE /lag", 405, "GET, HEAD"),
        ("api-internal", "POST /lag", 405, "GET, HEAD"),
        ("api-internal", "PUT /metrics", 405, "GET, HEAD"),
        ("api-internal", "GET /elsewhere", 404, None),
        ("api-internal", "POST /operator/state", 405, "GET, HEAD, OPTIONS"),
        ("web-internal", "POST /readyz", 405, "GET, HEAD"),
        ("web-internal", "GET /elsewhere", 404, None),
        ("web-internal", "GET /operator/static/elsewhere.js", 404, None),
        ("web-internal", "POST /operator", 405, "GET, HEAD, OPTIONS"),
        ("web", "GET /static/elsewhere.js", 404, None),
        ("web", "POST /", 405, "GET, HEAD, OPTIONS"),
        ("web", "DELETE /locations/new", 405, "GET, HEAD, OPTIONS"),
        ("web", "GET /api/elsewhere", 404, None),
        ("api", "GET /elsewhere", 404, None),
    ],
)
async def test_a_route_or_method_that_is_not_there_is_a_problem(
    listening: Listening, port: str, asked: str, status: int, allow: str | None
) -> None:
    """With the type that the public routes give it, and the methods that there are."""
    answer = await said(listening[port], request(asked))
    assert answer is not None
    kind = {404: "not-found", 405: "method-not-allowed"}[status]
    assert (answer.status, answer.problem["type"]) == (status, f"/problems/{kind}")
    assert answer.headers["allow"] == allow
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("port", ["web", "web-internal", "api", "api-internal"])
async def test_a_body_without_end_is_a_problem(listening: Listening, port: str) -> None:
    """413, wherever a body is read at all; from its length alone."""
    path = {"web": "/api/commands", "api": "/api/commands"}.get(port, "/operator/state")
    asked = request(f"POST {path}", f"Content-Length: {10**9}", "Content-Type: application/json")
    answer = await said(listening[port], asked)
    assert answer is not None
    assert (answer.status, answer.problem["status"]) == (413, 413)


@pytest.mark.parametrize("port", PORTS)
async def test_a_length_that_is_said_in_two_ways_is_a_problem(
    listening: Listening, port: str
) -> None:
    """400, and the connection ends (RFC 9112, section 6.3)."""
    fields = ("Content-Length: 5", "Transfer-Encoding: chunked")
    for first in ("POST /api/commands/tally.add", "GET /livez"):
        answer = await said(listening[port], request(first, *fields, body=b"0\r\n\r\n"))
        assert answer is not None
        assert (answer.status, answer.closed) == (400, True)
        assert answer.problem["type"] == "/problems/ambiguous-length"
        assert "Transfer-Encoding" in answer.problem["detail"]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("host", ["a b", "a/b", "", "a@b", "a:b", "[::1", "[::1]b", "\xe4"])
async def test_a_host_that_is_none_is_a_problem(listening: Listening, port: str, host: str) -> None:
    """400, and the connection ends (RFC 9112, section 3.2); whatever the path."""
    for first in ("GET /livez", "GET /operator", "GET /api/session"):
        answer = await said(listening[port], request(first, host=host))
        assert answer is not None
        assert (answer.status, answer.closed) == (400, True)
        assert answer.problem["type"] == "/problems/bad-host"


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("name", ["Baggage", "Cookie", "Accept", "Traceparent"])
async def test_a_control_character_in_a_header_is_a_problem(
    listening: Listening, port: str, name: str
) -> None:
    """400 with the header's name (RFC 9110, section 5.5), and not an error of whoever is asked."""
    for value in ("a=\x1b", "a=\x7f", "\x01"):
        for first in ("GET /livez", "GET /api/session", "GET /operator/state"):
            answer = await said(listening[port], request(first, f"{name}: {value}"))
            assert answer is not None
            assert (answer.status, answer.closed) == (400, True)
            assert answer.problem["type"] == "/problems/bad-header"
            assert name.lower() in answer.problem["detail"]


@pytest.mark.parametrize("port", PORTS[1:])
async def test_a_probe_without_a_host_is_answered(listening: Listening, port: str) -> None:
    """HTTP/1.0 knows none, and what asks for it is often the simplest client there is."""
    path = b"/" if port == "web" else b"/livez"
    answer = await said(listening[port], b"GET %b HTTP/1.0\r\n\r\n" % path)
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("port", PORTS)
async def test_a_websocket_is_refused_with_a_problem(listening: Listening, port: str) -> None:
    """No port speaks it, and none breaks over the question."""
    fields = (
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    for path in ("/", "/livez", "/api/session"):
        answer = await said(listening[port], request(f"GET {path}", *fields))
        assert answer is not None
        assert (answer.status, answer.closed) == (400, True)
        assert answer.problem["type"] == "/problems/no-websocket"


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    ("asked", "status", "kind", "why"),
    [
        (request("GET /", host=None), 400, "bad-request", "Host"),
        (request("GET /", "Host: b"), 400, "bad-request", "Host"),
        (b"\x16\x03\x01 hello\r\n\r\n", 400, "bad-request", "request line"),
        (request("GET /", "no colon"), 400, "bad-request", "header line"),
        (request("POST /", "Content-Length: +5"), 400, "bad-request", "Content-Length"),
        (request("GET /", "Content-Length: 5", "Content-Length: 6"), 400, "bad-request", "Length"),
        (request("GET /", f"X: {'x' * 70_000}"), 431, "request-header-fields-too-large", "header"),
        (
            request("POST /", "Transfer-Encoding: gzip, chunked"),
            501, "not-implemented", "Transfer-Encoding",
        ),
    ],
    ids=("no host", "two hosts", "tls", "no colon", "sign", "two lengths", "too long", "gzip"),
)  # fmt: skip
async def test_what_is_malformed_is_a_problem(
    listening: Listening, port: str, asked: bytes, status: int, kind: str, why: str
) -> None:
    """Though no application of ours sees it; the connection ends."""
    answer = await said(listening[port], asked)
    assert answer is not None
    assert (answer.status, answer.closed) == (status, True)
    assert answer.problem["type"] == f"/problems/{kind}"
    assert why in answer.problem["detail"]
    assert "bytearray" not in answer.problem["detail"]
    assert answer.headers["retry-after"] is None


@pytest.mark.parametrize("method", ["POST", "HEAD"])
async def test_a_malformed_body_is_a_problem(listening: Listening, method: str) -> None:
    """While the application waits for more of it; to HEAD in headers alone."""
    asked = request(f"{method} /api/session", "Transfer-Encoding: chunked", body=b"nothing\r\n")
    answer = await said(listening["web"], asked)
    assert answer is not None
    assert (answer.status, answer.closed) == (400, True)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("port", PORTS)
async def test_nobody_changes_to_http_2(listening: Listening, port: str) -> None:
    """Asked to, a server may go on as before (RFC 9110, section 7.8); without asking it is none."""
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    answer = await said(listening[port], request("GET /elsewhere", *fields))
    assert answer is not None
    assert answer.status in (200, 404)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    answer = await said(listening[port], preface)
    assert answer is not None
    assert answer.status >= 400
    assert answer.problem
