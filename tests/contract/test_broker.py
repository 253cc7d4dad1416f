"""What the processes rely on of a broker: one suite, which NATS and its double both pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from contract.brokers import (
    ACK_WAIT_SECONDS,
    DUPLICATE_WINDOW_SECONDS,
    PARTITIONS,
    Brokers,
    memory_broker,
    real_broker,
)
from homing.broker import Beyond, Delivery, Pulling
from homing.errors import BrokerUnavailable, StreamFull, TooLarge
from homing.identity import new_command_id, traceparent
from homing.outcome import CommandId, OwnerToken, now
from homing.partition import subject_of
from support.place import Place
from support.waiting import until

LEASE_SECONDS = 3.0
ROOM = (0, 0, LEASE_SECONDS)
OWNER = OwnerToken("o" * 22)


@pytest.fixture(params=["memory", "nats"])
def where(request: pytest.FixtureRequest) -> Place | None:
    """Nowhere, or on a real server."""
    return request.getfixturevalue("place") if request.param == "nats" else None


@pytest.fixture
async def broker(where: Place | None) -> AsyncIterator[Brokers]:
    async with memory_broker() if where is None else real_broker(where) as broker:
        yield broker


async def publish(
    broker: Brokers, body: bytes, partition: int = 1, command_id: CommandId | None = None
) -> tuple[int, bool]:
    """Store a body; sequence and whether it is a duplicate."""
    made = command_id or new_command_id()
    subject = subject_of("tally.add", partition)
    receipt = await broker.publisher.publish(made, subject, body, traceparent())
    return receipt.sequence, receipt.duplicate


class Hand:
    """Takes what a pull delivers, and asks for more."""

    def __init__(self, broker: Brokers, partition: int = 1) -> None:
        self.came: list[Delivery] = []
        self.pull: Pulling = broker.source.pull(partition, self._take)

    async def _take(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            self.came.append(delivery)

    async def begin(self, after: int = 0) -> Hand:
        """Reset, and ask for what is there."""
        await self.pull.reset(after)
        await self.pull.request(*ROOM)
        return self

    async def until(self, count: int) -> list[Delivery]:
        """So many deliveries."""
        await until(lambda: len(self.came) >= count, 5)
        return self.came

    @property
    def numbers(self) -> Sequence[tuple[int, int, int]]:
        """(sequence, consumer sequence, attempt) each."""
        return [(one.sequence, one.consumer_sequence, one.attempt) for one in self.came]


async def test_sequences_count_over_all_partitions_from_1(broker: Brokers) -> None:
    """The order of the stream is one order."""
    assert await broker.source.last_sequence() == 0
    stored = [await publish(broker, b"x", partition) for partition in (3, 0, 3)]
    assert stored == [(1, False), (2, False), (3, False)]
    assert await broker.source.last_sequence() == 3


async def test_a_repeat_within_the_window_is_one_command(broker: Brokers) -> None:
    """The answer names the first one, whatever the repeat says; nothing more is stored."""
    command_id = new_command_id()
    assert await publish(broker, b"first", command_id=command_id) == (1, False)
    assert await publish(broker, b"other") == (2, False)
    assert await publish(broker, b"again", command_id=command_id) == (1, True)
    assert await broker.source.last_sequence() == 2


async def test_a_repeat_after_the_window_is_stored_again(broker: Brokers) -> None:
    """So that somebody else has to know that it is one."""
    command_id = new_command_id()
    await publish(broker, b"x", command_id=command_id)
    await broker.pass_time(DUPLICATE_WINDOW_SECONDS * 2)
    assert await publish(broker, b"x", command_id=command_id) == (2, False)


async def test_too_large_a_command_is_refused_and_not_stored(broker: Brokers) -> None:
    """Whether it is too large for the stream or for the server."""
    for size in (262_145, 1_200_000):
        with pytest.raises(TooLarge):
            await publish(broker, b"x" * size)
    assert await broker.source.last_sequence() == 0


async def test_a_full_stream_refuses_and_keeps_what_it_has(broker: Brokers) -> None:
    """Never silent loss; and a repeat of what it has is still known."""
    await broker.limit(20_000)
    first = new_command_id()
    await publish(broker, b"x" * 4000, command_id=first)
    for _ in range(3):
        await publish(broker, b"x" * 4000)
    with pytest.raises(StreamFull):
        await publish(broker, b"x" * 4000)
    last = await broker.source.last_sequence()
    assert last == 4
    assert await broker.source.read_message(1) is not None
    assert await publish(broker, b"x" * 4000, command_id=first) == (1, True)
    assert await broker.source.last_sequence() == last


async def test_a_partition_that_nobody_consumes_takes_nothing(broker: Brokers) -> None:
    """It would be acknowledged and never applied."""
    with pytest.raises(BrokerUnavailable):
        await publish(broker, b"x", PARTITIONS)
    assert await broker.source.last_sequence() == 0


async def test_a_stored_command_can_be_read_by_its_sequence(broker: Brokers) -> None:
    """With the stream's time, which a delivery of it has as well; what is not there is None."""
    await publish(broker, b"\x00\xffbody")
    message = await broker.source.read_message(1)
    assert message is not None
    assert (message["subject"], message["data"]) == ("homing.commands.1.tally.add", b"\x00\xffbody")
    assert abs(message["time"] - now()) < timedelta(seconds=5)
    (delivery,) = await (await Hand(broker).begin()).until(1)
    assert delivery.published_at == message["time"]
    assert await broker.source.read_message(2) is None


