"""Which failures are the command's own, and which are Postgres's trouble. Pure, the only place.

A command's own failure is tried a few times and then ends as `failed`; all else is tried for as
long as it takes, since it says nothing of the command.
"""

from __future__ import annotations

from enum import Enum

from homing.ledger import ClaimsUnforeseen
from homing.storage import RoundFailed

TRIES = 3
LONG_SECONDS = 2.0
# 22 data, 23 integrity, 42 syntax or access rule, 54 program limit, P0 PL/pgSQL
_OWN = ("22", "23", "42", "54", "P0")
_NOT_OWN = ("42501",)  # insufficient privilege: a deployment's fault


class Verdict(Enum):
    """What a failed round leads to."""

    ALONE = "halve the partitions that the error names, each alone; the others are not to blame"
    BLAME = "halve the round until the guilty command stands alone; it has some tries"
    RETRY = "put everything back and try again, without end"
    DOUBT = "the commit may have happened: forget the partitions and claim them again"
    STUCK = "open for too long: forget the partitions, and blame across the claim"


def judge(error: Exception) -> Verdict:
    """Judge the failure of a round."""
    if isinstance(error, ClaimsUnforeseen):
        return Verdict.ALONE
    if not isinstance(error, RoundFailed):
        # Our own code or a domain's value broke outside of what is caught per command. It was
        # rolled back, and it is certain to break again with the same command.
        return Verdict.BLAME
    if not error.certain:
        return Verdict.DOUBT
    if error.sqlstate.startswith(_OWN) and error.sqlstate not in _NOT_OWN:
        return Verdict.BLAME
    if not error.sqlstate and error.open_seconds >= LONG_SECONDS:
        return Verdict.STUCK
    return Verdict.RETRY
