"""How rounds under failure narrow: pace, slow types, peril, the gate, the thread that decides."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import Any

import pytest

from homing.storage import RoundFailed, StatementFailed
from homing_reactor.blaming import Failure, blame
from homing_reactor.failure import TookTooLong, Verdict
from homing_reactor.forming import Batch, Caps, Thinking, form_aside, form_merged
from homing_reactor.gate import Gate
from homing_reactor.pace import Costs, Pace
from homing_reactor.peril import SAFE, Peril
from homing_reactor.suspicion import Suspicion
from homing_reactor.thinking import RUNAWAYS_MAX, Mind, Runaways
from unit.test_reactor_lane import Partition, partition

FREE = Thinking(1.0, lambda _type: 0.0)
CAPS = Caps(200, 1 << 20)


def test_rounds_shrink_at_once_and_grow_slowly() -> None:
    """Half of a failed round, half after a slow one, sixteen more after a fast one."""
    pace = Pace(CAPS)
    pace.failed(60)
    assert pace.caps.commands == 30
    pace.committed(0.3)
    assert pace.caps.commands == 15
    pace.committed(0.15)
    assert pace.caps.commands == 15
    pace.committed(0.05)
    assert pace.caps.commands == 31
    pace.failed(3)
    assert pace.caps.commands == 8
    for _ in range(20):
        pace.committed(0.01)
    assert pace.caps == CAPS


def test_a_slow_type_is_known_and_a_spike_forgotten() -> None:
    """What it took lately counts."""
    costs = Costs()
    costs.note({"t.quick": 0.001, "t.slow": 0.2, "t.spike": 0.06})
    assert [costs.slow(f"t.{name}") for name in ("quick", "slow", "spike", "new")] == [
        False, True, True, False,
    ]  # fmt: skip
    for _ in range(3):
        costs.note({"t.slow": 0.2, "t.spike": 0.001})
    assert costs.slow("t.slow")
    assert not costs.slow("t.spike")


def test_after_two_deaths_a_partition_is_perilous_and_three_more_condemn_the_suspect() -> None:
    """And that one alone: another command of the partition begins anew."""
    assert not SAFE.deadly
    assert [Peril(deaths).deadly for deaths in (1, 2)] == [False, True]
    assert not Peril(4, 17, 2).condemns(17)
    assert Peril(5, 17, 3).condemns(17)
    assert not Peril(5, 17, 3).condemns(18)


def test_tries_belong_to_one_command() -> None:
    """Another reactor may have applied the accused one meanwhile."""
    suspicion = Suspicion()
    for sequence in (5, 5, 6):
        suspicion.failed(1, sequence, 1, now=0.0)
    assert (suspicion.accused, suspicion.tries) == (6, 1)


def test_what_does_not_count_is_tried_without_end_and_ever_more_rarely() -> None:
    """A conflict is nobody's fault, but it costs a transaction."""
    suspicion = Suspicion()
    pauses = []
    for _ in range(12):
        suspicion.failed(1, 5, 1, now=0.0, counts=False)
        pauses.append(suspicion.not_before)
    assert not suspicion.condemned
    assert pauses[:4] == pytest.approx([0.04, 0.08, 0.16, 0.32])
    assert pauses[-1] == 1.0


def test_a_late_round_goes_on_one_by_one() -> None:
    """Halving would pay the time-out again and again."""
    suspicion = Suspicion()
    suspicion.late(last_sequence=64, commands=30, now=0.0, counts=False)
    assert (suspicion.width, suspicion.length, suspicion.until) == (1, 1, 64)


def never(_command_type: str) -> bool:
    """No type is slow."""
    return False


class Refused(Exception):
    """One of its commands cannot be applied."""


