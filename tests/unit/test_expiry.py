"""Until when a command may be applied: what can be said, and what the reactor makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from homing import envelope as envelopes
from homing.broker import Delivery
from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, owner_token
from homing.outcome import Outcome, decode_outcome, now
from homing.partition import partition_of, subject_of
from homing.registry import load
from homing_api.expiring import expires_at
from homing_api.problems import Problem
from homing_reactor.deciding import Decider, Plan
from homing_reactor.intake import PATIENCE, Fault, Intake, Task

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
PARTITIONS = 8
TYPE = "locations.register"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30), ("0.5", 0.5), (30.0, 30), ("604800", 604_800),
        ("2026-05-01T12:00:01Z", 1), ("2026-05-01T14:30:00+02:00", 1800),
        ("2026-05-01T12:00:00.25Z", 0.25),
    ],
)  # fmt: skip
def test_it_is_seconds_or_an_instant(said: str | float, seconds: float) -> None:
    """Either way an instant in UTC comes of it."""
    expiry = expires_at(said, NOON, WEEK)
    assert expiry == (NOON + timedelta(seconds=seconds), None)
    assert expiry.at.tzinfo is UTC
    assert expires_at(None, NOON, WEEK) is None


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("", 400), ("soon", 400), ("-5", 400), ("1e3", 400), ("٣", 400),
        ("2026-05-01", 400), ("2026-05-01T13:00:00", 400), ("Fri, 01 May 2026 13:00:00 GMT", 400),
        ("604801", 422), (1e300, 422), ("2026-05-08T12:00:01Z", 422), ("9" * 16, 422),
        ("9999-12-31T23:59:59-14:00", 422),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(said: str | float, status: int) -> None:
    """400 for what is neither, 422 for what is beyond the time that is kept."""
    with pytest.raises(Problem) as raised:
        expires_at(said, NOON, WEEK, "the-name")
    document = raised.value.document
    assert document.status == status
    assert document.errors[0].field == "the-name"
    assert "the-name" in document.detail


@pytest.mark.parametrize(
    "said",
    [
        "0", 0.0, -5.0, "2026-05-01T12:00:00Z", "2026-05-01T13:00:00+02:00",
        "0001-01-01T00:00:00+14:00",
    ],
)  # fmt: skip
def test_what_has_passed_is_refused_later(said: str | float) -> None:
    """With a 422 that is raised unless an outcome is known."""
    expiry = expires_at(said, NOON, WEEK, "the-name")
    assert expiry is not None
    assert expiry.late is not None
    assert expiry.late.document.status == 422
    assert expiry.late.document.errors[0].field == "the-name"


def envelope(seconds: float | None, **changes: Any) -> Envelope:
    """A command that expires in so many seconds."""
    command_id = new_command_id()
    payload = msgspec.json.encode({"name": "Ulm", "category": "Town"})
    made = Envelope(
        specversion="1.0", id=command_id, type=TYPE, key=command_id, accepted_at=NOON,
        owner=owner_token("test", "me"), fingerprint=fingerprint(TYPE, payload),
        expires_at=None if seconds is None else now() + timedelta(seconds=seconds),
        payload=msgspec.Raw(payload),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def read(made: Envelope, partition: int | None = None) -> Task:
    """The task that the intake makes of it."""
    right = partition_of(made.key, PARTITIONS)
    partition = right if partition is None else partition
    at = now()
    subject = subject_of(made.type, partition)
    message = Delivery(1, 1, 1, subject, {}, encode(made), at, at, "r")
    return Intake(load(), PARTITIONS, demo=True).read(partition, message)


def decide(task: Task, condemned: Fault | None = None) -> tuple[Plan, Outcome]:
    """The plan of a round of this task, and the outcome in it."""
    plan = Decider(incarnation=1).decide([(0, task)], {}, {}, condemned)
    return plan, decode_outcome(plan.outcomes[0].body.encode())


def test_it_travels_in_the_envelope() -> None:
    """Under a name like its neighbours'; an envelope without one has no trace of it."""
    made = envelope(60)
    assert envelopes.decode(encode(made)) == made
    assert b'"expires":"' in encode(made)
    assert b"expires" not in encode(envelope(None))


def test_a_command_that_is_too_late_fails_and_changes_nothing() -> None:
    """With an outcome of its own type, which says until when; and with no dead letter."""
    made = envelope(-1)
    plan, outcome = decide(read(made))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.type == "expired"
    assert made.expires_at is not None
    assert made.expires_at.isoformat() in outcome.error.detail
    assert outcome.timeline.decided_at is not None
    assert outcome.timeline.decided_at >= made.expires_at
    assert (plan.changed, plan.events, plan.dead_letters) == ({}, [], [])


def test_a_command_that_comes_in_time_is_applied() -> None:
    """As if it had no limit."""
    for seconds in (60, None):
        assert decide(read(envelope(seconds)))[1].status == "succeeded"


def test_whatever_is_wrong_with_it_a_late_command_is_expired() -> None:
    """But one that Postgres has refused has been tried: that is what there is to know of it."""
    wrong = read(envelope(-1), partition=(partition_of(envelope(1).key, PARTITIONS) + 1) % 8)
    assert decide(wrong)[1].error.type == "expired"  # type: ignore[union-attr]
    plan, outcome = decide(read(envelope(-1)), condemned=Fault("not-applicable", "trace"))
    assert outcome.error.type == "not-applicable"  # type: ignore[union-attr]
    assert len(plan.dead_letters) == 1


def test_nothing_waits_longer_than_it_is_wanted() -> None:
    """Neither a type that a newer reactor may know, nor a simulated delay holds its key up."""
    unknown = read(envelope(30, type="locations.teleport"))
    assert 29 < unknown.wait_seconds < 31 < PATIENCE.total_seconds()
    delayed = read(envelope(1, delay_seconds=4.0))
    assert 0.5 < delayed.wait_seconds < 1.1
    assert read(envelope(60)).wait_seconds == 0
    assert read(envelope(-60, type="locations.teleport")).wait_seconds == 0