async def test_what_lies_beyond_a_sequence_is_counted_by_partition(broker: Brokers) -> None:
    """With the times of the first of it and of the sequence itself; nothing is None."""
    for partition in (1, 2, 1, 1, 3):
        await publish(broker, b"x", partition)
    tail = await broker.source.tail()
    found = await broker.source.beyond({0: 0, 1: 1, 2: 2, 3: 4})
    read = [await broker.source.read_message(sequence) for sequence in range(1, 6)]
    at = [message["time"] for message in read if message is not None]
    assert found == {
        0: Beyond(None, 0, None),
        1: Beyond(at[0], 2, at[2]),
        2: Beyond(at[1], 0, None),
        3: Beyond(None, 1, at[4]),
    }
    assert tail.sequence == 5
    assert tail.at >= at[4]
    assert await broker.source.beyond({1: 99}) == {1: Beyond(None, 0, None)}


async def test_a_pull_gets_its_partition_alone_in_order(broker: Brokers) -> None:
    """What was there, then what comes; the consumer counts from 1."""
    for number in range(6):
        await publish(broker, b"%d" % number, partition=number % 2)
    hand = await Hand(broker).begin()
    await hand.until(3)
    await publish(broker, b"later")
    await hand.until(4)
    assert [one.body for one in hand.came] == [b"1", b"3", b"5", b"later"]
    assert hand.numbers == [(2, 1, 1), (4, 2, 1), (6, 3, 1), (7, 4, 1)]
    first = hand.came[0]
    assert first.subject == "homing.commands.1.tally.add"
    assert first.headers["Nats-Msg-Id"]
    assert first.headers["traceparent"]
    assert abs(first.received_at - first.published_at) < timedelta(seconds=5)


async def test_a_reset_begins_anew_behind_a_sequence(broker: Brokers) -> None:
    """Whatever was delivered before; the consumer counts from 1 again, and all is a first try."""
    for _ in range(4):
        await publish(broker, b"x")
    hand = await Hand(broker).begin()
    await hand.until(4)
    for after in (2, 0, 4):
        hand.came.clear()
        await hand.begin(after)
        expected = [(n, n - after, 1) for n in range(after + 1, 5)]
        await hand.until(len(expected))
        await publish(broker, b"other", partition=2)
        assert hand.numbers == expected
    await broker.pass_time(ACK_WAIT_SECONDS * 2)
    await publish(broker, b"new")

    async def came() -> bool:  # as a reactor asks: again and again
        await hand.pull.request(*ROOM)
        return bool(hand.came)

    await until(came, 5)
    assert hand.numbers == [(8, 1, 1)]


