"""What the torture run judges of time and memory, and that it says so."""

from __future__ import annotations

import pytest

from torture import limits
from torture.books import Books
from torture.checking import Violation
from torture.history import Fault
from torture.limits import beyond
from torture.measuring import Felt, Late, Measured, Slope
from torture.report import report

LEASE = 3.0


def felt(kind: str, stall: float, own: float | None = None, **said: object) -> Felt:
    fault = Fault(t=20, until=20.1, kind=kind, whom="reactor-2")
    one = Felt(fault, 5, overlapping=False, stall=stall, own=stall if own is None else own)
    return one._replace(**said)


def judged(
    *faults: Felt, slopes: list[Slope] | None = None, late: list[Late] | None = None
) -> list[Violation]:
    return beyond(Measured(list(faults), slopes or [], late or []), LEASE)


@pytest.mark.parametrize("kind", ["kill", "leave"])
def test_a_stall_is_a_violation_from_its_limit_on(kind: str) -> None:
    """After a crash a second more than the lease, after a graceful leave a second."""
    limit = {"kill": LEASE + 1, "leave": 1.0}[kind]
    assert judged(felt(kind, limit)) == []
    (only,) = judged(felt(kind, limit + 0.01))
    assert (only.kind, only.at) == ("stalled", 20)
    assert (
        only.what
        == f"{limit + 0.01:.2f} s after the {kind} of reactor-2, and not within {limit:g} s"
    )


def test_poison_excuses_no_worst_case() -> None:
    """Of a fault alone: whatever else waited."""
    assert len(judged(felt("leave", 1.2, own=0.1), felt("kill", 4.2, own=0.1))) == 2


def test_leaves_are_judged_by_their_median_as_well() -> None:
    """Without the tries of poison; of two it means nothing."""
    fast, slow = felt("leave", 0.5, own=0.09), felt("leave", 0.5, own=0.12)
    assert judged(slow, slow) == []
    assert judged(fast, slow, fast) == []
    (only,) = judged(slow, fast, slow)
    assert only.what == "0.120 s at the median of 3 leaves, and not within 0.1 s"


@pytest.mark.parametrize("said", [{"overlapping": True}, {"in_flight": 0}])
def test_what_cannot_be_laid_to_a_fault_is_not_judged(said: dict[str, object]) -> None:
    """Another fault is near, or nobody could have felt it."""
    assert judged(felt("kill", 9, **said), felt("leave", 9, **said)) == []


def test_other_faults_may_take_as_long_as_they_last() -> None:
    """Nothing is promised of a reactor that is cut off for six seconds."""
    assert judged(felt("cut-nats", 9), felt("freeze", 9), felt("join", 9)) == []


def test_memory_that_grows_is_a_violation() -> None:
    """By more than a MiB a minute; of a short life a single step would be too much."""
    grows, stays = Slope("api-1", 8, 80, 90), Slope("reactor-1", 8, 70, 78)
    (only,) = judged(slopes=[grows, stays, Slope("reactor-2", 2, 70, 80)])
    assert (only.kind, only.what) == ("growing", "api-1 by 1.25 MiB/min, and not within 1")


def test_what_is_told_late_in_calm_is_a_violation() -> None:
    """One for all, at the worst of them."""
    (only,) = judged(late=[Late(5.0, 2.5), Late(9.0, 3.0)])
    assert (only.kind, only.at) == ("late", 9.0)
    assert only.what == "2 with no fault near, the worst by 3.00 s"


def test_a_green_run_says_what_was_judged() -> None:
    """Nothing, if everything overlaps."""
    lone, other = felt("leave", 0.1), felt("kill", 3.0, overlapping=True)
    few = Measured([lone, other], [Slope("api-1", 2, 80, 81)], [])
    said = "0 crashes, 1 leaves without their median, memory of none"
    assert limits.judged(few) == said
    much = Measured([lone] * 3 + [felt("kill", 3.0)], [Slope("api-1", 8, 80, 81)], [])
    assert limits.judged(much) == "1 crashes, 3 leaves and their median, memory of api-1"
    assert said in report(Books(), few, [])


def test_the_report_tells_both_figures_and_what_was_broken() -> None:
    """In the timeline, in the table and at its end."""
    measured = Measured([felt("leave", 1.25, own=0.95)], [], [])
    text = report(Books(), measured, beyond(measured, LEASE))
    assert "1.25s  0.95 s without poison" in text
    assert "median 1.25 s, worst 1.25 s of 1 that stand alone" in text
    assert "median 0.95 s, worst 0.95 s" in text
    assert "VIOLATION at 20.0 s: stalled: 1.25 s after the leave of reactor-2" in text
