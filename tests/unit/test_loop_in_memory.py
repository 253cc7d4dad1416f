"""The whole loop in one process without a server: submit, decide, commit, announce, hear."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress

import msgspec

from homing import telemetry
from homing.broker import Receipt
from homing.outcome import CommandId
from homing.testing.memory_broker import MemoryBroker
from homing.testing.memory_store import MemoryStore
from support.inmemory import PARTITIONS, running_api, running_reactor
from support.rows import somebody
from support.waiting import until

ME = somebody("me")


def servers() -> tuple[MemoryBroker, MemoryStore]:
    """A stream and a database."""
    return MemoryBroker(PARTITIONS), MemoryStore(PARTITIONS)


async def test_a_command_comes_home_to_its_sender_in_milliseconds() -> None:
    """Told only after the state, the outcome and the checkpoint are committed."""
    broker, store = servers()
    async with running_api(broker, store) as api, running_reactor(broker, store):
        started = time.monotonic()
        heard = await api.outcome(ME, "locations.register", name="Ulm", category="City")
        spent = time.monotonic() - started
    assert spent < 0.5
    assert (heard.owner, heard.outcome.status) == (ME, "succeeded")
    key, position = heard.outcome.key, heard.outcome.position
    assert msgspec.json.decode(store.states["locations"][key])["name"] == "Ulm"
    assert store.partitions[position.partition].checkpoint == position.sequence
    assert heard.outcome.timeline.announced_at is not None


async def test_many_senders_race_for_few_names_and_each_hears_its_own() -> None:
    """One of them gets each name; nobody hears another's outcome, nothing is lost or doubled."""
    broker, store = servers()
    async with running_api(broker, store) as api, running_reactor(broker, store):
        heard = await asyncio.gather(
            *(
                api.outcome(
                    somebody(f"{number}"), "locations.register",
                    name=f"name {number % 20}", category="Town",
                )
                for number in range(200)
            )
        )  # fmt: skip
    assert [one.owner for one in heard] == [somebody(f"{number}") for number in range(200)]
    assert Counter(one.outcome.status for one in heard) == {"succeeded": 20, "rejected": 180}
    assert len(store.outcomes) == 200
    assert len(store.states["locations"]) == len(store.claims) == len(store.events) == 20


async def test_the_order_of_one_sender_is_kept_over_a_change_of_the_holder() -> None:
    """The next reactor goes on where the store says; what the first one took is applied once."""
    broker, store = servers()
    async with running_api(broker, store) as api:
        wrapped = [api.wrapped(ME, "tally.add", tally_id="t", number=n) for n in range(300)]
        async with running_reactor(broker, store):
            for one in wrapped[:200]:
                await api.submitter.submit(one, None)
            await until(lambda: store.outcomes)
        between = len(store.outcomes)
        async with running_reactor(broker, store):
            for one in wrapped[200:]:
                await api.submitter.submit(one, None)
            await until(lambda: len(store.outcomes) == 300)
    assert 0 < between <= 200
    numbers = [msgspec.json.decode(event.body)["number"] for event in store.events]
    assert numbers == list(range(300))


async def test_an_announcement_that_is_lost_is_made_good_by_the_sweep() -> None:
    """The client waits a little longer, and hears it."""
    broker, store = servers()
    async with running_api(broker, store, hears=False) as api, running_reactor(broker, store):
        waiting = asyncio.create_task(api.outcome(ME, "tally.add", tally_id="t", number=1))
        await until(lambda: store.outcomes)
        assert not waiting.done()
        await api.sweeper.sweep()
        assert (await waiting).outcome.status == "succeeded"


async def test_a_repeat_is_answered_with_the_first_outcome() -> None:
    """Also by an API that has never heard of it; the effect is one."""
    broker, store = servers()
    async with running_reactor(broker, store):
        async with running_api(broker, store) as api:
            first = await api.submit(ME, "tally.add", "key", tally_id="t", number=5)
        async with running_api(broker, store) as api:
            again = await api.submit(ME, "tally.add", "key", tally_id="t", number=5)
    assert first.outcome is not None
    assert again.outcome is not None
    assert again.outcome.outcome.position == first.outcome.outcome.position
    assert msgspec.json.decode(store.states["tally"]["t"])["total"] == 5


class LateAcks(MemoryBroker):
    """Its acks come when nobody waits for them any more; then they are not given up either.

    So does `asyncio.wait_for` up to Python 3.11, once the answer is there.
    """

    async def publish(
        self, command_id: CommandId, subject: str, body: bytes, traceparent: str
    ) -> Receipt:
        """Store at once."""
        receipt = await super().publish(command_id, subject, body, traceparent)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return receipt


async def test_a_command_that_comes_home_before_its_ack_is_accepted_once() -> None:
    """The metrics say as many accepted as applied, or somebody looks for what was lost."""
    broker, store = LateAcks(PARTITIONS), MemoryStore(PARTITIONS)
    accepted = telemetry.ACCEPTED.labels("tally.add")
    before = accepted._value.get()  # it has no other way to be read
    async with running_api(broker, store) as api, running_reactor(broker, store):
        for number in range(3):
            await api.outcome(ME, "tally.add", tally_id="t", number=number)
        await asyncio.sleep(0)
    assert accepted._value.get() - before == 3


async def test_a_repeat_that_hears_the_outcome_before_its_ack_is_none_that_was_accepted() -> None:
    """Whoever asks twice at once, as a double click does, has sent one command."""
    broker, store = LateAcks(PARTITIONS), MemoryStore(PARTITIONS)
    accepted, repeated = telemetry.ACCEPTED.labels("tally.add"), telemetry.REPEATS.labels("stream")
    before = accepted._value.get(), repeated._value.get()
    async with running_api(broker, store) as api:
        one = [
            asyncio.create_task(api.submit(ME, "tally.add", "key", tally_id="t", number=1))
            for _ in range(2)
        ]
        await until(lambda: broker.last)
        async with running_reactor(broker, store):
            await asyncio.gather(*one)
    after = accepted._value.get(), repeated._value.get()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
