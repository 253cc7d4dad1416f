"""What the processes rely on of a store: one suite, which Postgres and its double both pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from contract.stores import Stores, memory_store, real_store
from homing.claims import Claim
from homing.identity import new_command_id
from homing.outcome import Stored
from homing.registry import load
from homing.storage import (
    NIL,
    DeadLetterRow,
    EventRow,
    FenceRow,
    RoundFailed,
    RoundStatements,
)
from support.place import Place
from support.rows import made, row_of, somebody
from support.waiting import until

AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
ME, OTHER = somebody("me"), somebody("other")
NEWEST = (2**63 - 1, NIL)
OLDEST = (0, NIL)
SECONDS = 5.0


class Gone(Exception):
    """What a test raises to have a transaction rolled back."""


@pytest.fixture(params=["memory", "postgres"])
def where(request: pytest.FixtureRequest) -> Place | None:
    """Nowhere, or on a real server."""
    return request.getfixturevalue("place") if request.param == "postgres" else None


@pytest.fixture
async def store(where: Place | None) -> AsyncIterator[Stores]:
    async with memory_store() if where is None else real_store(where) as store:
        yield store


def name(value: str) -> Claim:
    """A claim."""
    return Claim("tally", "name", value)


def tally(key: str, count: int) -> msgspec.Raw:
    """A state, as it is saved."""
    state = {"tally_id": key, "count": count, "total": 10 * count, "last": 7}
    return msgspec.Raw(msgspec.json.encode(state))


def domain() -> Any:
    """The domain that only tests have."""
    return load().domains["tally"]


async def write(store: Stores, *stored: Stored) -> None:
    """Commit outcomes together."""
    async with store.rounds.transaction() as round_:
        await round_.add_outcomes([row_of(one) for one in stored])


async def fence(store: Stores, *rows: FenceRow) -> set[int]:
    """A round that does nothing else."""
    async with store.rounds.transaction() as round_:
        return await round_.fence(rows)


async def claim(store: Stores, asked: Mapping[Claim, str]) -> set[Claim]:
    """A round that does nothing else."""
    async with store.rounds.transaction() as round_:
        return await round_.claim(asked)


@asynccontextmanager
async def broken(store: Stores) -> AsyncIterator[RoundStatements]:
    """A round that is rolled back when the block ends."""
    with suppress(Gone):
        async with store.rounds.transaction() as round_:
            yield round_
            raise Gone


async def past(store: Stores, horizon: int) -> None:
    """Return once nothing from before is running; on a real server others may be at work."""

    async def moved() -> bool:
        return (await store.outcomes.look()).horizon > horizon

    await until(moved, SECONDS)


async def states(store: Stores, *keys: str) -> dict[str, Any]:
    """What a later round finds."""
    async with store.rounds.transaction() as round_:
        return await round_.load_states(domain(), keys)


async def test_the_fence_moves_the_checkpoint_of_what_is_ours(store: Stores) -> None:
    """Only with the epoch and the checkpoint that the round knows; the others stay as they are."""
    epoch = await store.hold(1)
    await store.hold(2)
    await store.hold(3)
    rows = FenceRow(1, epoch, 0, 5, AT), FenceRow(2, 0, 0, 5, AT), FenceRow(3, 1, 4, 5, AT)
    assert await fence(store, *rows) == {1}
    assert await store.checkpoint(1) == (5, AT)
    assert [await store.outcomes.applied(number) for number in (1, 2)] == [(5, AT), (0, None)]
    assert await store.checkpoint(2) == await store.checkpoint(3) == (0, None)
    assert await fence(store, rows[0]) == set()
    assert await fence(store, FenceRow(1, epoch, 5, 9, AT)) == {1}


async def test_a_new_holder_fences_out_the_one_before(store: Stores) -> None:
    """However far that one believes to be."""
    old = await store.hold(1)
    new = await store.hold(1)
    assert await fence(store, FenceRow(1, old, 0, 5, AT)) == set()
    assert await fence(store, FenceRow(1, new, 0, 5, AT)) == {1}


async def test_two_rounds_never_have_one_partition(store: Stores) -> None:
    """The second is told at once that it is not its own, instead of waiting; others it may have."""
    for partition in (1, 2):
        await store.hold(partition)
    async with store.rounds.transaction() as first:
        assert await first.fence([FenceRow(1, 1, 0, 5, AT)]) == {1}
        both = FenceRow(1, 1, 0, 6, AT), FenceRow(2, 1, 0, 6, AT)
        async with asyncio.timeout(SECONDS):
            assert await fence(store, *both) == {2}
    assert (await store.checkpoint(1), await store.checkpoint(2)) == ((5, AT), (6, AT))


async def test_a_round_that_is_rolled_back_leaves_nothing(store: Stores) -> None:
    """Whatever broke it: the next one finds everything as it was."""
    await store.hold(1)
    stored = made(ME)
    async with broken(store) as round_:
        await round_.fence([FenceRow(1, 1, 0, 5, AT)])
        await round_.claim({name("x"): "k"})
        await round_.save_states(domain(), {"k": tally("k", 1)})
        await round_.add_outcomes([row_of(stored)])
        await round_.add_events([event(stored, 0)])
        await round_.add_dead_letters([letter(None)])
    assert await store.checkpoint(1) == (0, None)
    assert await store.claims() == {}
    assert await states(store, "k") == {}
    assert await store.outcomes.read([stored.outcome.command_id]) == []
    assert await store.recorded("events") == await store.recorded("dead_letters") == []
    assert await fence(store, FenceRow(1, 1, 0, 5, AT)) == {1}


async def test_nobody_sees_a_round_before_it_is_committed(store: Stores) -> None:
    """Then all of it at once."""
    stored = made(ME)
    async with store.rounds.transaction() as round_:
        await round_.save_states(domain(), {"k": tally("k", 1)})
        await round_.add_outcomes([row_of(stored)])
        assert await states(store, "k") == {}
        assert await store.outcomes.read([stored.outcome.command_id]) == []
    assert await store.outcomes.read([stored.outcome.command_id]) == [stored]
    assert (await states(store, "k")).keys() == {"k"}


async def test_an_outcome_is_read_as_it_was_written(store: Stores) -> None:
    """Byte for byte, with what only the API may know; what is not there is left out."""
    stored = made(ME, data={"a": [1, None, "ü"]})
    await write(store, stored)
    assert await store.outcomes.read([stored.outcome.command_id, new_command_id()]) == [stored]
    assert await store.outcomes.read([]) == []


async def test_a_command_that_has_an_outcome_is_known_by_its_fingerprint(store: Stores) -> None:
    """So that a repeat is told from another command of the same id."""
    stored, unknown = made(ME), new_command_id()
    await write(store, stored)
    async with store.rounds.transaction() as round_:
        known = await round_.known([stored.outcome.command_id, unknown])
        assert known == {stored.outcome.command_id: stored.fingerprint}
        assert await round_.known([]) == {}
        assert await round_.succeeded([stored.outcome.command_id, unknown]) == {
            stored.outcome.command_id
        }


async def test_a_second_outcome_of_one_command_breaks_its_round_loudly(store: Stores) -> None:
    """Rolled back for certain, with the state that says why."""
    stored, innocent = made(ME), made(ME)
    await write(store, stored)
    with pytest.raises(RoundFailed) as raised:
        await write(store, innocent, stored)
    assert (raised.value.certain, raised.value.sqlstate) == (True, "23505")
    assert await store.outcomes.read([innocent.outcome.command_id]) == []


async def test_states_are_saved_replaced_and_removed(store: Stores) -> None:
    """Each key by itself; one that has none is left out."""
    async with store.rounds.transaction() as round_:
        await round_.save_states(domain(), {"a": tally("a", 1), "b": tally("b", 1)})
    async with store.rounds.transaction() as round_:
        await round_.save_states(domain(), {"a": tally("a", 2), "b": None, "c": None})
    found = await states(store, "a", "b", "c")
    assert found == {"a": msgspec.json.decode(tally("a", 2), type=domain().state)}


async def test_a_claim_is_its_first_keys_until_that_gives_it_up(store: Stores) -> None:
    """A taken value is no error; handed on, it is the other key's."""
    assert await claim(store, {name("x"): "a", name("y"): "a"}) == {name("x"), name("y")}
    assert await claim(store, {name("x"): "b", name("z"): "b"}) == {name("z")}
    async with store.rounds.transaction() as round_:
        held = await round_.load_claims([("tally", "a"), ("other", "b")])
        assert held == {name("x"): "a", name("y"): "a"}
        await round_.settle_claims({name("x"): "b", name("y"): None})
    assert await store.claims() == {name("x"): "b", name("z"): "b"}
    assert await claim(store, {name("y"): "c"}) == {name("y")}


