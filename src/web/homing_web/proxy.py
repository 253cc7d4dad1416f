"""The way of `/api` through the web process: an ASGI application that streams both directions.

browser -> Hypercorn -> `Proxy` -> aiohttp's client -> API, and back, chunk by chunk. Nothing is
buffered beyond one chunk a side, so a slow reader slows the API's stream itself; when the browser
leaves, the upstream request is cancelled. It speaks raw ASGI: under a framework's response object a
client that leaves between the upstream's headers and our first byte would leak the connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from homing.answers import Answer, Send, give, problem
from homing.log import get
from homing_web.forwarding import (
    EVENT_STREAM,
    Scope,
    about,
    come_back,
    end_to_end,
    header,
    request_headers,
    target,
    wants_events,
)

Receive = Callable[[], Awaitable[dict[str, Any]]]

log = get(__name__)

EXCHANGES_MAX = 25_000
"""Requests and streams upstream at once; above the API's own cap on streams."""
CONNECT_SECONDS = 5.0
EVENTS_SILENCE_SECONDS = 60.0
"""A stream that says nothing for four heartbeats has lost its API."""
ANSWER_SILENCE_SECONDS = 330.0
"""Above the longest wait that the API can be set to (300 s)."""
SEND_SECONDS = 30.0
"""A reader that takes nothing for so long is cut."""
BODY_MAX_BYTES = 8_388_608
"""Far above what the API takes, so that its own limits answer; here only against no end."""
KEPT_MAX_BYTES = 262_144
"""Of a body, in case it has to be sent again; above what one command may have."""
RECONNECT_MILLISECONDS = (500, 3000)
SAFE = ("GET", "HEAD")
SKIPPED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class BodyTooLarge(Exception):
    """The request's body is longer than the proxy takes."""


def open_session() -> ClientSession:
    """The client towards the API: no cookies, no decoding, no total limit."""
    # Idle connections go before the API's server closes them (Hypercorn: 5 s): a POST on a
    # connection that is closed at the same moment fails, and only one with a key may be repeated.
    connector = TCPConnector(limit=EXCHANGES_MAX, keepalive_timeout=2.0)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False)


