"""The doubles and the real servers, driven side by side: whatever is done, both answer the same.

The contract suite says what each has to do; here the steps and their order are searched for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contract.stores import PARTITIONS, Stores, memory_store, real_store
from homing.claims import Claim
from homing.outcome import Stored
from homing.registry import load
from homing.storage import NIL, FenceRow, Look, RoundFailed, RoundStatements
from support.place import Place
from support.rows import made, row_of, somebody

AT = datetime(2026, 1, 1, tzinfo=UTC)
OWNERS = somebody("one"), somebody("two")
TALLY = load().domains["tally"]
EMPTY = """
TRUNCATE homing.outcomes, homing.claims, homing.events, homing.dead_letters, tally.tallies;
UPDATE homing.partitions SET epoch = 0, checkpoint = 0, checkpoint_at = NULL;
"""
NUMBERS = st.integers(0, 2)
KEYS = st.sampled_from("abc")
CLAIMS = st.dictionaries(st.sampled_from("xyz").map(lambda v: Claim("tally", "name", v)), KEYS)


# On real servers it would take longer to shorten what was found than to read it.
BOUNDED = settings(max_examples=10, stateful_step_count=25, phases=(Phase.explicit, Phase.generate))


class Undone(Exception):
    """A round is rolled back on purpose."""


@dataclass
class Round:
    """What a round does, in the order of its statements."""

    fences: list[FenceRow]
    claims: dict[Claim, str]
    states: dict[str, int | None]
    outcomes: list[Stored]
    given_up: dict[Claim, str | None]

    async def run(self, round_: RoundStatements) -> Any:
        """What it was told on the way."""
        ours = await round_.fence(self.fences)
        known = await round_.known([one.outcome.command_id for one in self.outcomes])
        states = await round_.load_states(TALLY, list("abc"))
        held = await round_.load_claims([("tally", key) for key in "abc"])
        won = await round_.claim(self.claims)
        rows = {key: _tally(key, count) for key, count in self.states.items()}
        await round_.save_states(TALLY, rows)
        await round_.add_outcomes([row_of(one) for one in self.outcomes])
        mine = {claim: key for claim, key in self.given_up.items() if claim in held}
        await round_.settle_claims(mine)
        return ours, known, states, held, won


def _tally(key: str, count: int | None) -> msgspec.Raw | None:
    if count is None:
        return None
    state = {"tally_id": key, "count": count, "total": count, "last": count}
    return msgspec.Raw(msgspec.json.encode(state))


class Machine(RuleBasedStateMachine):
    """Both stores, and what is known of them."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self._slow: AsyncExitStack | None = None
        self._written: list[Stored] = []

    @initialize()
    def empty(self) -> None:
        """Both, at the beginning."""

        async def opened() -> list[Stores]:
            await self._place.rows("SELECT 1")
            for statement in EMPTY.strip().split(";\n"):
                await self._place.rows(statement)
            return [
                await self._open.enter_async_context(memory_store()),
                await self._open.enter_async_context(real_store(self._place)),
            ]

        self._stores = self._runner.run(opened())
        self._looks = [self._runner.run(store.outcomes.look()) for store in self._stores]

    def teardown(self) -> None:
        """Look into both a last time, and let go of everything."""
        if self._slow is not None:
            self.finish()
        self.inside()
        self._runner.run(self._open.aclose())
        self._runner.close()

    def both(self, work: Callable[[Stores], Awaitable[Any]]) -> Any:
        """What both answer, which has to be the same."""

        async def answer(store: Stores) -> Any:
            try:
                return await work(store)
            except RoundFailed as error:
                return error.certain, error.sqlstate
            except Undone:
                return "undone"

        memory, real = (self._runner.run(answer(store)) for store in self._stores)
        assert memory == real
        return memory

    @rule(partition=NUMBERS)
    def hold(self, partition: int) -> None:
        """A partition gets a new holder."""
        self.both(lambda store: store.hold(partition))

    @rule(
        fences=st.dictionaries(NUMBERS, st.tuples(NUMBERS, NUMBERS, st.integers(0, 4)), min_size=1),
        claims=CLAIMS,
        states=st.dictionaries(KEYS, st.none() | st.integers(0, 9)),
        owners=st.lists(st.sampled_from(OWNERS), max_size=3),
        given_up=st.dictionaries(
            st.sampled_from("xyz").map(lambda v: Claim("tally", "name", v)), st.none() | KEYS
        ),
        repeated=st.booleans(),
        undone=st.booleans(),
    )
    def round(
        self, fences: dict[int, tuple[int, int, int]], claims: dict[Claim, str],
        states: dict[str, int | None], owners: list[Any], given_up: dict[Claim, str | None],
        repeated: bool, undone: bool,
    ) -> None:  # fmt: skip
        """A round is committed, rolled back, or breaks."""
        rows = [
            FenceRow(partition, epoch, previous, previous + more, AT)
            for partition, (epoch, previous, more) in fences.items()
        ]
        fresh = [made(owner) for owner in owners]
        outcomes = [*fresh, *self._written[-1:]] if repeated else fresh
        # What is claimed and given up in one round is the applier's matter, not the store's.
        settled = {claim: key for claim, key in given_up.items() if claim not in claims}
        this = Round(rows, claims, states, outcomes, settled)

        async def work(store: Stores) -> Any:
            async with store.rounds.transaction() as round_:
                answer = await this.run(round_)
                if undone:
                    raise Undone
            return answer

        if isinstance(self.both(work), tuple) and self._stored(fresh):
            self._written += fresh

    def _stored(self, outcomes: list[Stored]) -> bool:
        ids = [one.outcome.command_id for one in outcomes]
        return bool(self.both(lambda store: _read(store, ids)))

    @precondition(lambda self: self._slow is None)
    @rule(owner=st.sampled_from(OWNERS))
    def begin(self, owner: Any) -> None:
        """A round that goes on while others come and go."""
        self._slow, self._pending = AsyncExitStack(), made(owner)

        async def work(store: Stores) -> None:
            assert self._slow is not None
            round_ = await self._slow.enter_async_context(store.rounds.transaction())
            await round_.add_outcomes([row_of(self._pending)])

        self.both(work)

    @precondition(lambda self: self._slow is not None)
    @rule()
    def finish(self) -> None:
        """It is committed."""
        assert self._slow is not None
        self._runner.run(self._slow.aclose())
        self._slow = None
        self._written.append(self._pending)

    @rule()
    def sweep(self) -> None:
        """What was committed since the last look, in its order; and look again."""
        looks: list[Look] = []

        async def work(store: Stores) -> Any:
            page = await store.outcomes.since(self._looks[self._stores.index(store)])
            looks.append(page.look)
            return page.found

        self.both(work)
        self._looks = looks

    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(1, 3), forwards=st.booleans())
    def page(self, owner: Any, limit: int, forwards: bool) -> None:
        """An owner's outcomes, page by page."""

        async def work(store: Stores) -> list[Stored]:
            place, found = ((0, NIL) if forwards else (2**62, NIL)), list[Stored]()
            while True:
                read = store.outcomes.own_since if forwards else store.outcomes.own_before
                page = await read(owner, *place, limit)
                found += [placed.stored for placed in page]
                if len(page) < limit:
                    return found
                place = (page[-1].xid, page[-1].stored.outcome.command_id)

        self.both(work)

    @rule()
    def inside(self) -> None:
        """Checkpoints, claims and outcomes are the same."""

        async def work(store: Stores) -> Any:
            checkpoints = [await store.checkpoint(number) for number in range(3)]
            ids = [one.outcome.command_id for one in self._written]
            return checkpoints, await store.claims(), await _read(store, ids)

        self.both(work)


async def _read(store: Stores, ids: list[str]) -> Any:
    found = await store.outcomes.read(ids)
    return sorted(found, key=lambda stored: stored.outcome.command_id)


def test_the_stores_answer_alike(place: Place) -> None:
    """Rounds of every kind, overlapping and broken ones too, seen from all sides."""
    assert place.partitions == PARTITIONS
    run_state_machine_as_test(lambda: Machine(place), settings=BOUNDED)  # type: ignore[no-untyped-call]
