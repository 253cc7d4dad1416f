"""Whole answers without a framework: what the small ASGI applications say, problems among them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from homing.problems import CONTENT_TYPE, ProblemDocument

Headers = list[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: Headers
    body: bytes


def problem(status: int, kind: str, detail: str, *further: tuple[bytes, bytes]) -> Answer:
    """A problem document, with `further` headers; what is only away says when to come again."""
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store"), *further]
    if status in (502, 503, 504):
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    document = ProblemDocument.of(status, kind, detail)
    return Answer(status, headers, msgspec.json.encode(document))


async def give(send: Send, answer: Answer) -> None:
    """Send it."""
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [*answer.headers, length]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
