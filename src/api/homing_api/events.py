"""Server-sent events, encoded (WHATWG HTML, "Server-sent events"). Pure.

`data` is split at every kind of line break; `id` and `event` cannot hold one. Comments keep
connections alive, `ping` tells the page's watchdog, which cannot see comments, that we are.
"""

from __future__ import annotations

import re

import msgspec

HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold the events back
}
CONTENT_TYPE = "text/event-stream"
HEARTBEAT = b": still here\n\n"
_BREAK = re.compile(rb"\r\n|\r|\n")
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Pending(msgspec.Struct, frozen=True):
    """The time is up; the outcome will follow."""

    command_id: str
    waited_ms: int
    status: str = "pending"


def event(name: str, data: bytes, event_id: str | None = None) -> bytes:
    """One event. Raises `ValueError` for an id that could break the stream."""
    lines = [f"event: {name}".encode()]
    if event_id is not None:
        lines.insert(0, _id(event_id))
    lines += [b"data: " + line for line in _BREAK.split(data)]
    return b"\n".join(lines) + b"\n\n"


def comment(text: str) -> bytes:
    """What no client sees."""
    return f": {text}\n\n".encode()


def primer(event_id: str) -> bytes:
    """A cursor without an event, so that even a stream that said nothing can be resumed."""
    return _id(event_id) + b"\n\n"


def retry(milliseconds: int) -> bytes:
    """When to come again; browsers add no jitter, so each client is sent its own."""
    return b"retry: %d\n\n" % milliseconds


def pending(command_id: str, waited_ms: int) -> bytes:
    """The `pending` event."""
    return event("pending", msgspec.json.encode(Pending(command_id, waited_ms)))


def _id(event_id: str) -> bytes:
    if not _ID.fullmatch(event_id):
        raise ValueError(f"no event id: {event_id!r}")
    return b"id: " + event_id.encode()
