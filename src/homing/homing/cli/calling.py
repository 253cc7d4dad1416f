"""The command line's way to a running Homing: HTTP with the kept session, problems as messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, SSEError, aconnect_sse

from homing.cli.session import COOKIE, KeptSession
from homing.errors import HomingError

SLACK_SECONDS = 30.0
BAD_INPUT = 2
REFUSED = (400, 404, 413, 415, 422)
"""What is the command's own fault, and stays so however often it is sent."""
SILENCE_SECONDS = 60.0
"""The API says something every 15 s on a stream."""


class CliError(HomingError):
    """It did not work:"""

    exit_code = 1


class Unreachable(CliError):
    """Homing does not answer"""


class Refused(CliError):
    """Homing refused it:"""

    def __init__(self, answer: Answer) -> None:
        super().__init__(problem(answer))
        self.exit_code = BAD_INPUT if answer.status in REFUSED else CliError.exit_code


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: Any


class Homing:
    """A running Homing, as one session sees it."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self._http = http

    async def ask(self, path: str) -> Any:
        """The JSON at a path. Raises `Refused`, `Unreachable`."""
        answer = await self.call("GET", path)
        if answer.status != 200:
            raise Refused(answer)
        return answer.body

    async def call(
        self, method: str, path: str, *, wait_seconds: float = 0.0, **request: Any
    ) -> Answer:
        """One request. Raises `Unreachable`."""
        timeout = httpx.Timeout(wait_seconds + SLACK_SECONDS, connect=5.0)
        with self._reaching():
            response = await self._http.request(method, path, timeout=timeout, **request)
            return Answer(response.status_code, _decoded(response))

    async def events(
        self, path: str, last_event_id: str | None = None
    ) -> AsyncGenerator[ServerSentEvent, None]:
        """The events of a stream until it ends. Raises `Refused`, `Unreachable`.

        Whoever leaves before the end has to close it (`contextlib.aclosing`): left to the
        garbage collector, the connection is closed while the event loop closes it as well.
        """
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=5.0)
        with self._reaching():
            async with aconnect_sse(
                self._http, "GET", path, headers=headers, timeout=timeout
            ) as source:
                if source.response.status_code not in (200, 204):
                    await source.response.aread()
                    raise Refused(Answer(source.response.status_code, _decoded(source.response)))
                if source.response.status_code == 200:
                    async with aclosing(source.aiter_sse()) as events:
                        async for event in events:
                            yield event

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, SSEError) as error:
            raise Unreachable(f"at {self.url}: {str(error) or type(error).__name__}") from error


@asynccontextmanager
async def homing_at(url: str, session_file: Path | None = None) -> AsyncIterator[Homing]:
    """Homing at `url` with the session that was kept, or a new one that is kept from now on."""
    kept = KeptSession(url, session_file)
    with kept.locked():
        cookie = await _session(url, kept.read())
        kept.keep(cookie)
    headers = {
        "Accept": "application/json, application/problem+json, text/event-stream",
        "Cookie": f"{COOKIE}={cookie}",
    }
    async with httpx.AsyncClient(base_url=url, headers=headers) as http:
        yield Homing(url, http)


async def _session(url: str, cookie: str | None) -> str:
    """The cookie, or the new one that the server gave in its place."""
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    async with httpx.AsyncClient(base_url=url, headers=headers) as http:
        homing = Homing(url, http)
        await homing.ask("/api/session")
        given = http.cookies.get(COOKIE) or cookie
    if given is None:
        raise Unreachable(f"at {url}: something else answers there")
    return given


def problem(answer: Answer) -> str:
    """A problem document, readable: title, detail, and each error on a line of its own."""
    body = answer.body if isinstance(answer.body, dict) else {}
    said = f"{body.get('title') or 'unexpected answer'} ({answer.status})"
    if body.get("detail"):
        said += f": {body['detail']}"
    lines = [_error(error) for error in body.get("errors") or []]
    return "\n".join([said, *(f"  - {line}" for line in lines)])


def _error(error: object) -> str:
    if isinstance(error, dict):
        return ": ".join(str(value) for value in error.values())
    return str(error)


def _decoded(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
