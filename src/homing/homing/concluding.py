"""From a verdict to the outcome as it is stored and travels, claims considered. Pure.

`settle` says what a command leads to by itself. Here it meets what other keys have, and becomes the
outcome, byte for byte. Rounds and the kit for domain authors both end here, so that what an author
has seen in a test is what a client will get.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from homing.claims import taken
from homing.commands import has_nul
from homing.domain import Context
from homing.envelope import Envelope
from homing.identity import trace_id
from homing.ledger import Ledger
from homing.outcome import (
    BODY_MAX_BYTES,
    CommandId,
    Outcome,
    OwnerToken,
    Position,
    Timeline,
    decode_outcome,
)
from homing.settle import Verdict, failed, rejected


class Case(NamedTuple):
    """What an outcome says beside the verdict."""

    envelope: Envelope
    position: Position
    timeline: Timeline
    traceparent: str = ""
    """The span in which it is decided; empty if nobody records it."""


class Concluded(NamedTuple):
    """The last word on a command, and its outcome in JSON."""

    verdict: Verdict
    body: bytes


def context_of(envelope: Envelope) -> Context:
    """What a domain may know of a command that came in this envelope."""
    return Context(
        command_id=CommandId(envelope.id),
        key=envelope.key,
        owner=OwnerToken(envelope.owner),
        accepted_at=envelope.accepted_at,
    )


def conclude(case: Case, verdict: Verdict, state: Any, ledger: Ledger) -> Concluded:
    """Ask for the verdict's claims, write the outcome, take the claims if anything happened.

    `state` is the key's state before the command: it stays if a claim is lost, or if the outcome
    could not be handed to a client.
    """
    key = case.envelope.key
    if names := ledger.ask(case.position.partition, key, verdict.claims):
        verdict = rejected(taken(names), state)
    body = _body(case, verdict)
    if flaw := _flaw(body):
        verdict = failed(state, *flaw)
        body = _body(case, verdict)
    if verdict.events:
        ledger.take(domain_of(case.envelope), key, verdict.claims)
    return Concluded(verdict, body)


def domain_of(envelope: Envelope) -> str:
    """The name of the domain that the command belongs to."""
    return envelope.type.split(".")[0]


def _body(case: Case, verdict: Verdict) -> bytes:
    envelope = case.envelope
    return msgspec.json.encode(
        Outcome(
            command_id=envelope.id,
            type=envelope.type,
            key=envelope.key,
            status=verdict.status,
            actions=verdict.actions,
            data=verdict.data,
            error=verdict.error,
            position=case.position,
            timeline=case.timeline,
            trace_id=trace_id(case.traceparent or envelope.traceparent),
            traceparent=case.traceparent or UNSET,
            replays=UNSET if envelope.replays is None else envelope.replays,
        )
    )


def _flaw(body: bytes) -> tuple[str, str] | None:
    """Why no API could hand this outcome to a client, if so: a stable type, and words."""
    if len(body) > BODY_MAX_BYTES:
        detail = f"its outcome would be {len(body)} bytes, {BODY_MAX_BYTES} are allowed"
        return "outcome-too-large", detail
    try:
        decode_outcome(body)
    except msgspec.DecodeError as error:
        return "outcome-invalid", f"the domain's response or rejection: {error}"
    if has_nul(body):  # as in a payload: Postgres could not look into it
        return "outcome-invalid", "the domain's response or rejection holds U+0000"
    return None
