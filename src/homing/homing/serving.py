"""Serving HTTP: Hypercorn run from code, and the small internal application of every process.

The command line of Hypercorn cuts streams on SIGTERM without a clean end; here the process owns its
signals, ends its streams first and only then sets `stop`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config, Sockets

from homing.answers import Answer, give, problem
from homing.lifecycle import Lifecycle
from homing.malformed import say_what_is_malformed
from homing.refusing import refusing
from homing.scraping import Scrape
from homing.settings import Listening

Said = tuple[int, str, bytes]
"""Status, content type, body."""
Route = Callable[[bytes], Awaitable[Said]]
"""Answers a GET; the argument is the raw query string."""
PEER_GONE_MS = 30_000
TEXT = "text/plain; charset=utf-8"


async def serve(
    app: Any, bind: str, port: int, stop: asyncio.Event, leaving: asyncio.Event | None = None
) -> None:
    """Serve the ASGI application `app` on `bind:port` until `stop` is set.

    Once `leaving` is set each response ends its connection: a client that keeps a pool of them
    comes back on a new one, which a load balancer leads elsewhere, and none is cut under a request.
    """
    config = _Config()
    host = f"[{bind}]" if ":" in bind else bind
    config.bind = [f"{host}:{port}"]
    config.backlog = 4096  # the default of 100 overflows when thousands of streams reconnect
    config.graceful_timeout = 3.0
    config.alpn_protocols = ["http/1.1"]  # after GOAWAY an HTTP/2 stream goes silent without an end
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    app = _leaving(app, leaving) if leaving else app
    say_what_is_malformed()
    await hypercorn_serve(refusing(app), config, shutdown_trigger=stop.wait)


async def linger(drain: Awaitable[None], seconds: float) -> None:
    """Drain, but for no less than half of the window: idle connections need their last response."""
    await asyncio.gather(drain, asyncio.sleep(seconds / 2))


def _leaving(app: Any, leaving: asyncio.Event) -> Any:
    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def last(message: Any) -> None:
            if message["type"] == "http.response.start" and leaving.is_set():
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, last)

    return wrapped


class _Config(Config):
    """Hypercorn's, with sockets on which a peer that is gone is given up after half a minute.

    Without it a cut stream whose reader takes nothing keeps its socket for as long as the kernel
    keeps probing (`tcp(7)`, TCP_USER_TIMEOUT; accepted sockets inherit it).
    """

    def create_sockets(self) -> Sockets:
        """The listening sockets. Raises `OSError`, with the address."""
        try:
            sockets = super().create_sockets()
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {', '.join(self.bind)}") from error
        if option := getattr(socket, "TCP_USER_TIMEOUT", 0):  # Linux alone has it
            for one in sockets.insecure_sockets:
                one.setsockopt(socket.IPPROTO_TCP, option, PEER_GONE_MS)
        return sockets


async def with_probes(
    config: Listening,
    lifecycle: Lifecycle,
    work: Callable[[], Coroutine[Any, Any, None]],
    scrape: Scrape,
    routes: Mapping[str, Route] | None = None,
    beside: Any = None,
) -> None:
    """Do `work` beside the internal port, which answers from the first moment to the last.

    `work` ends when it sees `lifecycle.stopping`; until it has started, a signal ends its waiting.
    """
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        probes = internal_app(lifecycle, scrape, routes, beside)
        group.create_task(serve(probes, config.bind, config.internal_port, ended))
        working = group.create_task(work())
        stop = group.create_task(lifecycle.stopping.wait())
        await asyncio.wait((working, stop), return_when=asyncio.FIRST_COMPLETED)
        if not lifecycle.started.is_set():
            working.cancel()
        await asyncio.wait((working,))
        lifecycle.stopping.set()
        ended.set()


def internal_app(
    lifecycle: Lifecycle,
    scrape: Scrape,
    routes: Mapping[str, Route] | None = None,
    beside: Any = None,
) -> Any:
    """The application of the internal port: `/livez`, `/readyz`, `/metrics` and `routes`.

    Every other path is left to the ASGI application `beside`, if there is one.

    `/readyz?verbose` also says which dependencies answer. They never make a process unready: all
    replicas would leave at once, and every EventSource would close for good.
    """

    async def livez(_query: bytes) -> Said:
        return 200, TEXT, b"alive\n"

    async def readyz(query: bytes) -> Said:
        said = ["ready" if lifecycle.ready else "not ready"]
        if query.startswith(b"verbose"):
            answers = lifecycle.dependencies.items()
            said += [f"{name}: {'answers' if ask() else 'away'}" for name, ask in answers]
        return 200 if lifecycle.ready else 503, TEXT, "\n".join([*said, ""]).encode()

    table: dict[str, Route] = {"/livez": livez, "/readyz": readyz}
    table.update(routes or {})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            known: dict[str, Route] = {"/metrics": partial(_metrics, scrape, scope), **table}
            if beside is None or scope["path"] in known:
                await _answer(known, scope, send)
            else:
                await beside(scope, receive, send)

    return app


async def _answer(table: Mapping[str, Route], scope: Any, send: Any) -> None:
    route = table.get(scope["path"])
    if route is None:
        answer = problem(404, "not-found", "This internal port has no such route.")
    elif scope["method"] not in ("GET", "HEAD"):
        allow = (b"allow", b"GET, HEAD")
        answer = problem(405, "method-not-allowed", "This route answers GET and HEAD.", allow)
    else:
        status, kind, body = await route(scope["query_string"])
        answer = Answer(status, [(b"content-type", kind.encode())], body)
    await give(send, answer)


async def _metrics(scrape: Scrape, scope: Any, _query: bytes) -> Said:
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return await scrape.answer(accept.decode("latin-1"))


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
