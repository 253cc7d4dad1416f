"""Forming and deciding rounds, without servers."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from homing.broker import Delivery
from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, owner_token, traceparent
from homing.outcome import decode_outcome, now
from homing.partition import partition_of, subject_of
from homing.registry import load
from homing_reactor.deciding import Decider
from homing_reactor.forming import Caps, Thinking, form_aside, form_merged
from homing_reactor.intake import Fault, Intake, Task, Waiting
from homing_reactor.suspicion import Suspicion

PARTITIONS = 64
OWNER = owner_token("anonymous", "me")
TYPE = "locations.register"


def delivery(sequence: int, body: bytes, subject: str, age: float = 0.0) -> Delivery:
    """A message of the stream, stored `age` seconds ago."""
    received = now()
    return Delivery(
        sequence, sequence, 1, subject, {}, body, received - timedelta(seconds=age), received, "r"
    )


def envelope(**changes: Any) -> Envelope:
    """A command to register a place."""
    command_id = new_command_id()
    payload = msgspec.json.encode({"name": "Ulm", "category": "Town"})
    made = Envelope(
        specversion="1.0",
        id=command_id,
        type=TYPE,
        key=command_id,
        accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
        owner=OWNER,
        fingerprint=fingerprint(TYPE, payload),
        traceparent=traceparent(),
        payload=msgspec.Raw(payload),
    )
    return msgspec.structs.replace(made, **changes)


def read(made: Envelope, *, sequence: int = 1, age: float = 0.0, demo: bool = False) -> Task:
    """The task that the intake makes of it."""
    partition = partition_of(made.key, PARTITIONS)
    message = delivery(sequence, encode(made), subject_of(made.type, partition), age)
    return Intake(load(), PARTITIONS, demo=demo).read(partition, message)


def decide(
    *tasks: Task, known: dict[str, str] | None = None, condemned: Fault | None = None
) -> Any:
    """The plan of a round of these tasks."""
    numbered = [(0, task) for task in tasks]
    return Decider(incarnation=1).decide(numbered, known or {}, {}, condemned)


def test_a_command_becomes_state_event_and_outcome() -> None:
    """All of them in one plan, for one transaction."""
    made = envelope()
    plan = decide(read(made))
    outcome = decode_outcome(plan.outcomes[0].body.encode())
    assert outcome.status == "succeeded"
    assert outcome.timeline.accepted_at == made.accepted_at
    assert outcome.trace_id == made.traceparent.split("-")[1]
    assert plan.changed["locations"].keys() == {made.key}
    assert [event.type for event in plan.events] == ["LocationRegistered"]
    assert plan.dead_letters == []


def test_a_command_that_stands_twice_in_a_round_takes_effect_once() -> None:
    """As after JetStream's duplicate window."""
    made = envelope()
    plan = decide(read(made, sequence=1), read(made, sequence=2))
    assert len(plan.outcomes) == 1
    assert plan.repeats == 1


def test_a_known_command_is_skipped_and_one_with_another_payload_is_a_dead_letter() -> None:
    """No second outcome for one id."""
    made = envelope()
    assert decide(read(made), known={made.id: made.fingerprint}).outcomes == []
    conflict = decide(read(made), known={made.id: "x" * 22})
    assert conflict.outcomes == []
    assert conflict.dead_letters[0].reason.startswith("idempotency-conflict")


def test_a_newer_payload_waits_for_a_newer_reactor_and_an_older_one_is_read() -> None:
    """Fields that were added since have a default; the domain guide says so."""
    assert read(envelope(schema_version=2)).wait_seconds > 590
    plan = decide(read(envelope(schema_version=2), age=601))
    assert plan.dead_letters[0].reason.startswith("newer-payload")
    assert decide(read(envelope(schema_version=1))).outcomes[0].status == "succeeded"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b'{"specversion":"1.0"}',
        b'"\\ud800"',
        b"\0",
        b"null",
    ],
)
def test_bytes_that_are_no_envelope_are_a_dead_letter_at_once(body: bytes) -> None:
    """Nobody will ever read them; the partition goes on."""
    task = Intake(load(), PARTITIONS, demo=False).read(3, delivery(1, body, "homing.commands.3.x"))
    plan = decide(task)
    assert task.wait_seconds == 0
    assert plan.outcomes == []
    assert plan.dead_letters[0].reason.startswith("unreadable")
    assert plan.dead_letters[0].body == body


