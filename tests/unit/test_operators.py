"""What operators see, and under which names, as far as it needs no server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from homing.errors import StorageUnavailable
from homing.hosts import is_host, known_host
from homing.lag import Lag
from homing.storage.outcomes import Look
from homing.storage.sight import LetterSeen, OutcomeSeen, PartitionSeen, ReactorSeen, Sight, Status
from homing_api import streams
from homing_api.operators import watching
from homing_api.operators.guarding import Guard
from homing_api.operators.rates import Rates
from homing_api.operators.state import changes
from homing_api.operators.watching import Watcher
from homing_api.problems import Problem
from support.sse import Event, Parser
from support.waiting import until

START = datetime(2030, 1, 1, tzinfo=UTC)
FAILED = "01890000-0000-7000-8000-000000000001"


class Sights:
    """Says what it is told to, and counts."""

    def __init__(self) -> None:
        self.looks = 0
        self.away = False
        self.asked: Sequence[str] = ()
        self.befores: list[Look | None] = []
        self.holder = "one"
        self.replays = 0
        self.ended: dict[Status, int] = {}

    async def look(self, before: Look | None, asked: Sequence[str]) -> Sight:
        self.looks += 1
        self.asked = asked
        self.befores.append(before)
        if self.away:
            raise StorageUnavailable("gone")
        return Sight(
            look=Look(self.looks, self.looks, ()),
            reactors=(ReactorSeen("one", 0.5),),
            partitions=tuple(
                PartitionSeen(n, self.holder if n else "one", 1, 0, 0, None) for n in range(3)
            ),
            outcomes=(),
            letters=(LetterSeen(1, FAILED, "t.x", "k", "domain-error", 0, 1, START, self.replays),),
            letters_open=1,
            ended=self.ended if before else None,
            known=dict.fromkeys(asked, "failed"),
        )


def watcher(sights: Sights) -> Watcher:
    """One whose lag is unknown, as nothing measures it."""
    return Watcher(sights, Lag(), lease_seconds=3.0, writable=True)


async def told(stream: object, count: int) -> list[Event]:
    """The next events of a stream."""
    parser, found = Parser(), []
    async for piece in stream:  # type: ignore[attr-defined]
        found += parser.feed(piece)
        if len(found) >= count:
            return found
    return found


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:9000", True), ("[::1]:9000", True), ("localhost", True), ("LOCALHOST:1", True),
        ("homing-web", True), ("homing-api-internal.ns.svc", True), ("a.svc.cluster.local.", True),
        ("desk.example", True), ("Desk.Example:443", True), ("evil.example", False),
        ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("", False),
        ("evil.example:9000", False), ("svc.evil.example", False), ("1.2.3.4.5", False),
    ],
)  # fmt: skip
def test_names_that_anybody_can_register_are_not_ours(host: str, known: bool) -> None:
    """Addresses, names without a dot, those of a cluster, and those that are listed."""
    assert known_host(host, "other.example, desk.example") is known


@pytest.mark.parametrize(
    ("host", "valid"),
    [
        ("localhost", True), ("a.example:8080", True), ("a_b-c.example.", True), ("a:", True),
        ("127.0.0.1:9000", True), ("[::1]", True), ("[::ffff:1.2.3.4]:80", True),
        ("xn--zrich-kva.example", True), ("a%20b", True), ("a b", False), ("a/b", False),
        ("", False), (":80", False), ("a:b", False), ("a:1:2", False), ("a,b", True),
        ("me@a", False), ("[::1", False), ("[::1]x", False), ("[a b]", False), ("a%2", False),
        ("z\xfcrich", False), ("a?b", False), ("a#b", False), ("a\\b", False), ("a\tb", False),
    ],
)  # fmt: skip
def test_a_host_is_what_a_url_can_have(host: str, valid: bool) -> None:
    """A name or an address, with a port or without (RFC 3986, section 3.2.2)."""
    assert is_host(host) is valid


def test_the_token_is_compared_as_a_whole() -> None:
    """Neither a part of it, nor more, nor another scheme."""
    guard = Guard("t" * 16, "")
    guard.authorized("Bearer " + "t" * 16)
    guard.authorized("bearer " + "t" * 16)
    for said in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer " + "t" * 15,
        "Bearer " + "t" * 17,
        "t" * 16,
    ):
        with pytest.raises(Problem) as refused:
            guard.authorized(said)
        assert refused.value.document.status == 401


def test_rates_are_averages_of_the_last_seconds() -> None:
    """Unknown at first; the stream's own count for what is accepted, the outcomes for the rest."""
    rates = Rates()
    rates.ended(0.0, {})
    rates.accepted(START, 100)
    assert set(msgspec.structs.astuple(rates.shown())) == {None}
    for second in range(1, 21):
        rates.ended(float(second), {"succeeded": 3, "failed": 1} if second > 10 else {})
        rates.accepted(START + timedelta(seconds=second), 100 + 5 * second)
        rates.accepted(START + timedelta(seconds=second), 0)  # measured once, asked twice
    assert msgspec.structs.astuple(rates.shown()) == (5.0, 3.0, 0.0, 1.0)


