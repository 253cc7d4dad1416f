"""What the torture run says of time, memory and faults, on histories made by hand; and its plan."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import msgspec
import pytest

from torture import planning
from torture.books import Books, gather
from torture.history import Accepted, Down, Entry, Fault, Kind, Memory, Phase, Sent, Told
from torture.measuring import (
    POISON_SECONDS,
    felt,
    from_accepted_to_told,
    late,
    latency,
    slopes,
    stalls,
)
from torture.planning import Commands, faults


def command(
    key: str, *, sent: float, accepted: float, told: float | None, kind: Kind = "link"
) -> list[Entry]:
    """One command, all of them in partition 3."""
    entries: list[Entry] = [
        Sent(t=sent, owner=0, key=key, number=1, kind=kind, way="batch"),
        Accepted(t=accepted, key=key, number=1, id=key, partition=3),
    ]
    if told is not None:
        entries.append(
            Told(
                t=told, owner=0, id=key, by="stream", status="failed", key=key, sequence=1,
                data=msgspec.Raw(b"null"),
            )
        )  # fmt: skip
    return entries


def books(*entries: Entry) -> Books:
    return gather([*entries, Phase(t=100.0, name="read")])


def longest(found: Books) -> float:
    return max(stall.seconds for stall in stalls(found))


def test_a_partition_stalls_from_the_first_unanswered_to_the_first_told() -> None:
    """And from there on again, if more are waiting."""
    found = books(
        *command("a", sent=9.9, accepted=10.0, told=12.0),
        *command("b", sent=10.9, accepted=11.0, told=15.0),
    )
    assert [(one.start, one.end) for one in stalls(found)] == [(10.0, 12.0), (12.0, 15.0)]


def test_a_partition_with_nothing_to_do_does_not_stall() -> None:
    """However long it is idle."""
    found = books(
        *command("a", sent=1, accepted=1.0, told=1.5),
        *command("b", sent=50, accepted=50, told=50.5),
    )
    assert longest(found) == pytest.approx(0.5)


def test_what_is_never_told_stalls_to_the_end() -> None:
    """So that a lost command is seen here, too."""
    assert longest(books(*command("a", sent=1, accepted=1, told=None))) == pytest.approx(99.0)


def test_the_time_in_which_a_server_was_down_does_not_count() -> None:
    """Both at once count once."""
    found = books(
        *command("a", sent=9, accepted=10, told=20),
        Down(t=8, until=13, server="NATS"),
        Down(t=12, until=14, server="Postgres"),
        Down(t=18, until=19, server="NATS"),
    )
    assert longest(found) == pytest.approx(10 - 4 - 1)


def test_a_fault_is_felt_until_the_next_one() -> None:
    """The longest stall that touches the time from it on; commands in flight are counted."""
    found = books(
        *command("a", sent=9, accepted=10.0, told=13.5),
        *command("b", sent=9.5, accepted=30, told=31),
        Fault(t=11, until=11, kind="kill", whom="reactor-1"),
        Fault(t=28, until=29, kind="leave", whom="reactor-2"),
    )
    first, second = felt(found, stalls(found))
    assert (first.in_flight, first.stall, first.overlapping) == (2, 3.5, False)
    assert (second.in_flight, second.stall, second.overlapping) == (1, 1.0, False)


def test_the_tries_of_poison_are_not_laid_to_a_fault() -> None:
    """They take their time with no fault at all; both figures are kept."""
    found = books(
        *command("a", sent=9, accepted=10.0, told=10.1),
        *command("b", sent=12, accepted=12.0, told=12.35, kind="explode"),
        *command("c", sent=12.1, accepted=12.1, told=12.36),
        Fault(t=10.05, until=10.05, kind="leave", whom="reactor-1"),
    )
    (only,) = felt(found, stalls(found))
    assert (only.stall, only.own) == pytest.approx((0.35, 0.1))


def test_poison_excuses_its_tries_and_no_more() -> None:
    """What stood still before it came, or stands still for longer, is the fault's own."""
    came_late = books(
        *command("a", sent=10, accepted=10.0, told=20.0),
        *command("b", sent=19, accepted=19.95, told=20.1, kind="overflow"),
        Fault(t=10.05, until=10.05, kind="leave", whom="reactor-1"),
    )
    waited_long = books(
        *command("b", sent=10, accepted=10.0, told=20.0, kind="explode"),
        Fault(t=10.05, until=10.05, kind="leave", whom="reactor-1"),
    )
    owns = [felt(found, stalls(found))[0].own for found in (came_late, waited_long)]
    assert owns == pytest.approx([9.95, 10 - POISON_SECONDS])


