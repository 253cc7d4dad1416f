"""Replays: which is due, what of the failed command they have, and whom they speak for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest

from homing import envelope as envelopes
from homing.broker import Delivery
from homing.broker.topology import MESSAGE_MAX_BYTES
from homing.envelope import Envelope, encode
from homing.errors import BrokerUnavailable
from homing.identity import (
    fingerprint,
    new_command_id,
    owner_token,
    replayed_command_id,
    trace_id,
    traceparent,
)
from homing.outcome import (
    CommandId,
    Outcome,
    Position,
    Status,
    Stored,
    Timeline,
    decode_outcome,
    now,
)
from homing.partition import partition_of, subject_of
from homing.registry import load
from homing.replaying import (
    Done,
    NotReplayable,
    NotYet,
    Progress,
    Replays,
    Wire,
    original_of,
    replayed,
)
from homing.storage import Checkpoint, RecordedStream
from homing.storage.dead_letters import Content, Letter, Noted
from homing.testing.memory_broker import MemoryBroker
from homing_api.operators.desk import trace_of
from homing_reactor.deciding import Decider, Plan
from homing_reactor.intake import Intake

PARTITIONS = 8
TYPE = "locations.register"
OWNER = owner_token("test", "me")


def failed_command(**changes: object) -> Envelope:
    """A command that creates a place, which failed."""
    command_id = new_command_id()
    payload = b'{"name":"Ulm","category":"Town"}'
    made = Envelope(
        specversion="1.0", id=command_id, type=TYPE, key=command_id,
        accepted_at=now() - timedelta(days=3), owner=OWNER,
        fingerprint=fingerprint(TYPE, payload), expires_at=now() - timedelta(days=2),
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01", delay_seconds=1.0,
        payload=msgspec.Raw(payload),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def letter_of(body: bytes, reason: str = "domain-error: boom") -> tuple[Letter, Content]:
    """The letter in which it lies."""
    letter = Letter(1, 1, 0, 1, None, TYPE, None, reason, now(), 0, None, None)
    return letter, Content("subject", "{}", body, "trace")


class Notes:
    """The letters of one command, as far as replays look at them."""

    def __init__(self) -> None:
        self.noted = Noted(0, None, None)
        self.buried: set[str] = set()

    async def replays(self, command_id: str) -> Noted | None:
        """As they were noted."""
        return self.noted

    async def note_replay(self, command_id: str, number: int) -> None:
        """The first note of a number counts."""
        if number > self.noted.number:
            self.noted = Noted(number, now(), None)

    async def place_replay(self, command_id: str, number: int, position: Position) -> None:
        """Where the stream has it."""
        self.noted = self.noted._replace(sequence=position.sequence)

    async def failed(self, command_ids: Sequence[str]) -> set[str]:
        """Those that have a letter."""
        return self.buried & set(command_ids)


class Verdicts:
    """Outcomes by id."""

    def __init__(self) -> None:
        self.by_id: dict[str, Status] = {}

    async def read(self, command_ids: Sequence[str]) -> list[Stored]:
        """Those that there are."""
        found = [
            Outcome(
                command_id=one, type=TYPE, key="k", status=self.by_id[one],
                position=Position(1, 0, 1), timeline=Timeline(accepted_at=now()), trace_id="",
            )
            for one in command_ids
            if one in self.by_id
        ]  # fmt: skip
        return [Stored(owner=OWNER, fingerprint="f", outcome=one) for one in found]


class Here:
    """One failed command, and what its replays come to."""

    def __init__(self) -> None:
        self.notes, self.verdicts, self.broker = Notes(), Verdicts(), MemoryBroker(PARTITIONS)
        self.original = failed_command()
        self.applied = Checkpoint(0, None)
        self.pruned: dict[int, datetime] = {}
        progress = Progress(self.checkpoints, self.pruned_until)
        self.replays = Replays(self.notes, self.verdicts, progress)  # type: ignore[arg-type]

    @property
    def wire(self) -> Wire:
        """The stream as it is now."""
        return Wire(RecordedStream(now(), PARTITIONS, 1), self.broker, self.broker)

    def apply(self) -> None:
        """All that the stream has is applied."""
        self.applied = Checkpoint(self.broker.last, self.broker.clock)

    async def checkpoints(self) -> dict[int, Checkpoint]:
        """How far each partition is applied."""
        return dict.fromkeys(range(PARTITIONS), self.applied)

    async def pruned_until(self) -> dict[int, datetime]:
        """The youngest command of each partition whose outcome was removed."""
        return self.pruned

    def prune(self, ago: timedelta) -> None:
        """Outcomes of its partition are gone up to so long ago."""
        self.pruned[partition_of(self.original.key, PARTITIONS)] = now() - ago

    def sent_days_ago(self, days: int) -> None:
        """Its last replay was noted then."""
        self.notes.noted = self.notes.noted._replace(sent_at=now() - timedelta(days=days))

    async def pending(self) -> bool:
        """Whether the stream has a replay that is to be applied yet."""
        return await self.replays.pending(self.original, self.wire)

    async def send(self) -> int:
        """Send what is due; its number."""
        sent = await self.replays.send(self.original, self.wire)
        assert sent.replay.command_id == self.id(sent.replay.number)
        return sent.replay.number

    def id(self, number: int) -> str:
        """Of a replay."""
        return replayed_command_id(self.original.id, number)

    def ended(self, number: int, status: Status) -> None:
        """A replay has its outcome."""
        self.verdicts.by_id[self.id(number)] = status


async def test_the_number_rises_only_when_the_replay_before_has_failed() -> None:
    """While it is pending, asking again is the same command, which the stream has once."""
    here = Here()
    assert [await here.send() for _ in range(3)] == [1, 1, 1]
    assert await here.broker.last_sequence() == 1
    here.ended(1, "failed")
    assert [await here.send() for _ in range(2)] == [2, 2]
    assert await here.broker.last_sequence() == 2


@pytest.mark.parametrize("status", ["succeeded", "rejected"])
async def test_what_has_succeeded_or_was_rejected_is_not_sent_again(status: Status) -> None:
    """Neither has anything left to do, and the word says which."""
    here = Here()
    await here.send()
    here.ended(1, "failed")
    await here.send()
    here.ended(2, status)
    with pytest.raises(Done, match=status):
        await here.send()
    assert await here.broker.last_sequence() == 2


async def test_a_replay_whose_outcome_is_gone_is_not_sent_again() -> None:
    """Outcomes are not kept for ever, and it must not take effect twice."""
    here = Here()
    await here.send()
    here.sent_days_ago(31)
    here.prune(timedelta(days=30))
    assert await here.send() == 1, "not applied yet, however long ago it was sent"
    here.apply()
    with pytest.raises(Done, match="no longer kept"):
        await here.send()


async def test_a_replay_that_its_stream_lost_is_sent_again() -> None:
    """Adopted or not: another message where it was says nothing of it, its own there does."""
    here = Here()
    await here.send()
    here.apply()
    here.broker = MemoryBroker(PARTITIONS)
    await here.broker.publish(new_command_id(), subject_of(TYPE, 0), encode(failed_command()), "")
    assert not await here.pending()
    assert await here.send() == 1
    assert await here.broker.last_sequence() == 2
    assert await here.pending()
    here.apply()
    with pytest.raises(Done, match="no longer kept"):
        await here.send()


async def test_a_replay_that_was_purged_is_sent_again_once_the_stream_takes_it() -> None:
    """Within the duplicate window it says that it has it, and nobody would apply it."""
    here = Here()
    await here.send()
    here.broker.messages.clear()
    with pytest.raises(NotYet, match="lost its message"):
        await here.send()
    here.broker.pass_time(1000.0)
    assert await here.send() == 1
    assert await here.pending()


async def test_what_stands_where_another_was_applied_is_pending() -> None:
    """A stream that was put back to a copy gives sequences out again, until it is adopted."""
    here = Here()
    here.applied = Checkpoint(100, here.broker.clock - timedelta(hours=1))
    await here.send()
    assert await here.pending()
    assert await here.send() == 1


async def test_the_letter_of_a_replay_tells_that_it_failed_when_its_outcome_is_gone() -> None:
    """It is kept for ever, so that what is mended a month later can be done all the same."""
    here = Here()
    await here.send()
    here.apply()
    here.notes.buried.add(here.id(1))
    assert [one.status for one in await here.replays.of(here.original.id)] == ["failed"]
    assert await here.send() == 2


async def test_what_was_applied_again_and_succeeded_is_not_replayed() -> None:
    """As after a restore of Postgres, with the reason mended: the command, or an earlier replay."""
    here = Here()
    await here.send()
    here.ended(1, "succeeded")
    here.ended(2, "failed")
    with pytest.raises(Done, match=r"replay 1 .* succeeded"):
        await here.send()
    here = Here()
    here.verdicts.by_id[here.original.id] = "succeeded"
    with pytest.raises(Done, match="the command itself has succeeded"):
        await here.send()


@pytest.mark.parametrize("days", [0, 31])
async def test_a_replay_that_another_stream_had_is_sent_again_while_its_outcome_would_show(
    days: int,
) -> None:
    """It may have been applied there: then its outcome was pruned, which is on record."""
    here = Here()
    await here.send()
    here.sent_days_ago(days)
    here.broker = MemoryBroker(PARTITIONS)
    here.prune(timedelta(days=days, minutes=59))  # of a command before it, if clocks agree
    with pytest.raises(Done, match="no longer kept"):
        await here.send()
    here.prune(timedelta(days=days, minutes=61))
    assert await here.send() == 1


async def test_a_replay_of_unknown_fate_is_sent_again_while_its_outcome_would_show() -> None:
    """It may be in the stream, and have had an outcome, though no acknowledgement came."""
    here = Here()
    here.broker.max_bytes = 0
    with pytest.raises(BrokerUnavailable):
        await here.send()
    here.sent_days_ago(2)
    here.broker.max_bytes = 1 << 20
    here.prune(timedelta(days=2))
    with pytest.raises(Done, match="no longer kept"):
        await here.send()
    here.pruned.clear()
    assert await here.send() == 1


async def test_outcomes_tell_of_replays_that_no_note_has() -> None:
    """As after Postgres was restored: the stream still had them, and they were applied again."""
    here = Here()
    here.ended(1, "failed")
    here.ended(2, "failed")
    assert [one.number for one in await here.replays.of(here.original.id)] == [1, 2]
    assert await here.send() == 3
    here.ended(3, "failed")
    here.ended(4, "succeeded")
    assert [one.number for one in await here.replays.of(here.original.id)] == [1, 2, 3, 4]
    with pytest.raises(Done, match=r"replay 4 .* succeeded"):
        await here.send()
    assert await here.broker.last_sequence() == 1


async def test_what_the_stream_will_not_take_cannot_be_replayed() -> None:
    """Its limit on messages may have been made smaller since."""
    here = Here()
    here.original = failed_command(payload=msgspec.Raw(b'"' + b"x" * MESSAGE_MAX_BYTES + b'"'))
    with pytest.raises(NotReplayable, match="so large"):
        await here.send()


async def test_only_what_the_stream_has_is_pending() -> None:
    """A replay that was noted and not stored is still to be sent, or its key's order breaks."""
    here = Here()
    assert not await here.pending()
    here.broker.max_bytes = 0
    with pytest.raises(BrokerUnavailable):
        await here.send()
    assert not await here.pending()
    here.broker.max_bytes = 1 << 20
    await here.send()
    assert await here.pending()
    here.ended(1, "failed")
    assert not await here.pending()


