"""The outcome: the durable verdict on one command, and how it travels. Pure.

The same JSON is stored, announced, held, streamed and shown as status (design of the HTTP
interface); only `announced_at` and `sent_at` are added on the way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, NewType

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from homing.actions import Action

CommandId = NewType("CommandId", str)
OwnerToken = NewType("OwnerToken", str)
Status = Literal["succeeded", "rejected", "failed"]
BODY_MAX_BYTES = 65_536


class Position(msgspec.Struct, frozen=True):
    """Where a command lies in the stream of commands."""

    incarnation: int
    partition: int
    sequence: int


class OutcomeError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a command was rejected or failed."""

    type: str
    title: str
    detail: str = ""
    fields: dict[str, str] = {}
    """What is wrong with which field of the payload."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """When each step happened; null for a step that has not, or is not stored."""

    accepted_at: datetime
    published_at: datetime | None = None
    """The stream's own time."""
    received_at: datetime | None = None
    decided_at: datetime | None = None
    announced_at: datetime | None = None
    sent_at: datetime | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one command: what became of it, and what to do next."""

    command_id: str
    type: str
    key: str
    status: Status
    actions: tuple[Action, ...] = ()
    data: Annotated[Raw, Meta(description="What the domain answers: the read model.")] = (
        msgspec.field(default_factory=lambda: Raw(b"null"))
    )
    error: OutcomeError | None = None
    position: Position
    timeline: Timeline
    trace_id: str
    traceparent: str | UnsetType = UNSET
    """Of a trace that is recorded, the span that told it: the parent of what comes after it."""
    replays: str | UnsetType = UNSET
    """The failed command that this one did again, of a replay."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome on its way over core NATS."""

    fingerprint: str
    announced_at: datetime
    traceparent: str | UnsetType = UNSET
    outcome: Raw


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome as the hub and the store hand it on, with what only the API may know."""

    owner: OwnerToken
    fingerprint: str
    outcome: Outcome


_outcome = msgspec.json.Decoder(Outcome)
_announcement = msgspec.json.Decoder(Announcement)


def decode_outcome(body: bytes) -> Outcome:
    """Read a stored outcome."""
    return _outcome.decode(body)


def decode_announcement(owner: OwnerToken, body: bytes) -> Stored:
    """Read an announcement. Raises `msgspec.DecodeError` if it is none."""
    said = _announcement.decode(body)
    outcome = _outcome.decode(said.outcome)
    timeline = msgspec.structs.replace(outcome.timeline, announced_at=said.announced_at)
    parent = said.traceparent or outcome.traceparent
    outcome = msgspec.structs.replace(outcome, timeline=timeline, traceparent=parent)
    return Stored(owner=owner, fingerprint=said.fingerprint, outcome=outcome)


def encode_announcement(
    fingerprint: str, body: bytes, traceparent: str | UnsetType = UNSET
) -> bytes:
    """Wrap a stored outcome's body for its way to the API; `traceparent` is the way's span."""
    return msgspec.json.encode(
        Announcement(
            fingerprint=fingerprint, announced_at=now(), traceparent=traceparent, outcome=Raw(body)
        )
    )


def sent(outcome: Outcome) -> Outcome:
    """The outcome as it leaves for the client, at this moment."""
    timeline = msgspec.structs.replace(outcome.timeline, sent_at=now())
    return msgspec.structs.replace(outcome, timeline=timeline)


def now() -> datetime:
    """The time in UTC; JSON renders it as RFC 3339."""
    return datetime.now(UTC)
