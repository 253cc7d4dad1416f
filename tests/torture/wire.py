"""How a command is said on the wire, and how an outcome is written down. Pure."""

from __future__ import annotations

import msgspec

from torture.answers import Outcome
from torture.history import By, Sent, Told
from torture.model import amount_of


def telling(now: float, owner: int, by: By, outcome: Outcome) -> Told:
    """What is written down when somebody is told."""
    return Told(
        t=now, owner=owner, id=outcome.command_id, by=by, status=outcome.status, key=outcome.key,
        sequence=outcome.position.sequence, error=outcome.error.type if outcome.error else "",
        data=outcome.data,
    )  # fmt: skip


def idempotency_key(sent: Sent) -> str:
    """Of a command, the same for every try and repeat."""
    return f"{sent.key}/{sent.number}"


def payload_of(sent: Sent) -> bytes:
    """What the command says."""
    payload: dict[str, object] = {"chain_id": sent.key}
    if sent.kind in ("link", "spend"):
        payload["number"] = amount_of(sent)
    if sent.kind == "take":
        payload["name"] = sent.name
    return msgspec.json.encode(payload)


def item_of(sent: Sent) -> bytes:
    """The command as one of a batch."""
    return msgspec.json.encode(
        {
            "type": f"chains.{sent.kind}",
            "payload": msgspec.Raw(payload_of(sent)),
            "idempotency_key": idempotency_key(sent),
        }
    )
