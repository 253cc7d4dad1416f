"""Steps 2 and 3: the envelope of a command, and the subject that it is published to. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from homing.envelope import KEY_MAX, Envelope, encode
from homing.identity import derived_command_id, fingerprint, new_command_id, traceparent
from homing.outcome import CommandId, OwnerToken, now
from homing.partition import partition_of, subject_of
from homing_api.expiring import Expiry
from homing_api.problems import FieldError, Problem, invalid
from homing_api.receiving import Received

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Asked(NamedTuple):
    """What a request says beside the command."""

    idempotency_key: str | None = None
    traceparent: str | None = None
    delay_seconds: float = 0.0
    expires: Expiry | None = None


class Wrapped(NamedTuple):
    """A command, ready to be published."""

    command_id: CommandId
    owner: OwnerToken
    type: str
    key: str
    fingerprint: str
    partition: int
    subject: str
    envelope: Envelope
    repeatable: bool
    """Whether it has an idempotency key, so that it may have been sent before."""
    late: Problem | None
    """Why it is refused unless its outcome is known, if so."""

    @property
    def traceparent(self) -> str:
        """Where it stands in its trace."""
        return self.envelope.traceparent

    def sent_by(self, traceparent: str) -> Wrapped:
        """The same, as the span that sends it."""
        return self._replace(envelope=replace(self.envelope, traceparent=traceparent))

    @property
    def body(self) -> bytes:
        """What is published."""
        return encode(self.envelope)


def wrap(received: Received, owner: OwnerToken, partitions: int, asked: Asked) -> Wrapped:
    """Give the command its id, key, owner, trace and time. Raises a 422 for an impossible key."""
    command, payload = received
    repeat = asked.idempotency_key
    command_id = new_command_id() if repeat is None else derived_command_id(owner, repeat)
    key = command.key(command_id)
    if not 1 <= len(key) <= KEY_MAX:
        said = FieldError(command.key_field or "", f"Must have 1 to {KEY_MAX} characters")
        raise invalid((said,))
    envelope = Envelope(
        specversion="1.0",
        id=command_id,
        type=command.command_type,
        key=key,
        accepted_at=now(),
        owner=owner,
        fingerprint=fingerprint(command.command_type, canonical(payload)),
        traceparent=traceparent(asked.traceparent),
        schema_version=command.schema_version,
        delay_seconds=asked.delay_seconds,
        expires_at=asked.expires.at if asked.expires else None,
        payload=msgspec.Raw(payload),
    )
    partition = partition_of(key, partitions)
    return Wrapped(
        command_id=command_id,
        owner=owner,
        type=envelope.type,
        key=key,
        fingerprint=envelope.fingerprint,
        partition=partition,
        subject=subject_of(envelope.type, partition),
        envelope=envelope,
        repeatable=repeat is not None,
        late=asked.expires.late if asked.expires else None,
    )


def canonical(payload: bytes) -> bytes:
    """The same bytes for the same JSON, however it was written."""
    return msgspec.json.encode(msgspec.json.decode(payload), order="sorted")


def idempotency_key(header: str | None) -> str | None:
    """The key in an `Idempotency-Key` field (IETF draft: a quoted string; bare is taken, too).

    Raises a 400 for what cannot be one.
    """
    if header is None:
        return None
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "bad-idempotency-key",
            "Idempotency-Key has to be 1 to 255 visible ASCII characters.",
        )
    return key
