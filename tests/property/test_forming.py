"""Whatever waits in whichever partitions: rounds are capped, consecutive, fair, and lose nothing.

Partitions are given as they may be: with commands that are not due, large ones, types that are
known to be slow, suspicions and perils. Rounds are formed until nothing is left.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.broker import Delivery
from homing.envelope import Envelope
from homing.outcome import CommandId, OwnerToken
from homing_reactor.forming import ASIDE_COMMANDS, Batch, Caps, Thinking, form_aside, form_merged
from homing_reactor.intake import Task, Waiting
from homing_reactor.suspicion import UNLIMITED, Suspicion

AT = datetime(2026, 1, 1, tzinfo=UTC)
FREE = Thinking(1.0, lambda _type: 0.0)
NOW = 100.0
SLOW, QUICK = "t.slow", "t.quick"
STEPS_MAX = 2000


@dataclass
class Partition:
    """A partition as forming sees it, which remembers what was handed out."""

    number: int
    waiting: deque[Waiting]
    suspicion: Suspicion
    deadly: bool
    open: bool
    checkpoint: int = 0
    served_at: float = 0.0
    taken: list[Task] = field(default_factory=list)

    def take(self, count: int) -> list[Task]:
        """Hand out the next ones."""
        tasks = [self.waiting.popleft().task for _ in range(count)]
        self.taken += tasks
        return tasks


def task(sequence: int, size: int, kind: str) -> Task:
    """A command of so many bytes."""
    delivery = Delivery(sequence, sequence, 1, "s", {}, b"x" * size, AT, AT, "r")
    envelope = Envelope(
        specversion="1.0", id=CommandId("i"), type=kind, key="k", accepted_at=AT,
        owner=OwnerToken("o"), fingerprint="f", traceparent="t", payload=msgspec.Raw(b"{}"),
    )  # fmt: skip
    return Task(delivery, envelope)


@st.composite
def partitions(draw: st.DrawFn) -> list[Partition]:
    """Some, with whatever waits in them."""
    found = []
    for number in range(draw(st.integers(1, 12))):
        count = draw(st.integers(0, 40))
        sizes = draw(st.lists(st.integers(0, 400), min_size=count, max_size=count))
        late = draw(st.integers(0, 60))  # from here on nothing is due
        slow = draw(st.sets(st.integers(0, 39), max_size=2))
        waiting = deque(
            Waiting(
                task(index + 1, size, SLOW if index in slow else QUICK),
                NOW + 1 if index >= late else 0.0,
            )
            for index, size in enumerate(sizes)
        )
        found.append(
            Partition(
                number, waiting, draw(suspicions(count)),
                deadly=draw(st.integers(0, 9)) == 0, open=draw(st.integers(0, 9)) > 0,
            )
        )  # fmt: skip
    return found


@st.composite
def suspicions(draw: st.DrawFn, count: int) -> Suspicion:
    """Mostly none."""
    if draw(st.integers(0, 3)) or not count:
        return Suspicion()
    return Suspicion(
        width=draw(st.integers(1, 8)), length=draw(st.sampled_from((1, 2, 5, UNLIMITED))),
        until=draw(st.integers(1, count)),
    )  # fmt: skip


CAPS = st.builds(Caps, st.integers(1, 60), st.integers(1, 3000))


def is_slow(kind: str) -> bool:
    """Whether a type is known to be."""
    return kind == SLOW


def within(caps: Caps, batches: list[Batch[Partition]]) -> None:
    """A round as it has to be."""
    tasks = [task for batch in batches for task in batch.tasks]
    size = sum(len(task.delivery.body) for task in tasks)
    assert 1 <= len(tasks) <= caps.commands
    assert size <= caps.bytes or len(tasks) == 1, "one that is too large goes alone"
    assert all(batch.tasks and batch.held.open for batch in batches)
    numbers = [batch.held.number for batch in batches]
    assert len(numbers) == len(set(numbers)), "a partition is in a round once"


def as_suspected(batches: list[Batch[Partition]]) -> None:
    """No wider, longer or further than its suspects allow; and suspects are among themselves."""
    suspected = [batch for batch in batches if batch.held.suspicion.suspected]
    assert len(suspected) in (0, len(batches))
    for held, tasks in suspected:
        assert len(batches) <= held.suspicion.width
        assert len(tasks) <= held.suspicion.length
        reach = [task.delivery.sequence for task in tasks if task is not tasks[0]]
        assert all(sequence <= held.suspicion.until for sequence in reach)


@settings(max_examples=100)
@given(partitions(), CAPS)
def test_all_that_can_go_goes_in_order_within_the_caps(many: list[Partition], caps: Caps) -> None:
    """Round after round, merged and aside, until nothing is left but what is not due."""
    before = {one.number: [waiting.task for waiting in one.waiting] for one in many}
    due = {
        one.number: [waiting.task for waiting in one.waiting if waiting.due <= NOW] for one in many
    }
    for step in range(STEPS_MAX):
        if step % 2:
            merged = form_merged(many, caps, step, NOW, is_slow)
            batches = merged.batches
            assert not any(batch.held.deadly for batch in batches)
            assert not any(is_slow(one.envelope.type) for batch in batches  # type: ignore[union-attr]
                           for one in batch.tasks)  # fmt: skip
        else:
            aside = form_aside(many, caps, NOW, is_slow, FREE)
            batches = aside.batches
            assert sum(len(batch.tasks) for batch in batches) <= ASIDE_COMMANDS
            assert len(batches) <= 1
            assert not any(batch.held.deadly and len(batch.tasks) > 1 for batch in batches)
        if batches:
            within(caps, batches)
            as_suspected(batches)
        elif step % 2 and not form_aside(many, caps, NOW, is_slow, FREE).batches:
            break
        for held, tasks in batches:
            held.checkpoint = tasks[-1].delivery.sequence
            held.suspicion.applied(held.checkpoint)
    else:
        raise AssertionError("it does not come to an end")
    for one in many:
        assert one.taken == before[one.number][: len(one.taken)]
        assert one.taken == (due[one.number] if one.open else [])


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 60), st.integers(0, 99)
)
def test_a_cap_is_shared_evenly(counts: list[int], most: int, turn: int) -> None:
    """Nobody has more than an even share of it, unless the others have nothing left."""
    many = [
        Partition(number, deque(Waiting(task(n + 1, 1, QUICK), 0.0) for n in range(count)),
                  Suspicion(), deadly=False, open=True)
        for number, count in enumerate(counts)
    ]  # fmt: skip
    formed = form_merged(many, Caps(most, 1 << 20), turn, NOW, is_slow)
    taken = {batch.held.number: len(batch.tasks) for batch in formed.batches}
    assert sum(taken.values()) == min(most, sum(counts)), "no room is left while something waits"
    even = max(1, most // min(len(counts), most))
    for number, count in enumerate(counts):
        if number in taken:
            assert taken[number] >= min(even, count)
    assert len(taken) == min(len(counts), most)
