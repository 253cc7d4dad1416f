"""The cursor of an owner's stream: `<incarnation>.<timeline>-<horizon>`. Pure.

It says "every outcome whose transaction id is below the horizon has been delivered". It comes back
as input of a stranger: what cannot be read, or belongs to another stream or database, is no cursor.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})-([0-9]{1,19})")


class Cursor(NamedTuple):
    """How far an owner's stream has come."""

    incarnation: int
    timeline: int
    horizon: int

    def __str__(self) -> str:
        return f"{self.incarnation}.{self.timeline}-{self.horizon}"


def parse(text: str) -> Cursor | None:
    """The cursor that `text` is, if it is one."""
    match = _CURSOR.fullmatch(text)
    return Cursor(*(int(part) for part in match.groups())) if match else None
