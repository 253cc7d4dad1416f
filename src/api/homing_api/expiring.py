"""Until when a command may be applied: `Homing-Expires`, or `expires` of an item of a batch. Pure.

Either seconds from now on (`30`), or an instant (RFC 3339, with its offset). It is refused here if
it lies beyond the time for which commands are kept. One that has passed is refused only after the
look for an earlier command: a repeat says the same instant, and its outcome does not go away.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from homing_api import plain
from homing_api.problems import FieldError, Problem, invalid

HEADER = "Homing-Expires"
ITEM = "expires"
Expires = Annotated[
    str | float,
    Meta(
        description="Not applied by then it fails as `expired`: seconds from now on, "
        "or an instant (RFC 3339).",
        examples=[30, "2030-01-01T12:00:00Z"],
    ),
]
_INSTANT = Annotated[datetime, Meta(tz=True)]


class Expiry(NamedTuple):
    """Until when."""

    at: datetime
    """In UTC."""
    late: Problem | None = None
    """The 422 of one that has passed, for a command whose outcome is not known."""


def expires_at(
    said: str | float | None, now: datetime, longest: timedelta, name: str = HEADER
) -> Expiry | None:
    """What is said; None if nothing is.

    Raises a 400 for what is neither, a 422 for what is more than `longest` away.
    """
    if said is None:
        return None
    instant = _instant(said, now, longest)
    if instant is None:
        detail = f"{name} has to be a number of seconds, or an instant such as {_example(now)}."
        raise Problem(400, "bad-expires", detail, errors=(FieldError(name, "Not understood"),))
    if instant <= now:
        return Expiry(now, invalid((FieldError(name, "Must be later than now"),)))
    if instant > now + longest:
        most = f"Must be within {longest / timedelta(days=1):g} days, for which commands are kept"
        raise invalid((FieldError(name, most),))
    return Expiry(instant.astimezone(UTC))


def _instant(said: str | float, now: datetime, longest: timedelta) -> datetime | None:
    seconds = said if isinstance(said, float) else plain.number(said)
    if seconds is not None:
        most = longest.total_seconds() + 1  # whatever is more, time cannot hold all of it
        return now + timedelta(seconds=max(-1.0, min(seconds, most)))
    try:
        return msgspec.convert(said, _INSTANT)
    except msgspec.ValidationError:
        return None


def _example(now: datetime) -> str:
    return f"{now.replace(microsecond=0, tzinfo=None).isoformat()}Z"