def test_a_payload_with_nul_is_a_dead_letter() -> None:
    """Postgres refuses U+0000 in text: it would poison a round."""
    made = envelope(payload=msgspec.Raw(b'{"name":"a\\u0000b","category":"Town"}'))
    assert decide(read(made)).dead_letters[0].reason.startswith("unreadable")


def test_a_command_in_a_partition_that_is_not_its_keys_fails() -> None:
    """Order per key would be lost if it were applied there."""
    made = envelope()
    other = (partition_of(made.key, PARTITIONS) + 1) % PARTITIONS
    message = delivery(1, encode(made), subject_of(made.type, other))
    plan = decide(Intake(load(), PARTITIONS, demo=False).read(other, message))
    assert plan.outcomes[0].status == "failed"
    assert plan.dead_letters[0].reason.startswith("misplaced")


def test_an_unknown_type_waits_ten_minutes_for_a_newer_reactor_then_fails() -> None:
    """Counted from the stream's time, so that a new holder does not start anew."""
    fresh = read(envelope(type="locations.fly"))
    assert 590 < fresh.wait_seconds <= 600
    old = read(envelope(type="locations.fly"), age=601)
    assert old.wait_seconds == 0
    plan = decide(old)
    assert plan.outcomes[0].status == "failed"
    assert plan.dead_letters[0].reason.startswith("unknown-type")


def test_a_newer_envelope_waits_as_well() -> None:
    """It is told apart from bytes that nobody can read."""
    assert read(envelope(version=2)).wait_seconds > 590


def test_an_invalid_payload_fails_and_says_where() -> None:
    """It can only come from another publisher, as the API validates."""
    made = envelope(payload=msgspec.Raw(b'{"name":"x","category":"Moon"}'))
    plan = decide(read(made))
    assert plan.outcomes[0].status == "failed"
    assert "$.category" in plan.dead_letters[0].reason


def test_the_simulated_delay_counts_from_the_streams_time_and_only_in_a_demo() -> None:
    """A successor does not start it anew."""
    slow = envelope(delay_seconds=3.0)
    assert read(slow, age=1.0, demo=True).wait_seconds == pytest.approx(2.0, abs=0.1)
    assert read(slow, age=5.0, demo=True).wait_seconds == 0
    assert read(slow, age=1.0).wait_seconds == 0


def test_a_condemned_command_fails_with_what_the_database_said() -> None:
    """Its state is not touched."""
    plan = decide(read(envelope()), condemned=Fault("not-applicable", "[23514] a check"))
    assert plan.outcomes[0].status == "failed"
    assert plan.changed == {}
    assert "23514" in plan.dead_letters[0].traceback


@dataclass
class Partition:
    """What a round needs to know of a partition."""

    name: int
    count: int
    due: float = 0.0
    open: bool = True
    checkpoint: int = 0
    suspicion: Suspicion = field(default_factory=Suspicion)
    waiting: deque[Waiting] = field(default_factory=deque)
    deadly: bool = False
    served_at: float = 0.0
    types: dict[int, str] = field(default_factory=dict)
    """By sequence; others have no envelope."""

    def __post_init__(self) -> None:
        for sequence in range(1, self.count + 1):
            kind = self.types.get(sequence)
            made = envelope(type=kind) if kind else None
            task = Task(delivery(sequence, b"x" * 100, "s"), made)
            self.waiting.append(Waiting(task, self.due))

    def take(self, count: int) -> list[Task]:
        """The next ones."""
        return [self.waiting.popleft().task for _ in range(count)]


def sizes(partitions: list[Partition], caps: Caps, turn: int = 0) -> dict[int, int]:
    """How many tasks of which partition the next round has."""
    formed = form_merged(partitions, caps, turn, 10.0, slow)
    return {batch.held.name: len(batch.tasks) for batch in formed.batches}


FREE = Thinking(1.0, lambda _type: 0.0)


def sizes_aside(partitions: list[Partition], thinking: Thinking = FREE) -> dict[int, int]:
    """The same of the next round aside."""
    formed = form_aside(partitions, Caps(200, 1 << 20), 10.0, slow, thinking)
    return {batch.held.name: len(batch.tasks) for batch in formed.batches}


def slow(command_type: str) -> bool:
    """The only type that takes long."""
    return command_type == "t.slow"


