"""Claims on a real Postgres: reactors that race for the same few names."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest

from homing.claims import Claim
from homing.envelope import Envelope
from homing.outcome import Outcome
from homing.storage import Rounds
from support.applying import Reactor, command, open_database, reactors, register
from support.place import Place

NAMES = ["alm", "birk", "cham", "damm", "ems"]


def ended(outcome: Outcome) -> str:
    """`succeeded`, or why not."""
    return outcome.error.type if outcome.error else outcome.status


def ends(outcomes: list[Outcome]) -> list[str]:
    """How each ended."""
    return [ended(outcome) for outcome in outcomes]


def registered(reactor: Reactor, name: str) -> Envelope:
    """A place of this name in a partition of this reactor."""
    while True:
        if reactor.holds((made := register(name)).key):
            return made


async def held(place: Place) -> dict[str, str]:
    """Name to key, as claimed."""
    rows = await place.rows("SELECT value, key FROM homing.claims")
    return {row[0]: row[1] for row in rows}


async def check(place: Place) -> None:
    """Claimed is exactly what the places on the map are called."""
    rows = await place.rows(
        "SELECT lower(name), location_id FROM locations.locations WHERE closed_at IS NULL"
    )
    assert len({row[0] for row in rows}) == len(rows), "two places have the same name"
    assert await held(place) == {row[0]: row[1] for row in rows}


async def test_a_taken_name_is_rejected_at_the_field_and_a_closed_places_name_is_free(
    place: Place,
) -> None:
    """Across rounds, whatever the case."""
    async with reactors(place, 1) as [reactor]:
        first, second, third = register("Ulm"), register("ULM"), register("ulm")
        assert ends(await reactor.apply(first)) == ["succeeded"]
        [lost] = await reactor.apply(second)
        assert lost.status == "rejected"
        assert lost.error is not None
        assert lost.error.fields == {"name": "This name is taken."}
        assert ends(await reactor.apply(command("close", first.key))) == ["succeeded"]
        assert ends(await reactor.apply(third)) == ["succeeded"]
        assert await held(place) == {"ulm": third.key}
        await check(place)


async def test_within_a_round_names_pass_on_in_the_order_of_the_stream(place: Place) -> None:
    """Closing frees a name for who comes after, not for who came before."""
    async with reactors(place, 1) as [reactor]:
        first, early, late = register("Ulm"), register("Ulm"), register("Ulm")
        close = command("close", first.key)
        assert ends(await reactor.apply(first, early, close, late)) == [
            "succeeded",
            "taken",
            "succeeded",
            "succeeded",
        ]
        again = register("Ulm")
        assert ends(await reactor.apply(command("close", late.key), again)) == ["succeeded"] * 2
        assert await held(place) == {"ulm": again.key}
        await check(place)


async def test_a_key_goes_from_name_to_name_and_back_in_one_round(place: Place) -> None:
    """Also through a taken one, which is a rejection of that step alone."""
    async with reactors(place, 2) as [reactor, other]:
        mine, theirs = registered(reactor, "x"), registered(other, "y")
        await other.apply(theirs)
        await reactor.apply(mine)
        back = [command("rename", mine.key, name=name) for name in ("z", "x", "y", "v", "x")]
        assert ends(await reactor.apply(*back)) == [
            "succeeded", "succeeded", "taken", "succeeded", "succeeded",
        ]  # fmt: skip
        assert await held(place) == {"x": mine.key, "y": theirs.key}
        await check(place)


async def test_a_swap_of_two_reactors_is_refused_to_both_and_nobody_waits_for_ever(
    place: Place,
) -> None:
    """Each wants what the other has; a hundred times over."""
    async with reactors(place, 2) as [left, right]:
        a, b = registered(left, "x"), registered(right, "y")
        await left.apply(a)
        await right.apply(b)
        for _ in range(100):
            both = await asyncio.gather(
                left.apply(command("rename", a.key, name="y")),
                right.apply(command("rename", b.key, name="x")),
            )
            assert [ends(outcomes) for outcomes in both] == [["taken"], ["taken"]]
        await check(place)


async def test_of_reactors_that_race_for_a_name_exactly_one_wins(place: Place) -> None:
    """A hundred times, three names at once, asked for in another order by each."""
    async with reactors(place, 4) as racing:
        for _ in range(100):
            names = [random.sample(NAMES[:3], 3) for _ in racing]
            commands = [
                [registered(reactor, name) for name in mine]
                for reactor, mine in zip(racing, names, strict=True)
            ]
            raced = [r.apply(*mine) for r, mine in zip(racing, commands, strict=True)]
            outcomes = [outcome for mine in await asyncio.gather(*raced) for outcome in mine]
            assert Counter(map(ended, outcomes)) == {"succeeded": 3, "taken": 9}
            await check(place)
            closes = [command("close", one.key) for one in outcomes if one.status == "succeeded"]
            for reactor in racing:
                await reactor.apply(*(made for made in closes if reactor.holds(made.key)))
        assert await held(place) == {}


def _is_gone(outcome: Outcome) -> bool:
    """Whether a place is not on the map after this, or never was."""
    verb = {"succeeded": "locations.close", "rejected": "locations.register"}[outcome.status]
    return outcome.type == verb


class Player:
    """Sends a reactor random commands, to places of its own."""

    def __init__(self, reactor: Reactor, seed: int) -> None:
        self._reactor = reactor
        self._random = random.Random(seed)
        self._keys: list[str] = []
        self.ends: Counter[str] = Counter()

    async def play(self, rounds: int) -> None:
        """Rounds of some commands each."""
        for _ in range(rounds):
            commands = [self._command() for _ in range(self._random.randint(1, 8))]
            outcomes = await self._reactor.apply(*commands)
            self.ends.update(ends(outcomes))
            gone = {one.key for one in outcomes if _is_gone(one)}
            self._keys = [key for key in self._keys if key not in gone]

    def _command(self) -> Envelope:
        name, chance = self._random.choice(NAMES), self._random.random()
        if not self._keys or chance < 0.4:
            made = registered(self._reactor, name)
            self._keys.append(made.key)
            return made
        key = self._random.choice(self._keys)
        if chance < 0.8:
            return command("rename", key, name=name)
        return command("close", key)


async def test_hundreds_of_rounds_race_for_five_names_without_a_deadlock(place: Place) -> None:
    """Any error of Postgres, a deadlock (40P01) above all, would fail this test."""
    async with reactors(place, 4) as racing:
        players = [Player(reactor, seed) for seed, reactor in enumerate(racing)]
        await asyncio.gather(*(player.play(150) for player in players))
        counted = sum((player.ends for player in players), Counter[str]())
        assert counted["succeeded"] > 100
        assert counted["taken"] > 100
        assert "domain-error" not in counted
        await check(place)
        [[total]] = await place.rows("SELECT count(*) FROM homing.outcomes")
        assert total == counted.total()


Finish = Callable[[asyncpg.Connection], Awaitable[str]]


async def rolled_back(connection: asyncpg.Connection) -> str:
    """The other one failed."""
    await connection.execute("ROLLBACK")
    return "succeeded"


async def committed(connection: asyncpg.Connection) -> str:
    """The other one won."""
    await connection.execute("COMMIT")
    return "taken"


async def given_up(connection: asyncpg.Connection) -> str:
    """The other one won it and gave it up in the same round."""
    await connection.execute("DELETE FROM homing.claims WHERE value = 'ulm'")
    await connection.execute("COMMIT")
    return "succeeded"


@pytest.mark.parametrize("finish", [rolled_back, committed, given_up])
async def test_a_round_waits_for_whoever_claims_the_same_and_then_knows(
    place: Place, finish: Finish
) -> None:
    """It is neither rejected for a claim that is not committed, nor does it overlook one."""
    other = await asyncpg.connect(place.postgres_url("homing_reactor"))
    async with reactors(place, 1) as [reactor]:
        await other.execute("BEGIN")
        await other.execute("INSERT INTO homing.claims VALUES ('locations', 'name', 'ulm', 'o')")
        applying = asyncio.create_task(reactor.apply(register("Ulm")))
        await waiting(place)
        expected = await finish(other)
        assert ends(await applying) == [expected]
    await other.close()


async def test_a_name_that_is_being_given_up_is_waited_for(place: Place) -> None:
    """Until that round is committed; then it is free."""
    other = await asyncpg.connect(place.postgres_url("homing_reactor"))
    async with reactors(place, 1) as [reactor]:
        await other.execute("INSERT INTO homing.claims VALUES ('locations', 'name', 'ulm', 'o')")
        await other.execute("BEGIN")
        await other.execute("DELETE FROM homing.claims WHERE value = 'ulm'")
        applying = asyncio.create_task(reactor.apply(register("Ulm")))
        await waiting(place)
        await other.execute("COMMIT")
        assert ends(await applying) == ["succeeded"]
    await other.close()
    await check(place)


async def waiting(place: Place) -> None:
    """Until a statement on claims waits for a lock."""
    sql = """SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
             AND datname = current_database() AND query LIKE '%INTO homing.claims%'"""
    async with asyncio.timeout(5):
        while not await place.rows(sql):  # noqa: ASYNC110  # Postgres tells nobody of it
            await asyncio.sleep(0.01)


async def test_what_cannot_be_foreseen_leaves_nothing_behind_and_then_gets_on(
    place: Place,
) -> None:
    """A second registration of a key asks for its name only because the first one lost."""
    async with reactors(place, 2) as [reactor, other]:
        theirs, first = registered(other, "x"), registered(reactor, "x")
        await other.apply(theirs)
        second = msgspec.structs.replace(register("y"), key=first.key)
        aside = registered(reactor, "z")
        outcomes = await reactor.apply(aside, first, second)
        assert ends(outcomes) == ["succeeded", "taken", "succeeded"]
        assert reactor.unforeseen
        assert await held(place) == {"x": theirs.key, "y": first.key, "z": aside.key}
        await check(place)


async def test_only_reactors_may_touch_claims_and_never_change_a_value(place: Place) -> None:
    """The API has no business with them."""
    api = await asyncpg.connect(place.postgres_url("homing_api"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await api.fetch("SELECT * FROM homing.claims")
    await api.close()
    reactor = await asyncpg.connect(place.postgres_url("homing_reactor"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reactor.execute("UPDATE homing.claims SET value = 'x'")
    await reactor.close()


async def test_claims_of_many_bytes_are_kept(place: Place) -> None:
    """The longest that a domain may ask for fits the unique index."""
    database = await open_database(place)
    longest = Claim("d" * 41, "n" * 63, "\U00010400" * 600)
    async with Rounds(database).transaction() as transaction:
        assert await transaction.claim({longest: "k"}) == {longest}
        assert await transaction.load_claims([(longest.domain, "k")]) == {longest: "k"}
        await transaction.settle_claims({longest: None})
    await database.close()
    assert await held(place) == {}