async def test_a_replay_that_was_not_acknowledged_is_the_same_one_when_asked_again() -> None:
    """It may be stored; it was noted before it was sent."""
    here = Here()
    here.broker.max_bytes = 0
    with pytest.raises(BrokerUnavailable):
        await here.send()
    here.broker.max_bytes = 1 << 20
    assert await here.send() == 1


def test_a_replay_has_all_that_makes_the_effect() -> None:
    """And neither the expiry nor the delay; its trace goes on, and it was accepted just now."""
    failed = failed_command()
    made = replayed(original_of(*letter_of(encode(failed))), 3)
    for name in ("type", "key", "owner", "payload", "fingerprint", "schema_version"):
        assert getattr(made, name) == getattr(failed, name)
    assert (made.id, made.replays) == (replayed_command_id(failed.id, 3), failed.id)
    assert (made.expires_at, made.delay_seconds) == (None, 0.0)
    assert trace_id(made.traceparent) == trace_id(failed.traceparent)
    assert now() - made.accepted_at < timedelta(seconds=5)
    assert envelopes.decode(encode(made)) == made
    assert b'"replays":"' in encode(made)


def test_the_letter_of_a_replay_speaks_for_the_first_command() -> None:
    """Two letters of one thing lead to one next replay, never to two effects."""
    failed = failed_command()
    first = original_of(*letter_of(encode(failed)))
    again = original_of(*letter_of(encode(replayed(first, 1))))
    assert again.id == first.id == failed.id
    assert replayed(again, 2).id == replayed(first, 2).id


