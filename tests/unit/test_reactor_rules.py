"""The reactor's pure rules: what is next, how much is held, what a failure leads to."""

import itertools

import pytest

from homing.errors import StorageUnavailable
from homing.storage import RoundFailed, StatementFailed
from homing_reactor.failure import TookTooLong, Verdict, judge
from homing_reactor.lease import Lease
from homing_reactor.sequence import Sequence
from homing_reactor.share import fair_share
from homing_reactor.suspicion import UNLIMITED, Suspicion


def test_deliveries_in_order_are_taken() -> None:
    """Stream sequences may have gaps, consumer sequences may not."""
    sequence = Sequence(checkpoint=10)
    assert [sequence.judge(s, c, 1) for s, c in ((11, 1), (15, 2), (16, 3))] == ["take"] * 3


@pytest.mark.parametrize(
    ("stream", "consumer", "attempt"), [(12, 3, 1), (12, 2, 2), (12, 1, 1), (9, 5, 1)]
)
def test_whatever_is_unexpected_asks_for_a_reset(stream: int, consumer: int, attempt: int) -> None:
    """A gap, a redelivery, a step back: acking all would lose what was skipped."""
    sequence = Sequence(checkpoint=10)
    assert sequence.judge(11, 1, 1) == "take"
    assert sequence.judge(stream, consumer, attempt) == "reset"


def test_a_gapless_redelivery_is_dropped_without_a_reset() -> None:
    """It is committed or in hand, as there was no gap since the reset."""
    sequence = Sequence(checkpoint=10)
    assert sequence.judge(11, 1, 1) == "take"
    assert sequence.judge(11, 2, 2) == "drop"
    assert sequence.judge(12, 3, 1) == "take"


@pytest.mark.parametrize(
    ("reactors", "partitions"), list(itertools.product((1, 2, 3, 7, 70), (1, 64)))
)
def test_shares_differ_by_one_at_most_and_add_up(reactors: int, partitions: int) -> None:
    """Nothing is held by nobody; surplus reactors stand by."""
    live = [f"r{index}" for index in range(reactors)]
    shares = [fair_share(instance, live, partitions) for instance in live]
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1
    assert fair_share("stranger", live, partitions) == 0


def test_a_lease_runs_from_before_its_renewal_was_sent() -> None:
    """So that the database always counts longer than the reactor."""
    clock = [100.0]
    lease = Lease(3.0, lambda: clock[0])
    assert lease.left <= 0
    lease.renewed(sent_at=99.0)
    assert lease.left == pytest.approx(2.0)
    clock[0] = 102.5
    assert lease.left <= 0


def test_after_its_own_outage_a_reactor_waits_one_lease_before_it_takes_others() -> None:
    """They were probably cut off just like it; a fresh process does not wait."""
    clock = [0.0]
    lease = Lease(3.0, lambda: clock[0])
    assert lease.may_take_expired
    lease.renewed(0.0)
    clock[0] = 2.0
    lease.missed()
    lease.renewed(2.0)
    assert lease.may_take_expired, "a renewal that was only late is no outage"
    clock[0] = 6.0
    lease.missed()
    lease.renewed(6.0)
    assert not lease.may_take_expired
    clock[0] = 9.0
    assert lease.may_take_expired


def failed(state: str, *, certain: bool = True, open_seconds: float = 0.0) -> RoundFailed:
    """A failed round."""
    cause = StatementFailed(state, "x") if state else StorageUnavailable("x")
    return RoundFailed(cause, certain=certain, open_seconds=open_seconds)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (failed("23505"), Verdict.BLAME),
        (failed("22P05"), Verdict.BLAME),
        (failed("42P01"), Verdict.BLAME),
        (failed("P0001"), Verdict.BLAME),
        (failed("42501"), Verdict.RETRY),
        (failed("40001"), Verdict.ISOLATE),
        (failed("40P01"), Verdict.ISOLATE),
        (failed("55P03"), Verdict.LATE),
        (failed("57014"), Verdict.LATE),
        (TookTooLong("x"), Verdict.LATE),
        (failed("25P03"), Verdict.STUCK),
        (failed("53300"), Verdict.RETRY),
        (StorageUnavailable("x"), Verdict.RETRY),
        (failed("25006"), Verdict.RETRY),
        (failed(""), Verdict.RETRY),
        (failed("", open_seconds=2.5), Verdict.STUCK),
        (failed("", certain=False), Verdict.DOUBT),
        (failed("", certain=False, open_seconds=9), Verdict.DOUBT),
        (TypeError("ours"), Verdict.BLAME),
    ],
)
def test_only_a_commands_own_failures_count_against_it(error: Exception, verdict: Verdict) -> None:
    """All else is Postgres's trouble, and is tried without end."""
    assert judge(error, open_seconds_max=2.0) is verdict


def test_a_failed_round_is_halved_until_the_bad_command_stands_alone() -> None:
    """64 partitions need six more failed rounds, a batch of 8 three, then come the tries."""
    suspicion = Suspicion()
    widths, commands = [], 8
    group = 64
    while group > 1:
        suspicion.failed(group, last_sequence=100, commands=commands, now=0.0)
        group = suspicion.width
        widths.append(group)
    assert widths == [32, 16, 8, 4, 2, 1]
    lengths = []
    while commands > 1:
        suspicion.failed(1, last_sequence=100, commands=commands, now=0.0)
        commands = suspicion.length
        lengths.append(commands)
    assert lengths == [4, 2, 1]
    assert not suspicion.condemned
    for _ in range(3):
        suspicion.failed(1, last_sequence=100, commands=1, now=0.0)
    assert suspicion.condemned


def test_past_the_failed_round_a_partition_is_normal_again() -> None:
    """Not before: the bad command may be its last."""
    suspicion = Suspicion()
    suspicion.failed(2, last_sequence=100, commands=5, now=0.0)
    suspicion.failed(1, last_sequence=100, commands=1, now=0.0)
    suspicion.applied(99)
    assert suspicion.suspected
    assert suspicion.tries == 0
    suspicion.applied(100)
    assert not suspicion.suspected
    assert suspicion.length == UNLIMITED
