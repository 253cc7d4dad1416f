"""Every query of every board, against a real Prometheus that scraped a running system.

Commands are accepted before there is a reactor; a slow type and all kinds of trouble are in them.
Then there is load; a second reactor joins, and is killed. What a board says is what was counted.
"""

from __future__ import annotations

import math
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest

from boards.panels import Panel
from support.boards import PANELS, panel, sent
from support.commotion import Commotion, Counted, Running, running
from support.place import Servers, fresh_place
from support.prometheus import Prometheus, Series, running_prometheus
from support.waiting import until
from support.world import client

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(180)]
PARTITIONS = 16
LAG_SECONDS = 12.0
"""So old that the second which a measurement may be old is less than a tenth."""
RATE_SECONDS = 10.0
TENTH = 0.1
MARGIN_SECONDS = 0.5
"""So that what was scraped before anything happened is inside of the time that is asked for."""


@dataclass
class Seen:
    """What happened, and who saw it."""

    prometheus: Prometheus
    counted: Counted
    began: float
    counting: float
    """Since when there is a counter of 202s; what it began with, `rate` does not see."""
    ended: float
    lag: tuple[float, float]
    """What the board said, and how old the first command was then."""
    gap: tuple[float, float]
    """What the board said, and what was accepted by then."""

    @property
    def seconds(self) -> float:
        """From the first scrape to the last."""
        return self.ended - self.began

    async def rose(
        self, title: str, query: int = 0, since: float | None = None
    ) -> dict[str, float]:
        """By how much the counter of a panel rose in all, by the values of its labels."""
        seconds = self.ended - (self.began if since is None else since)
        expr = sent(panel(title).queries[query], seconds, seconds)
        found = await self.prometheus.ask(expr, self.ended)
        factor = seconds if panel(title).kind == "lines" else 1.0
        return {_labels(one): float(one["value"][1]) * factor for one in found}


@pytest.fixture(scope="module")
async def seen(servers: Servers) -> AsyncIterator[Seen]:
    """One running system for all tests of this module."""
    async with (
        fresh_place(servers, PARTITIONS) as place,
        running(place) as system,
        running_prometheus(system.internal) as prometheus,
        client(system.api.url) as me,
    ):
        commotion = Commotion(place, system.web.url, me)
        began = (await prometheus.scraped()).first - MARGIN_SECONDS
        await commotion.without_reactors()
        lag, gap = await _backlog(prometheus, commotion.counted)
        counting = (await prometheus.scraped()).first - MARGIN_SECONDS
        await _with_reactors(system, commotion, prometheus)
        await until(lambda: _nothing_left(prometheus), 30, pause=0.3)
        ended = (await prometheus.scraped()).last
        yield Seen(prometheus, commotion.counted, began, counting, ended, lag, gap)


async def _backlog(
    prometheus: Prometheus, counted: Counted
) -> tuple[tuple[float, float], tuple[float, float]]:
    lag = sent(panel("Oldest unapplied command").queries[0], 1, 1)
    gap = sent(panel("Unapplied commands").queries[0], 1, 1)

    async def old() -> tuple[float, float] | None:
        for one in await prometheus.ask(lag):
            if (said := float(one["value"][1])) > LAG_SECONDS:
                at = await prometheus.value('max(timestamp(homing_lag_seconds{job="homing"}))')
                return said, at - counted.first_at
        return None

    return await until(old, 40, pause=0.2), (await prometheus.value(gap), counted.accepted)