def decided(*made: Envelope, done: Sequence[str] = ()) -> Plan:
    """The plan of a round of these commands."""
    tasks = []
    for number, one in enumerate(made, 1):
        partition = partition_of(one.key, PARTITIONS)
        subject = subject_of(one.type, partition)
        delivery = Delivery(number, number, 1, subject, {}, encode(one), now(), now(), "r")
        tasks.append((partition, Intake(load(), PARTITIONS, demo=False).read(partition, delivery)))
    return Decider(incarnation=1).decide(tasks, {}, {}, None, done=done)


def test_a_replay_of_what_has_succeeded_after_all_takes_no_effect() -> None:
    """Postgres was put back, the reason is mended: both are applied again, and one thing happens.

    In one round or in two; the same for a later replay. There is nothing in it to be mended.
    """
    first = failed_command(expires_at=None)
    one, two = replayed(first, 1), replayed(first, 2)
    together, later = decided(first, one, two), decided(two, done=[one.id])
    assert [row.status for row in together.outcomes] == ["succeeded", "failed", "failed"]
    assert [row.status for row in later.outcomes] == ["failed"]
    for plan in (together, later):
        outcome = decode_outcome(plan.outcomes[-1].body.encode())
        assert outcome.error is not None
        assert outcome.error.type == "superseded"
        assert plan.dead_letters == []
    assert len(together.events) == 1
    assert later.events == []
    alone = decided(one, done=[two.id, failed_command().id])
    assert [row.status for row in alone.outcomes] == ["succeeded"], "only those before it count"