async def test_a_claim_that_is_not_committed_is_waited_for(store: Stores) -> None:
    """Who comes second gets it if the first is rolled back, and not if it is committed."""
    for first_round, left in ((broken(store), {name("x")}), (store.rounds.transaction(), set())):
        async with first_round as first:
            assert await first.claim({name("x"): "a"}) == {name("x")}
            second = asyncio.create_task(claim(store, {name("x"): "b"}))
            assert not await _ends(second)
        assert await second == left
        async with store.rounds.transaction() as round_:
            await round_.settle_claims({name("x"): None})


async def test_a_claim_that_is_being_given_up_is_waited_for(store: Stores) -> None:
    """It is free once that is committed."""
    await claim(store, {name("x"): "a"})
    async with store.rounds.transaction() as first:
        await first.settle_claims({name("x"): None})
        second = asyncio.create_task(claim(store, {name("x"): "b"}))
        assert not await _ends(second)
    assert await second == {name("x")}
    assert await store.claims() == {name("x"): "b"}


async def test_rounds_that_want_the_same_claims_never_stop_each_other(store: Stores) -> None:
    """Whatever order they ask in: one of them has each in the end."""
    values = [name(value) for value in "abcdef"]
    asked = [dict.fromkeys(order, key) for key, order in (("k", values), ("l", values[::-1]))]
    async with asyncio.timeout(SECONDS):
        async with broken(store) as third:
            await third.claim({name("c"): "m"})
            both = [asyncio.create_task(claim(store, one)) for one in asked]
            assert not await _ends(both[0])
            assert not await _ends(both[1])
        won = await asyncio.gather(*both)
    assert won[0] | won[1] == set(values)
    assert not won[0] & won[1]


