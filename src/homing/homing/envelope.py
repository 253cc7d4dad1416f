"""The envelope: a command as it travels, a CloudEvent (1.0, JSON structured mode). Pure.

Header parsing is the hottest spot of consuming, so nearly everything is in the body. What cannot be
read is told apart here: bytes that are no envelope never will be one, an envelope of a newer
version may be read by a newer reactor.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from homing.commands import has_nul
from homing.identity import ID_PATTERN

VERSION = 1
CONTENT_TYPE = "application/cloudevents+json"
KEY_MAX = 200
Text = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Payload plus id, key, owner, trace, time and schema version."""

    specversion: Literal["1.0"]
    source: str = "/homing"
    # Not `$`, which also matches before a line feed at the end.
    id: Annotated[str, Meta(pattern=rf"^{ID_PATTERN.pattern}\Z")]
    type: Text
    key: Text = msgspec.field(name="subject")
    accepted_at: Annotated[datetime, Meta(tz=True)] = msgspec.field(name="time")
    owner: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
    fingerprint: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
    traceparent: Annotated[str, Meta(max_length=100)] = ""
    version: Annotated[int, Meta(ge=1)] = msgspec.field(name="envelopeversion", default=VERSION)
    schema_version: Annotated[int, Meta(ge=1)] = msgspec.field(name="schemaversion", default=1)
    delay_seconds: Annotated[float, Meta(ge=0, le=5)] = msgspec.field(name="demodelay", default=0.0)
    expires_at: Annotated[datetime, Meta(tz=True)] | None = msgspec.field(
        name="expires", default=None
    )
    """Not applied by then it fails, by the clock of the reactor that decides it."""
    replays: Annotated[str, Meta(pattern=rf"^{ID_PATTERN.pattern}\Z")] | None = None
    """The failed command that this one does again."""
    payload: Raw = msgspec.field(name="data")


class _Head(msgspec.Struct, frozen=True):
    version: int = msgspec.field(name="envelopeversion", default=VERSION)


class Unreadable(Exception):
    """The bytes are no envelope, and never will be."""


class Newer(Exception):
    """The envelope has a newer version than this reactor knows."""


_head = msgspec.json.Decoder(_Head)
_envelope = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The envelope as the body of a message."""
    return msgspec.json.encode(envelope)


def decode(body: bytes) -> Envelope:
    """Read a message's body.

    Raises `Unreadable` for what is no envelope, `Newer` for one of a later version.
    """
    try:
        version = _head.decode(body).version
        if version > VERSION:
            raise Newer(f"envelope version {version}, known up to {VERSION}")
        if has_nul(body):
            raise Unreadable("U+0000 in text")
        envelope = _envelope.decode(body)
        for moment in (envelope.accepted_at, envelope.expires_at):
            if moment is not None:
                moment.astimezone(UTC)  # read models keep it, and are read in UTC
        return envelope
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise Unreadable(str(error)) from error