def test_a_replay_creates_what_the_first_command_would_have() -> None:
    """Of a command without a key, the key is the first one's id; the outcome tells what it was."""
    failed = failed_command()
    made = replayed(failed, 1)
    plan = decided(made)
    outcome = decode_outcome(plan.outcomes[0].body.encode())
    assert outcome.status == "succeeded", outcome.error
    assert (outcome.command_id, outcome.replays) == (made.id, failed.id)
    assert plan.outcomes[0].owner == failed.owner
    assert plan.changed["locations"].keys() == {failed.id}


def test_an_outcome_of_no_replay_does_not_speak_of_one() -> None:
    """What clients know stays as it was."""
    outcome = Outcome(
        command_id=CommandId("x"), type=TYPE, key="k", status="succeeded",
        position=Position(1, 0, 1), timeline=Timeline(accepted_at=now()), trace_id="",
    )  # fmt: skip
    assert b"replays" not in msgspec.json.encode(outcome)
    assert b"replays" not in encode(failed_command())


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        (b"\xff", "unreadable: x", "no readable envelope"),
        (b'{"envelopeversion":99}', "newer-envelope: x", "newer version"),
        (encode(failed_command()), "idempotency-conflict: x", "another command"),
        (
            encode(msgspec.structs.replace(failed_command(), type="locations.x\nPUB y")),
            "misplaced: x",
            "no command can have its type",
        ),
    ],
)
def test_what_cannot_be_replayed_says_why(body: bytes, reason: str, said: str) -> None:
    """Instead of a command that nobody sent."""
    with pytest.raises(NotReplayable, match=said):
        original_of(*letter_of(body, reason))


@pytest.mark.parametrize("kind", ["locations.register", "x\x1b[2J"])
def test_a_letter_keeps_its_trace_whatever_its_type(kind: str) -> None:
    """Also one that cannot be replayed; what cannot be read has none."""
    failed = msgspec.structs.replace(failed_command(), type=kind, traceparent=traceparent())
    assert trace_of(letter_of(encode(failed))[1]) == failed.traceparent[3:35]
    assert trace_of(letter_of(b"\xff")[1]) == ""