async def test_another_holder_begins_where_it_says_and_gets_everything(broker: Brokers) -> None:
    """What the one before took and never acknowledged; that one gets nothing any more."""
    await publish(broker, b"x")
    before = await Hand(broker).begin()
    await before.until(1)
    await before.pull.close()
    await publish(broker, b"y")
    after = await Hand(broker).begin()
    await after.until(2)
    assert after.numbers == [(1, 1, 1), (2, 2, 1)]
    assert len(before.came) == 1


async def test_nothing_comes_before_it_was_asked_for(broker: Brokers) -> None:
    """A reset alone takes nothing; neither does a request without lease, or with enough to do."""
    await publish(broker, b"x")
    hand = Hand(broker)
    await hand.pull.reset(0)
    await hand.pull.request(0, 0, 0.1)
    await hand.pull.request(401, 0, LEASE_SECONDS)
    await hand.pull.request(0, 5_000_000, LEASE_SECONDS)
    await publish(broker, b"y", partition=2)
    other = await Hand(broker, 2).begin()
    await other.until(1)
    assert hand.came == []
    await hand.pull.request(*ROOM)
    await hand.until(1)


async def test_a_closed_pull_takes_nothing(broker: Brokers) -> None:
    """Also not what comes later."""
    hand = await Hand(broker).begin()
    await hand.pull.close()
    await publish(broker, b"x")
    await publish(broker, b"y", partition=2)
    await (await Hand(broker, 2).begin()).until(1)
    assert hand.came == []


async def test_what_is_not_acknowledged_comes_again(broker: Brokers) -> None:
    """An acknowledgement is for all before it; a second delivery is told by its attempt."""
    for _ in range(3):
        await publish(broker, b"x")
    hand = await Hand(broker).begin()
    await hand.until(3)
    await broker.announcer.applied(hand.came[1].reply)
    await broker.pass_time(ACK_WAIT_SECONDS * 2)
    await hand.pull.request(*ROOM)
    await hand.until(4)
    assert hand.numbers[3:] == [(3, 4, 2)]


async def test_a_burst_comes_whole_and_in_order(broker: Brokers) -> None:
    """More than one request asks for, as long as somebody asks."""
    hand = await Hand(broker).begin()
    for number in range(700):
        await publish(broker, b"%d" % number)
        if number % 50 == 0:
            await hand.pull.request(*ROOM)

    async def all_came() -> bool:
        await hand.pull.request(*ROOM)  # as a holder does at every tick: a request may have ended
        return len(hand.came) >= 700

    await until(all_came, 20)
    assert [one.body for one in hand.came] == [b"%d" % number for number in range(700)]


async def test_an_outcome_is_heard_by_everybody_who_listens_by_then(broker: Brokers) -> None:
    """Once each and in order; who comes later has missed it."""
    heard: dict[str, list[tuple[str, str, bytes]]] = {"a": [], "b": [], "late": []}
    for name in ("a", "b"):
        await broker.watch_outcomes(lambda *said, name=name: heard[name].append(said))
    said = [(OWNER, new_command_id(), b"1"), (OWNER, new_command_id(), b"2")]
    await broker.announcer.outcomes(said)
    await broker.announcer.flush(1)
    await broker.watch_outcomes(lambda *said: heard["late"].append(said))
    last = (OWNER, new_command_id(), b"3")
    await broker.announcer.outcomes([last])
    await until(lambda: all(last in came for came in heard.values()), 5)
    assert heard == {"a": [*said, last], "b": [*said, last], "late": [last]}


