"""However often an owner's stream is cut and resumed: it tells all, and nothing of another's.

A client has read a part of what was written when its stream is cut; it comes back with the cursor
of the last event that it has read whole, as browsers do. Transactions overlap, announcements get
lost, sweeps come when they come.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.outcome import OwnerToken
from homing.testing.memory_store import MemoryStore
from homing_api.hub import Hub
from homing_api.streaming import Streaming, Told
from homing_api.streams import Caps, Streams
from homing_api.sweeping import Sweeper
from homing_api.waits import Waits
from support.rows import announcement, made, row_of, somebody
from support.sse import Event, Parser

ME, OTHER = somebody("me"), somebody("other")
MINE, READ_AT_ONCE = 20, 4
KINDS = ("whole", "whole", "whole", "write", "commit", "announce", "sweep", "read", "cut", "cut")
ACTIONS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, MINE - 1)), min_size=30, max_size=80
)


class Client:
    """Reads a stream as slowly as it is told to, and comes back where it was."""

    def __init__(self, streaming: Streaming) -> None:
        self._streaming = streaming
        self._reading: asyncio.Task[None] | None = None
        self._frames: list[bytes] = []
        self.cursor: str | None = None
        self.told: list[Event] = []
        self.resets = 0

    async def open(self) -> None:
        """Come, or come back."""
        self._frames = []
        self._parser = Parser()
        self._reading = asyncio.create_task(self._take(Told(self.cursor, ())))
        await settled()

    async def _take(self, told: Told) -> None:
        async with aclosing(self._streaming.of_owner(ME, told)) as frames:  # type: ignore[type-var]
            async for frame in frames:
                self._frames.append(frame)

    def read(self, count: int) -> None:
        """Read some of what has come."""
        taken, self._frames = self._frames[:count], self._frames[count:]
        for frame in taken:
            for event in self._parser.feed(frame):
                self.resets += event.type == "reset"
                self.told += [event] if event.type == "outcome" else []
            self.cursor = self._parser.last_event_id or self.cursor

    async def cut(self) -> None:
        """What was not read is lost on the way."""
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class World:
    """The store, a replica, the client, and the outcomes that come."""

    def __init__(self, store: MemoryStore, sweeper: Sweeper, hub: Hub, client: Client) -> None:
        self._store = store
        self._sweeper = sweeper
        self._hub = hub
        self.client = client
        owners = [ME] * MINE + [OTHER] * 2
        self.outcomes = [made(OwnerToken(owner)) for owner in owners]
        self._writing: dict[int, AsyncExitStack] = {}
        self._committed: set[int] = set()

    async def act(self, kind: str, number: int) -> None:
        """Let something happen."""
        stored = self.outcomes[number]
        match kind:
            case "write" if number not in self._writing:
                self._writing[number] = stack = AsyncExitStack()
                transaction = await stack.enter_async_context(self._store.transaction())
                await transaction.add_outcomes([row_of(stored)])
            case "commit" if number in self._writing and number not in self._committed:
                await self._writing[number].aclose()
                self._committed.add(number)
            case "whole":
                await self.act("write", number)
                await self.act("commit", number)
            case "announce" if number in self._committed:
                self._hub.announced(stored.owner, stored.outcome.command_id, announcement(stored))
            case "sweep":
                await self._sweeper.sweep()
            case "read":
                self.client.read(1 + number % READ_AT_ONCE)
            case "cut":
                await self.client.cut()
                await self.client.open()
        await settled()

    async def end(self) -> None:
        """Commit what is open, sweep, and let the client read all of it."""
        for number in range(len(self.outcomes)):
            await self.act("whole", number)
        await self.act("sweep", 0)
        self.client.read(1000)
        await self.client.cut()


async def settled() -> None:
    """Let the stream write what it can."""
    for _ in range(6):
        await asyncio.sleep(0)


async def world() -> World:
    """With a client whose stream is open, from before the first outcome."""
    store = MemoryStore(1)
    hub = Hub(store.read)
    sweeper = Sweeper(hub, store, await store.look())
    streams = Streams(Caps(per_owner=10, in_all=10, lifetime_seconds=60))
    client = Client(Streaming(streams, hub, store, sweeper, 1, Waits()))
    await client.open()
    client.read(1000)
    assert client.cursor
    return World(store, sweeper, hub, client)


@settings(max_examples=100)
@given(ACTIONS)
async def test_cuts_and_resumes_lose_nothing(actions: list[tuple[str, int]]) -> None:
    """Each of one's own comes at least once, no stream has to begin anew, no other's comes."""
    one = await world()
    for kind, number in actions:
        await one.act(kind, number)
    await one.end()
    told = {event.json["command_id"] for event in one.client.told}
    assert told == {stored.outcome.command_id for stored in one.outcomes[:MINE]}
    assert one.client.resets == 0