@pytest.mark.parametrize("group", [1, 2, 7, 64])
@pytest.mark.parametrize("length", [1, 5])
def test_one_bad_command_delays_others_by_few_failed_rounds(group: int, length: int) -> None:
    """Another partition is in no more than log2(g) + 1 failed rounds."""
    held: list[Any] = [partition(number, length) for number in range(group)]
    bad, failures = (group // 2, length), dict.fromkeys(range(group), 0)
    for turn in range(1000):
        now = float(turn)
        formed = form_merged(held, CAPS, turn, now, never)
        batches = formed.batches or form_aside(held, CAPS, now, never, FREE).batches
        if not batches:
            break
        _apply(batches, bad, failures, now)
    assert all(not one.waiting for one in held)
    most = (group - 1).bit_length() + 1
    assert all(count <= most for number, count in failures.items() if number != bad[0])


def _apply(
    batches: list[Batch[Any]], bad: tuple[int, int], failures: dict[int, int], now: float
) -> None:
    """As a lane would: the bad one breaks its round, until it is condemned."""
    ids = {(held.partition, task.delivery.sequence) for held, tasks in batches for task in tasks}
    if bad in ids and not (len(ids) == 1 and batches[0].held.suspicion.condemned):
        error = RoundFailed(StatementFailed("23514", "x"), certain=True, open_seconds=0.0)
        for held, _ in batches:
            failures[held.partition] += 1
        blame(batches, Failure(error, Verdict.BLAME, True, now, 1.0))
        return
    for held, tasks in batches:
        held.applied(tasks[-1])


def test_the_doubt_forgets_and_the_late_round_is_put_back() -> None:
    """A commit that may have happened is not repeated by this holder."""
    for verdict, stopped in ((Verdict.DOUBT, True), (Verdict.STUCK, True), (Verdict.LATE, False)):
        held: Any = Stoppable(3, deque())
        batch = Batch(held, [waiting.task for waiting in partition(3, 2).waiting])
        blame([batch], Failure(TookTooLong("x"), verdict, False, 0.0, 1.0))
        assert held.stopped is stopped
        assert len(held.waiting) == 2


class Stoppable(Partition):
    """Notes that it was forgotten."""

    stopped = False

    def stop(self) -> None:
        """It was."""
        self.stopped = True


async def test_whoever_is_alone_is_alone() -> None:
    """It waits for those inside, and later ones wait for it."""
    gate, seen = Gate(), list[str]()

    async def inside(name: str, until: asyncio.Event, *, alone: bool) -> None:
        async with gate.alone() if alone else gate.together():
            seen.append(name)
            await until.wait()
            seen.append(f"{name} left")

    first, second, third = (asyncio.Event() for _ in range(3))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(inside("a", first, alone=False))
        await asyncio.sleep(0)
        group.create_task(inside("b", second, alone=True))
        await asyncio.sleep(0)
        group.create_task(inside("c", third, alone=False))
        for event in (third, second, first):
            event.set()
            await asyncio.sleep(0)
    assert seen == ["a", "a left", "b", "b left", "c", "c left"]


async def test_a_function_that_does_not_come_back_is_left_to_itself() -> None:
    """The next one has a thread of its own; too many of them, in all lanes, end the process."""
    said: list[str] = []
    runaways, stuck = Runaways(said.append), threading.Event()
    minds = Mind(0.05, runaways), Mind(0.05, runaways)
    try:
        for number in range(RUNAWAYS_MAX):
            assert said == []
            mind = minds[number % 2]
            with pytest.raises(TookTooLong):
                await mind.think(stuck.wait)
            assert await mind.think(lambda number=number: number) == number
        assert len(said) == 1
    finally:
        stuck.set()


async def test_a_function_that_thinks_holds_nobody_up() -> None:
    """Timers go on meanwhile; what it raises arrives."""
    mind, ticks = Mind(5.0, Runaways(pytest.fail)), 0
    thinking = asyncio.create_task(mind.think(lambda: time.sleep(0.2)))
    while not thinking.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 5

    def broken() -> None:
        raise Refused

    with pytest.raises(Refused):
        await mind.think(broken)