def test_the_tries_of_two_poisons_excuse_twice() -> None:
    """One is tried after the other."""
    found = books(
        *command("a", sent=10, accepted=10.0, told=10.7, kind="explode"),
        *command("b", sent=10, accepted=10.0, told=10.7, kind="overflow"),
    )
    assert [one.own for one in stalls(found)] == [0.0]


def test_faults_that_are_close_overlap() -> None:
    """Also if a long one has begun much earlier."""
    found = books(
        Fault(t=10, until=30, kind="freeze", whom="reactor-1"),
        Fault(t=35, until=35, kind="kill", whom="reactor-2"),
        Fault(t=60, until=60, kind="kill", whom="reactor-3"),
    )
    assert [one.overlapping for one in felt(found, [])] == [True, True, False]


def test_a_fault_with_nothing_in_flight_does_not_count() -> None:
    """Nobody could have felt it."""
    found = books(
        *command("a", sent=1, accepted=1, told=2),
        *command("b", sent=5, accepted=5, told=6),
        Fault(t=3, until=4, kind="kill", whom="reactor-1"),
        Fault(t=4.5, until=5.5, kind="kill", whom="reactor-1"),
    )
    assert [one.in_flight for one in felt(found, stalls(found))] == [0, 1]


def test_late_is_what_nobody_can_be_blamed_for() -> None:
    """Told after two seconds, with no fault in them, nor in the six seconds before."""
    kill = Fault(t=30, until=31, kind="kill", whom="reactor-1")
    for accepted, told, expected in (
        (10.0, 12.5, True), (10.0, 11.9, False), (28.1, 33.0, False), (27.9, 33.0, True),
        (36.9, 40.0, False), (37.1, 40.0, True),
    ):  # fmt: skip
        found = books(*command("a", sent=accepted, accepted=accepted, told=told), kill)
        assert late(found) == ([(accepted, pytest.approx(told - accepted))] if expected else [])


def test_latency_counts_from_the_202() -> None:
    """An outcome that was told before the 202 took no time."""
    found = books(
        *command("a", sent=1, accepted=2, told=3), *command("b", sent=1, accepted=2, told=1.5)
    )
    assert sorted(from_accepted_to_told(found)) == [0.0, 1.0]
    assert latency([0.1] * 98 + [2.0, 3.0]) == (100, 0.1, 2.0, 3.0)


def test_memory_is_a_slope_after_two_minutes() -> None:
    """What is used while it warms up does not count, nor does a short life."""
    long = [
        Memory(t=t, process="api-1", pid=1, mib=100 + min(t, 120) + max(0, t - 120) / 30)
        for t in range(0, 400, 10)
    ]
    short = [Memory(t=t, process="api-2", pid=2, mib=t) for t in range(0, 170, 10)]
    (slope,) = slopes([*long, *short])
    assert slope.process == "api-1"
    assert slope.mib_a_minute == pytest.approx(2.0)


def test_the_same_seed_gives_the_same_plan() -> None:
    """And another one another."""
    first, again, other = (
        [commands.next() for _ in range(2000)]
        for commands in (Commands(7, 300), Commands(7, 300), Commands(8, 300))
    )
    assert first == again != other
    plans = [list(islice(faults(seed, planning.KINDS, 5), 40)) for seed in (7, 7, 8)]
    assert plans[0] == plans[1] != plans[2]


def test_every_fault_comes_once_before_any_comes_again() -> None:
    """No run of that length leaves one out; later on leaves and joins come three times."""
    kinds, more = planning.KINDS, ("leave", "join") * 2
    plan = [fault.kind for fault in islice(faults(7, kinds, 5), 2 * len(kinds) + len(more))]
    assert plan[: len(kinds)] == list(kinds)
    assert Counter(plan[len(kinds) :]) == Counter(kinds + more)


def test_commands_are_skewed_and_of_every_kind() -> None:
    """Some keys are hot; one in a thousand is poison; rivals race for each name."""
    dealt = Commands(7, 1000)
    planned = [dealt.next() for _ in range(20_000)]
    keys = Counter(one.key for one in planned)
    assert keys.most_common(1)[0][1] > 20 * len(planned) / 1000
    poison = sum(one.kind in ("explode", "overflow") for one in planned)
    assert 0.0005 < poison / len(planned) < 0.002
    rivals = Counter(one.name for one in planned if one.kind == "take")
    assert len(rivals) > 50
    assert set(rivals.values()) == {planning.RIVALS}
    assert {one.way for one in planned} == {"batch", "single", "wait", "events"}