def test_a_round_takes_from_every_partition_that_has_something() -> None:
    """One transaction for all of them."""
    assert sizes([Partition(0, 2), Partition(1, 0), Partition(2, 1)], Caps(200, 1 << 20)) == {
        0: 2,
        2: 1,
    }


def test_the_cap_is_shared_evenly_and_what_is_left_goes_to_who_has_more() -> None:
    """A busy partition does not starve a quiet one."""
    assert sizes([Partition(0, 100), Partition(1, 3)], Caps(10, 1 << 20)) == {0: 7, 1: 3}


def test_more_partitions_than_the_cap_take_turns() -> None:
    """None is starved."""
    partitions = [Partition(name, 5) for name in range(4)]
    seen = [set(sizes(partitions, Caps(2, 1 << 20), turn)) for turn in range(4)]
    assert set().union(*seen) == {0, 1, 2, 3}


def test_bytes_are_capped_but_one_command_always_fits() -> None:
    """A large command is applied alone."""
    assert sizes([Partition(0, 5), Partition(1, 5)], Caps(200, 250)) == {0: 2}
    assert sizes([Partition(0, 5)], Caps(200, 10)) == {0: 1}


def test_what_is_not_due_holds_its_partition_and_no_other() -> None:
    """Order within the partition is kept; the lane knows when to look again."""
    formed = form_merged([Partition(0, 1, due=12.5)], Caps(200, 1 << 20), 0, 10.0, slow)
    assert formed.batches == []
    assert formed.wait_seconds == pytest.approx(2.5)
    assert sizes([Partition(0, 1, due=12.5), Partition(1, 1)], Caps(200, 1 << 20)) == {1: 1}


def test_suspects_have_rounds_of_their_own_in_turn_with_the_others() -> None:
    """A poisoned partition delays the others by its own failed rounds alone."""
    poisoned = Partition(0, 3, suspicion=Suspicion(width=2, until=3))
    others = [Partition(1, 3), Partition(2, 3)]
    assert sizes([poisoned, *others], Caps(200, 1 << 20), turn=1) == {0: 3}
    assert sizes([poisoned, *others], Caps(200, 1 << 20), turn=2) == {1: 3, 2: 3}


def test_who_would_hold_up_the_others_is_applied_aside() -> None:
    """One that stands alone, one whose next command is slow, one that may end its process."""
    alone = Partition(0, 3, suspicion=Suspicion(width=1, length=2, until=3))
    sluggish = Partition(1, 3, types={1: "t.slow"})
    deadly = Partition(2, 3, deadly=True)
    quick = Partition(3, 3)
    everybody = [alone, sluggish, deadly, quick]
    assert sizes(everybody, Caps(200, 1 << 20)) == {3: 3}
    assert [sizes_aside([one]) for one in everybody] == [{0: 2}, {1: 3}, {2: 1}, {}]


def test_a_round_ends_before_a_slow_command() -> None:
    """What comes before it does not have to wait aside."""
    assert sizes([Partition(0, 5, types={4: "t.slow"})], Caps(200, 1 << 20)) == {0: 3}


def test_aside_the_fewest_tries_go_first_and_then_who_waited_longest() -> None:
    """None waits for another's tries, and none is forgotten."""
    tried = Partition(0, 1, suspicion=Suspicion(width=1, tries=2, until=1))
    others = [Partition(n, 2, suspicion=Suspicion(width=1, length=1, until=2)) for n in (1, 2)]
    assert sizes_aside([tried, *others]) == {1: 1}
    assert sizes_aside([tried, *others]) == {2: 1}
    assert sizes_aside([Partition(3, 70, types={1: "t.slow"})]) == {3: 50}


@pytest.mark.parametrize(("seconds", "count"), [(0.2, 3), (0.05, 13), (5.0, 1), (0.0, 50)])
def test_aside_no_more_than_can_be_thought_of_in_time(seconds: float, count: int) -> None:
    """A round that takes too long is thrown away, and so would be the next one of its size."""
    thinking = Thinking(0.66, lambda kind: seconds if kind == "t.slow" else 0.0)
    slow_ones = dict.fromkeys(range(1, 71), "t.slow")
    assert sizes_aside([Partition(0, 70, types=slow_ones)], thinking) == {0: count}


def test_a_suspects_round_ends_where_the_failed_one_ended() -> None:
    """What came later is not under suspicion."""
    suspect = Partition(0, 9, suspicion=Suspicion(width=4, until=5))
    assert sizes([suspect], Caps(200, 1 << 20)) == {0: 5}