class Proxy:
    """Passes requests on to the API, and knows the event streams that are open through it."""

    def __init__(self, session: ClientSession, api_url: str) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._streams: set[ClientResponse] = set()
        self._exchanges = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    @property
    def open_streams(self) -> int:
        """Event streams that pass through now."""
        return len(self._streams)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ends at once when the client leaves."""
        body: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        answering = asyncio.create_task(self._answer(scope, body, _in_time(send)))
        watching = asyncio.create_task(_take_in(receive, body))
        self._exchanges += 1
        self._idle.clear()
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            watching.cancel()
            await asyncio.gather(answering, watching, return_exceptions=True)
            self._exchanges -= 1
            if not self._exchanges:
                self._idle.set()
        try:
            if not answering.cancelled():
                answering.result()
        except TimeoutError:
            log.info("web.reader.cut", **about(scope))

    async def drain(self, seconds: float) -> None:
        """End the open streams one by one over the window, then wait for what is in hand."""
        self._draining = True
        streams = list(self._streams)
        random.shuffle(streams)
        try:
            async with asyncio.timeout(seconds):
                for response in streams:
                    response.close()
                    await asyncio.sleep(seconds / 2 / len(streams))
                await self._idle.wait()
        except TimeoutError:
            log.warning("web.drain.cut", exchanges=self._exchanges)

    async def _answer(self, scope: Scope, body: asyncio.Queue[bytes | None], send: Send) -> None:
        if self._draining and wants_events(scope):
            await give(send, come_back(_reconnect()))
            return
        try:
            response = await self._ask(scope, body)
        except BodyTooLarge:
            detail = f"A request's body has at most {BODY_MAX_BYTES} bytes."
            await give(send, problem(413, "too-large", detail))
            return
        except (ClientError, TimeoutError, OSError) as error:
            await give(send, _away(scope, error))
            return
        try:
            if response.status in (502, 503, 504) and wants_events(scope):
                await give(send, come_back(_reconnect()))
            else:
                await self._relay(scope, response, send)
        finally:
            response.close()

    async def _ask(self, scope: Scope, body: asyncio.Queue[bytes | None]) -> ClientResponse:
        length = header(scope["headers"], b"content-length")
        if length and int(length) > BODY_MAX_BYTES:
            raise BodyTooLarge
        sending = _Sending(body)
        try:
            return await self._request(scope, sending)
        except ClientError as error:
            if sending.exceeded:
                raise BodyTooLarge from None
            if not _may_be_repeated(scope, sending, error):
                raise
            log.info("web.upstream.repeated", why=_kind(error), **about(scope))
        return await self._request(scope, sending)

    async def _request(self, scope: Scope, sending: _Sending) -> ClientResponse:
        length = header(scope["headers"], b"content-length")
        has_body = (length and int(length) > 0) or header(scope["headers"], b"transfer-encoding")
        silence = EVENTS_SILENCE_SECONDS if wants_events(scope) else ANSWER_SILENCE_SECONDS
        return await self._session.request(
            scope["method"],
            URL(self._api_url + target(scope), encoded=True),
            headers=[(k.decode("latin-1"), v.decode("latin-1")) for k, v in request_headers(scope)],
            data=sending.chunks() if has_body else None,
            allow_redirects=False,
            skip_auto_headers=SKIPPED,
            timeout=ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=silence),
        )

    async def _relay(self, scope: Scope, response: ClientResponse, send: Send) -> None:
        events = response.headers.get("Content-Type", "").startswith(EVENT_STREAM.decode())
        if events:
            self._streams.add(response)
        try:
            # Our own server dates the response; two dates would be one too many.
            headers = [one for one in end_to_end(response.raw_headers) if one[0] != b"date"]
            await _say(send, "start", status=response.status, headers=headers)
            async for chunk in response.content.iter_any():
                await _say(send, "body", body=chunk, more_body=True)
        except ClientError as error:
            # Returning without an end cuts the connection, so that the client sees it is not whole.
            # An event stream may end anywhere: its reader drops half an event and comes back.
            if not events:
                log.warning("web.upstream.lost", why=_kind(error), **about(scope))
                return
        finally:
            self._streams.discard(response)
        await _say(send, "body", body=b"", more_body=False)


class _Sending:
    """The request's body on its way upstream, counted; what is small is kept for a repeat."""

    def __init__(self, body: asyncio.Queue[bytes | None]) -> None:
        self._body = body
        self._size = 0
        self._kept: list[bytes] = []
        self._ended = False
        self.exceeded = False

    @property
    def whole(self) -> bool:
        """Whether all of it that has come is still here."""
        return self._size <= KEPT_MAX_BYTES

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield until the end of the body, from its start on; raises past the limit."""
        for chunk in tuple(self._kept):
            yield chunk
        while not self._ended:
            more = await self._body.get()
            if more is None:
                self._ended = True
                return
            self._size += len(more)
            if self._size > BODY_MAX_BYTES:
                self.exceeded = True
                raise BodyTooLarge
            self._kept = [*self._kept, more] if self.whole else []
            yield more


def _may_be_repeated(scope: Scope, sending: _Sending, error: ClientError) -> bool:
    """Whether a second attempt, at another replica perhaps, can do no harm.

    A replica that leaves may take a connection that it never serves. What did not get through at
    all may go again, and so may what counts once however often it comes: reads, and commands with
    an `Idempotency-Key`. Silence is no reason: whoever asked has waited long enough.
    """
    if isinstance(error, TimeoutError) or not sending.whole:
        return False
    keyed = header(scope["headers"], b"idempotency-key")
    return bool(keyed) or scope["method"] in SAFE or isinstance(error, ClientConnectorError)


async def _take_in(receive: Receive, body: asyncio.Queue[bytes | None]) -> None:
    """Hand the request's body on; returns when the client has left."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if message.get("body"):
            await body.put(message["body"])
        if not message.get("more_body", False):
            await body.put(None)


def _in_time(send: Send) -> Send:
    async def sent(message: dict[str, Any]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)

    return sent


async def _say(send: Send, part: str, **fields: Any) -> None:
    await send({"type": f"http.response.{part}", **fields})


def _away(scope: Scope, error: Exception) -> Answer:
    """What to answer when the API did not."""
    log.warning("web.upstream.away", why=_kind(error), **about(scope))
    if wants_events(scope):
        return come_back(_reconnect())
    if isinstance(error, ClientConnectorError | ConnectionTimeoutError):
        return problem(503, "unavailable", "The API does not answer at the moment.")
    detail = "The API's answer was lost. Repeat with the same Idempotency-Key: it counts once."
    return problem(502, "bad-gateway", detail)


def _kind(error: Exception) -> str:
    """What may be logged of it: what the client library says holds the request, headers and all."""
    return type(error).__name__


def _reconnect() -> int:
    return random.randint(*RECONNECT_MILLISECONDS)  # noqa: S311 - spreads clients, guards nothing