async def test_events_and_dead_letters_are_kept_as_they_are(store: Stores) -> None:
    """For whoever looks into them later."""
    stored = made(ME)
    events = [event(stored, 0), event(stored, 1)]
    letters = [letter(stored.outcome.command_id), letter(None)]
    async with store.rounds.transaction() as round_:
        await round_.add_events(events)
        await round_.add_dead_letters(letters)
        await round_.add_events([])
    assert await store.recorded("events") == [tuple(row) for row in events]
    assert await store.recorded("dead_letters") == [tuple(row) for row in letters]


async def test_the_sweep_finds_what_was_committed_since_it_looked(store: Stores) -> None:
    """From the horizon of the sweep before, each with its owner; repeats do no harm."""
    before = await store.outcomes.look()
    mine, others = made(ME), made(OTHER)
    await write(store, mine)
    await write(store, others)
    (placed,) = await store.outcomes.own_since(OTHER, *OLDEST, 10)
    page = await store.outcomes.since(before)
    assert page.look.horizon >= before.horizon
    assert page.found == [(mine.outcome.command_id, ME), (others.outcome.command_id, OTHER)]
    assert page.last is None
    await past(store, placed.xid)
    assert (await store.outcomes.since(page.look)).found == []


async def test_a_slow_round_is_not_swept_past(store: Stores) -> None:
    """It began early and commits late: the horizon stays where it is until then.

    What was found meanwhile is not found again, however long that takes.
    """
    before = await store.outcomes.look()
    slow, quick = made(ME), made(ME)
    async with store.rounds.transaction() as round_:
        await round_.add_outcomes([row_of(slow)])
        await write(store, quick)
        page = await store.outcomes.since(before)
        assert [found[0] for found in page.found] == [quick.outcome.command_id]
        assert (await store.outcomes.look()).horizon == page.look.horizon
        bounds = await store.outcomes.bounds()
        assert bounds.oldest_running == page.look.horizon < bounds.next_xid
        assert (await store.outcomes.since(page.look)).found == []
        between = made(ME)
        await write(store, between)
    later = await store.outcomes.since(page.look)
    assert later.found == [(one.outcome.command_id, ME) for one in (slow, between)]
    own = await store.outcomes.own_since(ME, *OLDEST, 10)
    assert [placed.stored for placed in own] == [slow, quick, between]
    assert own[-1].xid < (await store.outcomes.bounds()).next_xid
    await past(store, page.look.horizon)


