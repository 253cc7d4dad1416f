"""HTTP to whichever API is there."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=20, connect=3)
STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=3, sock_read=40)
JSON = {"Content-Type": "application/json"}


class Unreachable(Exception):
    """There was no answer; what was asked for may have happened."""


class Reaching:
    """Asks one of the APIs by chance, so that every client meets all of them."""

    def __init__(
        self, session: aiohttp.ClientSession, urls: Callable[[], Sequence[str]], seed: int
    ) -> None:
        self._session = session
        self._urls = urls
        self._dice = random.Random(f"reaching {seed}")

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body. Raises `Unreachable`."""
        try:
            async with self._session.post(
                self._url(path), data=body, headers={**JSON, **headers}, timeout=TIMEOUT
            ) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    async def get(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body. Raises `Unreachable`."""
        try:
            async with self._session.get(
                self._url(path), headers=headers, timeout=TIMEOUT
            ) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an event stream; whoever reads them sees `Unreachable` when it breaks."""
        try:
            async with self._session.get(
                self._url(path), headers=headers, timeout=STREAM_TIMEOUT
            ) as answer:
                if answer.status != 200:
                    raise Unreachable(f"{answer.status} of a stream")
                yield answer.content.iter_any()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    async def cookie(self) -> str:
        """A new session's. Raises `Unreachable`."""
        try:
            async with self._session.get(self._url("/api/session"), timeout=TIMEOUT) as answer:
                return answer.headers["Set-Cookie"].split(";", 1)[0]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    def _url(self, path: str) -> str:
        return self._dice.choice(self._urls()) + path