async def test_the_whole_comes_first_and_then_what_has_changed() -> None:
    """Of partitions only those that moved; of a replay, what became of it."""
    sights = Sights()
    sights.replays = 1
    one = watcher(sights)
    running = asyncio.create_task(one.run())
    async with aclosing(one.stream()) as stream:  # type: ignore[type-var]
        (first,) = await told(stream, 1)
        assert (first.type, len(first.json["partitions"])) == ("state", 3)
        assert first.json["letters"][0]["replay"] == "failed"
        assert first.json["lag_unknown"]
        sights.holder = "two"
        (second,) = await told(stream, 1)
        assert second.type == "changes"
        assert [p["partition"] for p in second.json["partitions"]] == [1, 2]
        assert "reactors" not in second.json
        assert "letters" not in second.json
        sights.away = True
        (third,) = await told(stream, 1)
        assert (third.type, "gone" in third.json["detail"]) == ("unavailable", True)
        sights.away = False
        (fourth,) = await told(stream, 1)
        assert fourth.type == "changes"
    assert one.viewers == 0
    looked = sights.looks
    await asyncio.sleep(watching.PACE_SECONDS * 1.5)
    assert sights.looks == looked
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_reader_that_takes_nothing_is_cut_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on; its place is free again."""
    monkeypatch.setattr(streams, "STUCK_SECONDS", 0.5)
    sights = Sights()
    one = watcher(sights)
    running = asyncio.create_task(one.run())

    async def stuck() -> None:
        async with aclosing(one.stream()) as stream:  # type: ignore[type-var]
            async for _ in stream:
                await asyncio.Event().wait()

    taken = Counter[str]()

    async def brisk() -> None:
        async with aclosing(one.stream()) as stream:  # type: ignore[type-var]
            async for _ in stream:
                taken["pieces"] += 1

    slow, quick = asyncio.create_task(stuck()), asyncio.create_task(brisk())
    await until(slow.done, 10)
    assert slow.cancelled()
    before = taken["pieces"]
    await until(lambda: taken["pieces"] > before + 1)
    assert one.viewers == 1
    for task in (quick, running):
        task.cancel()
    await asyncio.gather(quick, running, return_exceptions=True)


async def test_there_is_room_for_so_many_and_none_while_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who finds none is told to come again; at the end of the process all are."""
    monkeypatch.setattr(watching, "VIEWERS_MAX", 1)
    one = watcher(Sights())
    async with aclosing(one.stream()) as first:  # type: ignore[type-var]
        await anext(first)
        parser = Parser()
        refused = [event async for piece in one.stream() for event in parser.feed(piece)]
        assert parser.retry is not None
        assert [(event.type, "as many as may" in event.json["detail"]) for event in refused] == [
            ("unavailable", True)
        ]
        one.end()
        rest = [piece async for piece in first]
        assert rest[-1].startswith(b"retry:")


async def test_after_a_pause_rates_begin_anew() -> None:
    """An old look is no beginning: all that came since would count as a moment's."""
    sights = Sights()
    one = watcher(sights)
    await one.state()
    one._looked_at -= watching.FORGET_SECONDS
    state = await one.state()
    assert sights.befores == [None, None]
    assert state.rates.succeeded is None


async def test_what_became_of_a_new_replay_is_asked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever looks now and then is told what there is now, and not what was asked for before."""
    monkeypatch.setattr(watching, "PACE_SECONDS", 0.0)
    sights = Sights()
    one = watcher(sights)
    for replays, looks in ((0, 1), (1, 3), (1, 4), (2, 6)):
        sights.replays = replays
        (letter,) = (await one.state()).letters
        assert (letter.replay, sights.looks) == ("failed" if replays else None, looks)


async def test_many_who_ask_at_once_share_a_look() -> None:
    """The state by JSON is bounded like the streams are."""
    sights = Sights()
    one = watcher(sights)
    states = await asyncio.gather(*(one.state() for _ in range(20)))
    assert sights.looks == 1
    assert all(state is states[0] for state in states)
    assert changes(states[0], states[1]) == {}


def test_what_is_shown_of_outcomes_and_letters_holds_no_payload() -> None:
    """By its very fields: whoever adds one has to think of this."""
    assert set(OutcomeSeen.__struct_fields__) == {
        "command_id", "type", "key", "status", "partition", "recorded_at", "took_ms", "error",
    }  # fmt: skip
    assert set(LetterSeen.__struct_fields__) == {
        "id", "command_id", "type", "key", "reason", "partition", "sequence", "recorded_at",
        "replays",
    }  # fmt: skip


def test_what_comes_while_the_stream_cannot_be_asked_is_no_rate() -> None:
    """Unknown at once, and not the last figure for ever; afterwards it begins anew."""
    rates = Rates()
    for second, sequence in enumerate((10, 20)):
        rates.accepted(START + timedelta(seconds=second), sequence)
    assert rates.shown().accepted == 10.0
    rates.accepted_unknown()
    assert rates.shown().accepted is None
    rates.accepted(START + timedelta(seconds=60), 9000)
    assert rates.shown().accepted is None
    rates.accepted(START + timedelta(seconds=61), 9007)
    assert rates.shown().accepted == 7.0