async def test_a_listener_that_breaks_hears_the_next_one(broker: Brokers) -> None:
    """And nobody else is harmed."""
    heard: list[bytes] = []

    def broken(_owner: OwnerToken, _command_id: str, body: bytes) -> None:
        heard.append(body)
        raise RuntimeError("boom")

    await broker.watch_outcomes(broken)
    await broker.announcer.outcomes((OWNER, new_command_id(), body) for body in (b"1", b"2"))
    await until(lambda: heard == [b"1", b"2"], 5)


async def test_members_are_told_to_look(broker: Brokers) -> None:
    """All of them."""
    looked: list[str] = []
    await broker.watch_members(lambda: looked.append("a"))
    await broker.watch_members(lambda: looked.append("b"))
    await broker.announcer.members()
    await until(lambda: sorted(looked) == ["a", "b"], 5)


async def test_the_next_command_of_a_partition_is_found(broker: Brokers) -> None:
    """By its place or by its time, others' left out; what is not there is None."""
    first, other = new_command_id(), new_command_id()
    await publish(broker, b"1", command_id=first)
    await publish(broker, b"2", partition=2)
    await publish(broker, b"3", command_id=other)
    found = [await broker.source.next_message(1, after) for after in (0, 1, 2, 3)]
    assert [one and (one.sequence, one.command_id) for one in found] == [
        (1, first), (3, other), (3, other), None,
    ]  # fmt: skip
    for one in found[:2]:
        assert one is not None
        message = await broker.source.read_message(one.sequence)
        assert message is not None
        assert one.stored_at == message["time"]
        assert await broker.source.first_since(1, one.stored_at) == one
    assert await broker.source.next_message(3, 0) is None
    assert await broker.source.first_since(3, now() - timedelta(days=1)) is None
    assert await broker.source.first_since(1, now() + timedelta(days=1)) is None


async def test_the_first_command_since_a_time_is_of_its_partition(broker: Brokers) -> None:
    """An older one of the partition does not count, nor a younger one of another."""
    await publish(broker, b"old")
    await broker.pass_time(0.05)
    await publish(broker, b"other", partition=2)
    message = await broker.source.read_message(2)
    assert message is not None
    assert await broker.source.first_since(1, message["time"]) is None
    await publish(broker, b"young")
    found = await broker.source.first_since(1, message["time"])
    assert found is not None
    assert found.sequence == 3


async def test_trimming_takes_one_partition_below_a_sequence(broker: Brokers) -> None:
    """That one stays; so does everything of the other partitions, and the count goes on."""
    for number in range(6):
        await publish(broker, b"%d" % number, partition=number % 2)
    assert await broker.source.trim(1, 6) == 2
    kept = [n for n in range(1, 7) if await broker.source.read_message(n) is not None]
    assert kept == [1, 3, 5, 6]
    found = await broker.source.next_message(1, 0)
    assert found is not None
    assert found.sequence == 6
    assert await broker.source.last_sequence() == 6
    assert await broker.source.trim(1, 6) == 0
    assert await publish(broker, b"6") == (7, False)


async def test_what_was_trimmed_is_not_delivered(broker: Brokers) -> None:
    """Neither anew nor again; the consumer counts what it delivers."""
    for _ in range(4):
        await publish(broker, b"x")
    hand = await Hand(broker).begin()
    await hand.until(4)
    await broker.source.trim(1, 4)
    hand.came.clear()
    await hand.begin()
    await hand.until(1)
    await publish(broker, b"new")
    await hand.until(2)
    assert hand.numbers == [(4, 1, 1), (5, 2, 1)]


async def test_trimming_makes_room(broker: Brokers) -> None:
    """A full stream takes commands again."""
    await broker.limit(20_000)
    for _ in range(4):
        await publish(broker, b"x" * 4000)
    with pytest.raises(StreamFull):
        await publish(broker, b"x" * 4000)
    await broker.source.trim(1, 3)
    assert await publish(broker, b"x" * 4000) == (5, False)
