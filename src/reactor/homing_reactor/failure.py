"""Which failures are the command's own, and which are Postgres's trouble. Pure, the only place.

- BLAME: a value, a constraint or a trigger refused it (22, 23, 42, 54, P0), or our own code or a
  domain's broke outside of what is caught per command. Halved; the command that stands alone has
  its tries, then it fails.
- ISOLATE: a deadlock or a serialization failure (40). Halved too, and never counted.
- LATE: a statement or a lock took too long (57014, 55P03), or the domain's functions did. One
  command at a time, aside; counted where the command alone can be the reason.
- STUCK: the connection was lost after a long time in the transaction. Forgotten and claimed again;
  counted across the claim.
- DOUBT: COMMIT was sent and not answered. Forgotten and claimed again: the claim tells what became
  of it.
- ALONE: a round could not foresee its claims. The partitions that the error names go on alone.
- RETRY: all else, as away, full, read-only, no rights. Again, with back-off, without end.

Per command, inside a round, an exception of the domain is no failure of the round at all: it is an
outcome. Order is kept in each case, since a partition never goes past what was not applied.
"""

from __future__ import annotations

from enum import Enum

from homing.errors import StorageUnavailable
from homing.ledger import ClaimsUnforeseen
from homing.storage import RoundFailed, StatementFailed

TRIES = 3
# 22 data, 23 integrity, 42 syntax or access rule, 54 program limit, P0 PL/pgSQL
_OWN = ("22", "23", "42", "54", "P0")
_NOT_OWN = ("42501",)  # insufficient privilege: a deployment's fault
_CONFLICT = "40"  # transaction rollback: serialization failure, deadlock
_LOCK_TIMEOUT, _CANCELLED = "55P03", "57014"
# The session was ended as its transaction stood still, or lasted, too long.
_ENDED = ("25P03", "25P04")


class Verdict(Enum):
    """What a failed round leads to."""

    ALONE = "halve the partitions that the error names, each alone; the others are not to blame"
    BLAME = "halve the round until the guilty command stands alone; it has some tries"
    ISOLATE = "halve the round, and try again for as long as it takes"
    LATE = "apply its commands one by one, aside, so that nobody waits for them"
    RETRY = "put everything back and try again, without end"
    DOUBT = "the commit may have happened: forget the partitions and claim them again"
    STUCK = "open for too long: forget the partitions, and blame across the claim"


class TookTooLong(Exception):
    """The domain's functions did not return in time."""


def judge(error: Exception, open_seconds_max: float) -> Verdict:
    """Judge the failure of a round.

    `open_seconds_max` is how long Postgres lets a transaction stand still: a connection that was
    lost after so long was lost to the round itself.
    """
    if isinstance(error, ClaimsUnforeseen):
        return Verdict.ALONE
    if isinstance(error, TookTooLong):
        return Verdict.LATE
    if isinstance(error, (StorageUnavailable, StatementFailed)):
        return Verdict.RETRY  # before the round's transaction: nothing of it was tried
    if not isinstance(error, RoundFailed):
        # It was rolled back, and it is certain to break again with the same command.
        return Verdict.BLAME
    if not error.certain:
        return Verdict.DOUBT
    return _judge_state(error, open_seconds_max)


def _judge_state(error: RoundFailed, open_seconds_max: float) -> Verdict:
    state = error.sqlstate
    if state.startswith(_OWN) and state not in _NOT_OWN:
        return Verdict.BLAME
    if state.startswith(_CONFLICT):
        return Verdict.ISOLATE
    if state in (_CANCELLED, _LOCK_TIMEOUT):
        return Verdict.LATE
    if state in _ENDED or (not state and error.open_seconds >= open_seconds_max):
        return Verdict.STUCK
    return Verdict.RETRY


def waited_for_a_lock(error: Exception) -> bool:
    """Whether it was somebody else's lock that took too long: nothing that a command can help."""
    return isinstance(error, RoundFailed) and error.sqlstate == _LOCK_TIMEOUT