async def test_a_round_that_was_rolled_back_holds_nothing_up(store: Stores) -> None:
    """The horizon goes on."""
    before = await store.outcomes.look()
    async with broken(store) as round_:
        await round_.add_outcomes([row_of(made(ME))])
    await past(store, before.horizon)
    assert (await store.outcomes.since(before)).found == []


async def test_where_the_store_is_can_be_asked(store: Stores) -> None:
    """What is committed lies below the next transaction; none of it is running."""
    await write(store, made(ME))
    (placed,) = await store.outcomes.own_since(ME, *OLDEST, 10)
    await past(store, placed.xid)
    bounds = await store.outcomes.bounds()
    assert placed.xid < bounds.oldest_running <= bounds.next_xid
    assert bounds.timeline == 1


async def test_a_sweep_of_many_comes_in_pages(
    store: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, in one order, the last page known as such."""
    monkeypatch.setattr("homing.storage.outcomes.PAGE", 3)
    before = await store.outcomes.look()
    stored = [made(ME) for _ in range(7)]
    await write(store, *stored[3::-1])
    await write(store, *stored[4:])
    found, page = [], await store.outcomes.since(before)
    while page.last is not None:
        assert len(page.found) == 3
        found += page.found
        page = await store.outcomes.since(before, page.last)
    found += page.found
    assert found == [
        (command_id, ME)
        for part in (stored[:4], stored[4:])
        for command_id in sorted(one.outcome.command_id for one in part)
    ]


async def test_ones_own_outcomes_are_read_forwards_and_backwards(store: Stores) -> None:
    """From any of them on; another owner's never."""
    stored = [made(ME) for _ in range(5)]
    for one in stored:
        await write(store, one)
        await write(store, made(OTHER))
    forwards = await store.outcomes.own_since(ME, *OLDEST, 10)
    assert [placed.stored for placed in forwards] == stored
    backwards = await store.outcomes.own_before(ME, *NEWEST, 10)
    assert backwards == forwards[::-1]
    middle = (forwards[2].xid, stored[2].outcome.command_id)
    assert await store.outcomes.own_since(ME, *middle, 1) == [forwards[3]]
    assert await store.outcomes.own_before(ME, *middle, 1) == [forwards[1]]


async def _ends(task: asyncio.Task[Any]) -> bool:
    """Whether it ends within a moment: it should wait, which can only be seen by waiting."""
    done, _ = await asyncio.wait([task], timeout=0.1)
    return bool(done)


def event(stored: Stored, ordinal: int) -> EventRow:
    """One of a command's events."""
    return EventRow(
        stored.outcome.command_id, ordinal, "tally", "Added", "k", '{"a": "ü"}', 1, 2, 3
    )


def letter(command_id: str | None) -> DeadLetterRow:
    """A dead letter."""
    return DeadLetterRow(1, 2, 3, command_id, "subject", "{}", b"\x00\xff", "reason", "trace")
