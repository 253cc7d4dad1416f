"""Who sent it, and how a command is named. Pure.

The owner is the authenticated subject or the anonymous session; on the wire it is an opaque token.
A command's id is a UUIDv7 or, with an `Idempotency-Key`, a UUIDv8 (RFC 9562) that a repeat derives
again, for as long as its outcome is kept.
"""

from __future__ import annotations

import functools
import hashlib
import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import uuid_utils

from homing.outcome import CommandId, OwnerToken

REPLAYS_MAX = 1000
ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
SAMPLED, RANDOM = 1, 2
"""The flags of a trace that have a meaning; others are not passed on."""


def owner_token(issuer: str, subject: str) -> OwnerToken:
    """The first 16 bytes of SHA-256 over issuer and subject, base64url: 22 characters."""
    digest = hashlib.sha256(f"{issuer}\0{subject}".encode()).digest()
    return OwnerToken(token(digest[:16]))


def new_command_id() -> CommandId:
    """A fresh UUIDv7: sortable by time."""
    return CommandId(str(uuid_utils.uuid7()))


def derived_command_id(owner: OwnerToken, idempotency_key: str) -> CommandId:
    """The UUIDv8 of this owner's idempotency key, the same at every repeat."""
    return _derived("homing", owner, idempotency_key)


def replayed_command_id(command_id: str, number: int) -> CommandId:
    """The UUIDv8 of a replay of a failed command, the same however often it is asked for."""
    return _derived("homing-replay", command_id, str(number))


def attempts_before(original: str, replay: str) -> list[str]:
    """A failed command and those of its replays that came before `replay`.

    Of an id that is none of its first thousand replays only the command itself is known.
    """
    found = [original]
    for number in range(1, REPLAYS_MAX + 1):
        if (one := replayed_command_id(original, number)) == replay:
            return found
        found.append(one)
    return found[:1]


def _derived(*parts: str) -> CommandId:
    digest = bytearray(hashlib.sha256("\0".join(parts).encode()).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return CommandId(str(UUID(bytes=bytes(digest))))


def created_at(command_id: CommandId) -> datetime | None:
    """The time inside a UUIDv7; None for a derived id, or one of a year that no clock shows."""
    uuid = UUID(command_id)
    if uuid.version != 7:
        return None
    try:
        return datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC)
    except ValueError:  # beyond the year 9999: its 48 bits of milliseconds reach further
        return None


def fingerprint(command_type: str, payload: bytes) -> str:
    """What a repeat must equal to be the same command: a hash of type and payload."""
    return token(hashlib.sha256(command_type.encode() + b"\0" + payload).digest()[:16])


def token(raw: bytes) -> str:
    """base64url without padding (RFC 4648, section 5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


class Traced(NamedTuple):
    """The span that a traceparent names."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def sampled(self) -> bool:
        """Whether whoever began the trace wants it recorded."""
        return bool(self.flags & SAMPLED)

    def __str__(self) -> str:
        """The traceparent that names it (W3C Trace Context, version 00)."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


@functools.lru_cache(maxsize=256)  # asked some times in a row; what is kept may be a hostile 16 KiB
def traced(parent: str) -> Traced | None:
    """What a traceparent names, of a version that is not known yet as well; None if it is none."""
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or (match[1] == "00" and match[5] is not None):
        return None
    return Traced(match[2], match[3], int(match[4], 16) & (SAMPLED | RANDOM))


def traceparent(received: str | None = None) -> str:
    """The trace of a command (W3C Trace Context): the sender's as it is, else a new one.

    A new one is not sampled: whoever records spans begins its traces itself.
    """
    known = traced(received or "")
    return str(known or Traced(uuid_utils.uuid4().hex, uuid_utils.uuid4().hex[:16], 0))


def trace_id(parent: str) -> str:
    """The trace id inside a traceparent; empty if there is none."""
    known = traced(parent)
    return known.trace_id if known else ""