async def _with_reactors(system: Running, commotion: Commotion, prometheus: Prometheus) -> None:
    """One, then two, then one again."""
    first, second = system.reactors

    async def begun() -> bool:
        return bool(await prometheus.ask("homing_commands_applied_total"))

    with commotion.nats_stands_still():
        first.start()
        # Else the backlog is applied before the counters are seen at 0, and no rise of them is.
        await until(begun, 30, pause=0.3)
    await first.ready()
    await commotion.late()
    await commotion.everything()

    async def join() -> None:
        await second.start().ready()
        await until(lambda: _held_by(prometheus, {PARTITIONS // 2}, 2), 30, pause=0.3)

    async def nothing() -> None:
        pass

    await commotion.load(join)
    # What a killed process counted since it was scraped last, nobody knows: so it rests first.
    await until(lambda: _nothing_left(prometheus), 30, pause=0.3)
    await prometheus.scraped()
    await second.end(signal.SIGKILL)
    await until(lambda: _held_by(prometheus, {PARTITIONS}, 1), 30, pause=0.3)
    await commotion.load(nothing)


async def _nothing_left(prometheus: Prometheus) -> bool:
    gap = sent(panel("Unapplied commands").queries[0], 1, 1)
    return [float(one["value"][1]) for one in await prometheus.ask(gap)] == [0.0]


async def _held_by(prometheus: Prometheus, shares: set[int], reactors: int) -> bool:
    """Whether the board shows so many reactors, with these shares."""
    query = sent(panel("Partitions held, by reactor").queries[0], 1, 1)
    held = [float(one["value"][1]) for one in await prometheus.ask(query)]
    return len(held) == reactors and set(held) == shares


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
async def test_every_query_returns_data(seen: Seen, panel: Panel) -> None:
    """Or its panel says which case it needs that this test does not make."""
    for query in panel.queries:
        expr = sent(query, RATE_SECONDS, seen.seconds)
        found = [
            *await seen.prometheus.over(expr, seen.began, seen.ended),
            *await seen.prometheus.ask(expr, seen.ended),
        ]
        numbers = [number for one in found for number in _numbers(one) if not math.isnan(number)]
        assert bool(numbers) is not bool(panel.needs), expr


async def test_what_is_counted_is_what_clients_counted(seen: Seen) -> None:
    """Accepted, applied, by type, by status; dead letters, repeats, refusals."""
    counted = seen.counted
    everything = {"": counted.accepted}
    _near(await seen.rose("Accepted in this time"), everything)
    _near(await seen.rose("Applied in this time"), everything)
    _near(await seen.rose("Accepted and applied", 0), everything)
    _near(await seen.rose("Accepted and applied", 1), everything)
    _near(await seen.rose("Accepted, by type"), counted.types)
    ended = {"rejected": counted.waits["rejected"], "failed": counted.waits["failed"]}
    succeeded = counted.accepted - sum(ended.values())
    _near(await seen.rose("Outcomes, by status"), {**ended, "succeeded": succeeded})
    _near(await seen.rose("Dead letters in this time"), {"": counted.dead_letters})
    letters = await seen.rose("Dead letters, by reason")
    _near({"": sum(letters.values())}, {"": counted.dead_letters})
    _near(await seen.rose("Repeats, by who knew them"), {"outcome": counted.repeated})


async def test_submits_are_what_clients_were_answered(seen: Seen) -> None:
    """Those that were refused; and those of the load, by type and status.

    The longer the time, the less `rate` makes of its ends, where it does not know what was.
    """
    _near(await seen.rose("Submits refused, by reason"), {"in-flight": seen.counted.refused})
    risen = await seen.rose("Submits, by type and status", since=seen.counting)
    assert risen["202 tally.add"] == pytest.approx(seen.counted.loaded, rel=TENTH)


async def test_waits_are_what_clients_waited(seen: Seen) -> None:
    """By how they ended, by way, told late, and the share that timed out."""
    waits = seen.counted.waits
    _near(await seen.rose("Waits, by how they ended"), waits)
    held = {f"{end} response": number for end, number in waits.items()}
    held["timed-out response"] -= seen.counted.late
    watched = {"timed-out stream": seen.counted.late}
    _near(await seen.rose("Waits, by way and end"), held | watched)
    _near(await seen.rose("Told late"), {"": seen.counted.late})
    query = sent(panel("Waits that timed out").queries[0], seen.seconds, seen.seconds)
    share = await seen.prometheus.value(query, seen.ended)
    assert share == pytest.approx(waits["timed-out"] / waits.total(), rel=TENTH)


async def test_lag_and_gap_are_what_was_sent(seen: Seen) -> None:
    """While no reactor ran; and nothing is left at the end."""
    assert seen.lag[0] == pytest.approx(seen.lag[1], rel=TENTH)
    assert seen.gap[0] == pytest.approx(seen.gap[1], rel=TENTH)
    for title in ("Oldest unapplied command", "Unapplied commands", "Lag", "Gap"):
        query = sent(panel(title).queries[0], 1, 1)
        assert await seen.prometheus.value(query, seen.ended) == 0


async def test_a_latency_leads_to_a_trace(seen: Seen) -> None:
    """Where a command was recorded there is an exemplar with its trace."""
    found = await seen.prometheus.exemplars("homing_loop_seconds_bucket", seen.began, seen.ended)
    labels = [one["labels"] for series in found for one in series["exemplars"]]
    assert labels
    assert all(set(one) == {"trace_id"} for one in labels)


def _near(found: Mapping[str, float], wanted: Mapping[str, float]) -> None:
    """Within a tenth; and nothing else happened."""
    risen = {labels: number for labels, number in found.items() if number > 0}
    assert risen == pytest.approx(dict(wanted), rel=TENTH)


def _labels(one: Series) -> str:
    return " ".join(one["metric"].values())


def _numbers(one: Series) -> list[float]:
    values = one["values"] if "values" in one else [one["value"]]
    return [float(number) for _, number in values]
