"""Lost, doubled, late or in any order: announcements never change what a client gets.

Hub and sweep are the API's own, the store is the double of the contract suite, with transactions
that overlap as the examples say.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.outcome import CommandId, OwnerToken, Stored
from homing.testing.memory_store import MemoryStore
from homing_api.hub import Hub
from homing_api.sweeping import Sweeper
from support.rows import announcement, made, row_of, somebody

OWNERS = somebody("one"), somebody("two")
COMMANDS = 6
KINDS = ("write", "write", "commit", "commit", "announce", "announce", "wait", "feed", "sweep")
ACTIONS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, COMMANDS - 1)), min_size=20, max_size=60
)


class Api:
    """One replica, its clients, and the store behind it."""

    def __init__(self, store: MemoryStore, hub: Hub, sweeper: Sweeper) -> None:
        self._store = store
        self._hub = hub
        self._sweeper = sweeper
        self.outcomes = [made(OWNERS[number % 2]) for number in range(COMMANDS)]
        self.committed: set[int] = set()
        self.awaited: list[tuple[int, list[Stored]]] = []
        self.fed: list[tuple[OwnerToken, set[int], list[Stored]]] = []
        """Whose, what was committed before, and what was told."""
        self._writing: dict[int, AsyncExitStack] = {}
        self._waiting = AsyncExitStack()

    async def act(self, kind: str, number: int) -> None:
        """Let something happen to an outcome or its owner."""
        stored = self.outcomes[number]
        match kind:
            case "write" if number not in self._writing:
                self._writing[number] = stack = AsyncExitStack()
                transaction = await stack.enter_async_context(self._store.transaction())
                await transaction.add_outcomes([row_of(stored)])
            case "commit" if number in self._writing and number not in self.committed:
                await self._writing[number].aclose()
                self.committed.add(number)
            case "announce" if number in self.committed:
                self._hub.announced(stored.owner, stored.outcome.command_id, announcement(stored))
            case "wait":
                self._wait(number)
            case "feed":
                heard: list[Stored] = []
                self.fed.append((stored.owner, set(self.committed), heard))
                self._waiting.enter_context(self._hub.feeding(stored.owner, heard.append))
            case "sweep":
                await self._sweeper.sweep()
        await asyncio.sleep(0)

    def _wait(self, number: int) -> None:
        """For an outcome of one's own; and somebody else asks for it as well."""
        stored = self.outcomes[number]
        (stranger,) = set(OWNERS) - {stored.owner}
        for owner in (stored.owner, stranger):
            heard: list[Stored] = []
            if owner == stored.owner:
                self.awaited.append((number, heard))
            else:
                self.fed.append((owner, set(range(COMMANDS)), heard))
            self._waiting.enter_context(
                self._hub.awaiting(
                    owner, CommandId(stored.outcome.command_id), heard.append, read=True
                )
            )

    async def end(self) -> None:
        """Commit what is open, and sweep a last time."""
        for number in range(COMMANDS):
            await self.act("write", number)
            await self.act("commit", number)
        await self.act("sweep", 0)
        for _ in range(5):
            await asyncio.sleep(0)
        await self._waiting.aclose()


@settings(max_examples=150)
@given(ACTIONS)
async def test_everybody_is_told_once_of_their_own(actions: list[tuple[str, int]]) -> None:
    """Who waits for a command hears it once; a feed hears once what was committed since it began.

    What was committed before may be told as well, once. Nobody hears another owner's.
    """
    store = MemoryStore(1)
    hub = Hub(store.read)
    api = Api(store, hub, Sweeper(hub, store, await store.look()))
    reading = asyncio.create_task(hub.read_stored())
    try:
        for kind, number in actions:
            await api.act(kind, number)
        await api.end()
    finally:
        reading.cancel()
    ids = [stored.outcome.command_id for stored in api.outcomes]
    for number, heard in api.awaited:
        assert [stored.outcome.command_id for stored in heard] == [ids[number]]
    for owner, before, heard in api.fed:
        assert {stored.owner for stored in heard} <= {owner}
        told = Counter(stored.outcome.command_id for stored in heard)
        own = {n for n, stored in enumerate(api.outcomes) if stored.owner == owner}
        assert {ids[number] for number in own - before} <= told.keys()
        assert set(told.values()) <= {1}
