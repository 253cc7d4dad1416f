"""`GET /api/outcomes`: one's own outcomes, newest first."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import msgspec

from homing.errors import HomingError
from homing.identity import ID_PATTERN, token
from homing.outcome import Outcome, OwnerToken
from homing.storage import NIL, OutcomeReading
from homing_api.problems import FieldError, invalid, unavailable

NEWEST = (2**63 - 1, NIL)
PATH = "/api/outcomes"


class OutcomePage(msgspec.Struct, frozen=True):
    """A page of outcomes."""

    items: list[Outcome]
    next: str | None
    """The path of the next page; null if this is the last."""


async def recent(
    outcomes: OutcomeReading, owner: OwnerToken, limit: int, after: str | None
) -> OutcomePage:
    """A page. Raises a `Problem`: 422 for a cursor that is none, 503."""
    xid, command_id = NEWEST if after is None else _read(after)
    try:
        found = await outcomes.own_before(owner, xid, command_id, limit + 1)
    except HomingError as error:
        raise unavailable("The outcomes cannot be read at the moment.") from error
    items = [placed.stored.outcome for placed in found[:limit]]
    if len(found) <= limit:
        return OutcomePage(items, None)
    last = found[limit - 1]
    cursor = token(msgspec.json.encode([last.xid, last.stored.outcome.command_id]))
    return OutcomePage(items, f"{PATH}?limit={limit}&after={cursor}")


def _read(cursor: str) -> tuple[int, str]:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        xid, command_id = msgspec.json.decode(raw, type=tuple[int, str])
        if not 0 <= xid < 2**63 or not ID_PATTERN.fullmatch(command_id):
            raise ValueError("out of range")
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid((FieldError("after", "The cursor is not one of this list"),)) from error
    return xid, command_id
