"""Each metric moves when that happens which it counts, and by as much; nothing hostile makes more.

The processes are real, and are scraped as Prometheus scrapes them.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest

from homing.partition import STREAM
from homing.telemetry import CATALOGUE
from support.place import Place, Servers, fresh_place
from support.running import Process
from support.scraped import Page, scraped
from support.sse import listening, live, take
from support.waiting import until
from support.world import client

ADD, EXPLODE, BATCH = "/api/commands/tally.add", "/api/commands/tally.explode", "/api/commands"
PARTITIONS = 8
WAIT, SHORT = {"Prefer": "wait=20"}, {"Prefer": "wait=0.2"}
ENVIRON = {"HOMING_STREAMS_PER_OWNER": "2", "HOMING_LEASE_SECONDS": "2"}
HOSTILE = ("x", "tally.add'; DROP", "tally.%00", "a" * 300, "homing.<id>", "t\u00e4lly.add")


@dataclass
class System:
    """An API, and reactors as they come and go."""

    place: Place
    api: Process
    reactors: list[Process] = field(default_factory=list)

    async def reactor(self, *faulty: str) -> Process:
        """One more."""
        made = Process("reactor", self.place, faulty, **ENVIRON)
        self.reactors.append(made)
        return await made.start().ready()

    async def api_page(self) -> Page:
        """What the API says."""
        return await scraped(self.api.internal)


@pytest.fixture
async def system(servers: Servers) -> AsyncIterator[System]:
    """An API and no reactor."""
    async with fresh_place(servers, PARTITIONS) as place:
        made = System(place, Process("api", place, **ENVIRON))
        try:
            await made.api.start().ready()
            yield made
        finally:
            for one in (made.api, *made.reactors):
                await one.end(signal.SIGKILL)


def tally(number: int = 1, tally_id: str = "counted") -> dict[str, Any]:
    """A payload of `tally.add`."""
    return {"tally_id": tally_id, "number": number}


async def test_each_thing_that_happens_is_counted_once(system: System, tmp_path: Path) -> None:
    """In time, late, left, repeated, rejected, failed, expired; resumed, reset, refused."""
    async with client(system.api.url) as me:
        await _nobody_reacts(system, me)
        await _a_reactor_comes(system, me)
        await _streams_open_and_end(system)
        await _nonsense(system, me)
        await _a_reactor_dies(system, tmp_path)
        await _servers_go_away(system)
        await _nothing_grew(system)


async def _nobody_reacts(system: System, me: httpx.AsyncClient) -> None:
    """Without any reactor: what waits is known, and whoever waits for it runs out of time."""
    page = await system.api_page()
    assert page.value("homing_build_info", service="api") == 1
    assert (page.value("homing_lag_known"), page.value("homing_gap_commands")) == (1, 0)
    assert page.value("homing_partitions_unheld") == PARTITIONS
    assert page.value("homing_commands_accepted_total") == 0
    assert page.value("homing_dependency_up") == 2
    assert page.value("homing_stream_limit_bytes") == 256 * 1024 * 1024
    answer = await me.post(ADD, json=tally(), headers=SHORT)
    assert answer.status_code == 202
    late = answer.json()["command_id"]
    repeated = {**SHORT, "Idempotency-Key": "once"}
    for _ in range(2):
        await me.post(ADD, json=tally(), headers=repeated)
    await me.post(ADD, json=tally(), headers={"Homing-Expires": "0.2"})
    with pytest.raises(httpx.ReadTimeout):
        await me.post(ADD, json=tally(), headers=WAIT, timeout=2)
    async with listening(me, f"/api/commands/{late}/events?timeout=0.1") as events:
        assert (await take(events, 1))[0].type == "pending"
        await until(lambda: _is(system.api, "homing_waits_ended_total", 1, cause="left"))
        page = await system.api_page()
        expected = {
            ("response", "timed-out"): 3, ("response", "left"): 1, ("stream", "timed-out"): 1,
        }  # fmt: skip
        for (over, cause), count in expected.items():
            assert page.value("homing_waits_ended_total", over=over, cause=cause) == count
        assert page.value("homing_waits_ended_total") == sum(expected.values())
        assert page.value("homing_waits_held") == 0
        assert page.value("homing_streams_open") == 1
        assert page.value("homing_commands_accepted_total", type="tally.add") == 4
        assert page.value("homing_commands_repeated_total", found="stream") == 1
        assert page.value("homing_gap_commands") == 4
        assert page.value("homing_partition_gap_commands") == 4
        assert page.value("homing_lag_seconds") > 0
        assert page.value("homing_stream_bytes") > 400
        assert page.value("homing_waits_told_late_total") == 0
        reactor = await system.reactor()
        assert (await take(events, 1))[0].type == "outcome"
    await until(lambda: _is(reactor, "homing_commands_applied_total", 4))
    # Told late twice: on the stream of the command, and as the answer to a repeat.
    assert (await me.post(ADD, json=tally(), headers=repeated)).status_code == 200
    page = await until(lambda: _is(system.api, "homing_waits_told_late_total", 2))
    assert page.value("homing_commands_repeated_total", found="outcome") == 1
    await until(lambda: _is(system.api, "homing_streams_ended_total", 1, reason="told"))
    assert page.value("homing_loop_seconds_count", over="stream") == 1


async def _a_reactor_comes(system: System, me: httpx.AsyncClient) -> None:
    """With one: every verdict, in time."""
    (reactor,) = system.reactors
    page = await until(lambda: _is(reactor, "homing_partitions_held", PARTITIONS))
    assert page.value("homing_partition_claims_total", **{"from": "free"}) == PARTITIONS
    resets = "homing_partition_resets_total"
    await until(lambda: _is(reactor, resets, PARTITIONS, reason="claimed"))
    assert page.value("homing_partitions_unheld") == 0
    applied = "homing_commands_applied_total"
    assert page.value(applied, type="tally.add", status="expired") == 1
    assert (await me.post(ADD, json=tally(), headers=WAIT)).status_code == 200
    assert (await me.post(ADD, json=tally(-1), headers=WAIT)).status_code == 409
    boom = await me.post(EXPLODE, json={"tally_id": "counted"}, headers=WAIT)
    assert boom.status_code == 500
    accepted = (await me.post(ADD, json=tally())).json()
    async with listening(me, f"{accepted['links']['events']}?timeout=20") as events:
        assert (await take(events, 1))[0].type == "outcome"
    items = [{"type": "tally.add", "payload": tally()}] * 3 + [{"type": "no.such", "payload": {}}]
    assert (await me.post(BATCH, json=items)).status_code == 200
    page = await until(lambda: _is(reactor, applied, 11))
    assert page.value(applied, type="tally.add", status="succeeded") == 8
    assert page.value(applied, type="tally.add", status="rejected") == 1
    assert page.value(applied, type="tally.explode", status="failed") == 1
    assert page.value("homing_dead_letters_total", reason="domain-error") == 1
    assert page.value("homing_step_seconds_count", step="queue") == 11
    rounds = page.value("homing_round_seconds_count")
    steps = "homing_step_seconds_count"
    for step in ("apply", "commit", "announce"):
        await until(lambda step=step: _is(reactor, steps, rounds, step=step))
    assert page.value("homing_round_commands_sum") == 11
    page = await system.api_page()
    assert page.value("homing_commands_accepted_total") == 11
    for cause, over in {
        "succeeded": "response", "rejected": "response", "failed": "response",
    }.items():  # fmt: skip
        assert page.value("homing_waits_ended_total", over=over, cause=cause) == 1
    assert page.value("homing_waits_ended_total", over="stream", cause="succeeded") == 1
    assert page.value("homing_loop_seconds_count", over="response") == 3
    assert page.value("homing_commands_submitted_total", type="tally.add", status="202") == 8
    assert page.value("homing_commands_submitted_total", type="unknown", status="404") == 1
    assert page.value("homing_step_seconds_count", step="validate") > 11
    assert page.value("homing_step_seconds_count", step="publish") >= 11


async def _streams_open_and_end(system: System) -> None:
    """Fresh, resumed, reset, refused; and why they ended."""
    async with client(system.api.url) as somebody_new:
        # Of whoever has sent a batch, a fresh stream might tell outcomes of the last second, too.
        await _somebody_streams(system, somebody_new)


async def _somebody_streams(system: System, me: httpx.AsyncClient) -> None:
    path = "/api/outcomes/stream"
    async with live(me, path) as events:
        await until(lambda: _is(system.api, "homing_streams_open", 1))
        await me.post(ADD, json=tally(), headers=WAIT)
        await take(events, 1)  # so that the history is behind it, and the next one is live
        before = await system.api_page()
        await me.post(ADD, json=tally(), headers=WAIT)
        (told,) = await take(events, 1)
    async with listening(me, path, told.last_event_id) as events:
        await take(events, 1)
        async with listening(me, path, "1.99-10") as others:
            assert (await take(others, 1))[0].type == "reset"
            assert b"too many streams" in (await me.get(path)).content
    page = await until(lambda: _is(system.api, "homing_streams_open", 0))

    def more(name: str, **labels: str) -> float:
        return page.value(name, **labels) - before.value(name, **labels)

    opened = "homing_streams_opened_total"
    assert page.value(opened, how="fresh") == 3  # two of them of one command
    assert (more(opened, how="resumed"), more(opened, how="reset")) == (1, 1)
    assert more("homing_streams_ended_total", reason="client") == 3
    assert more("homing_streams_ended_total", reason="refused") == 1
    # What was read from the history is told, but nobody had waited for it.
    assert more("homing_outcomes_sent_total", over="stream") >= 2
    assert more("homing_loop_seconds_count", over="stream") == 1
    assert more("homing_step_seconds_count", step="write") == 2


async def _nonsense(system: System, me: httpx.AsyncClient) -> None:
    """What does not exist is folded; what cannot be read is a dead letter."""
    for name in HOSTILE:
        await me.post(f"/api/commands/{name}", json={})
        await me.get(f"/api/{name}/{name}")
        await me.post(BATCH, json=[{"type": name, "payload": {}}])
    await me.request("BREW", "/api/session")
    page = await system.api_page()
    assert page.value("homing_http_requests_total", route="unknown", method="GET") >= len(HOSTILE)
    assert page.value("homing_http_requests_total", method="other") == 1
    route = "/api/commands/{type}"
    assert page.value("homing_http_requests_total", route=route, status="404") >= 4
    await _publish(system.place, "homing.commands.3.tally.add", b"{")
    (row,) = await system.place.rows("SELECT max(sequence) FROM homing.outcomes")
    await _publish(system.place, *await _stored(system.place, row[0]))
    (reactor,) = system.reactors
    page = await until(lambda: _is(reactor, "homing_commands_repeated_total", 1, found="round"))
    await until(lambda: _is(reactor, "homing_dead_letters_total", 1, reason="unreadable"))
    assert page.get("homing_commands_applied_total", type="unknown") == 0


async def _a_reactor_dies(system: System, tmp_path: Path) -> None:
    """Another takes its partitions over; one that wakes up too late is fenced."""
    flag = tmp_path / "flag"
    flag.touch()
    first = system.reactors[0]
    frozen = await system.reactor("frozen-delivered", str(flag))
    half = PARTITIONS // 2
    await until(lambda: _is(frozen, "homing_partitions_held", half))
    async with client(system.api.url) as me:
        for number in range(40):  # until it has one, and stands still with it
            await me.post(ADD, json=tally(tally_id=f"spread {number}"))
        page = await until(
            lambda: _is(first, "homing_partition_claims_total", half, **{"from": "expired"})
        )
        assert page.value("homing_failover_seconds_count") == half
        assert half * 2 <= page.value("homing_failover_seconds_sum") <= half * 15
        frozen.send(signal.SIGCONT)
        await until(lambda: _at_least(frozen, "homing_partitions_fenced_total", 1))
        await until(lambda: _is(first, "homing_gap_commands", 0))


async def _servers_go_away(system: System) -> None:
    """What cannot be known is absent, never 0; and that it is unknown is said."""
    reactor, nats_server = system.reactors[0], system.place.servers.nats
    unknown = {
        "homing_lag_seconds", "homing_gap_commands", "homing_partition_lag_seconds",
        "homing_partition_gap_commands",
    }  # fmt: skip
    await nats_server.stop()
    try:
        for one in (system.api, reactor):
            page = await until(lambda one=one: _is(one, "homing_lag_known", 0))
            assert not page.names & {*unknown, "homing_stream_bytes", "homing_stream_limit_bytes"}
            assert page.value("homing_dependency_up", dependency="nats") == 0
            assert page.get("homing_partitions_unheld") is not None
    finally:
        await nats_server.start()
    for one in (system.api, reactor):
        page = await until(lambda one=one: _is(one, "homing_lag_known", 1))
        assert page.value("homing_nats_reconnects_total") >= 1
    await until(
        lambda: _at_least(reactor, "homing_partition_resets_total", 1, reason="reconnected")
    )
    await system.place.servers.postgres.stop()
    try:
        for one in (system.api, reactor):
            page = await until(lambda one=one: _up(one, "postgres", 0))
            page = await until(lambda one=one: _is(one, "homing_lag_known", 0))
            assert not page.names & {*unknown, "homing_partitions_unheld"}
            assert page.value("homing_stream_bytes") > 0
    finally:
        await system.place.servers.postgres.start()
    page = await until(lambda: _is(system.api, "homing_lag_known", 1))
    assert page.value("homing_pool_wait_seconds_count", pool="sweeps") > 0
    assert page.value("homing_pool_limit_connections", pool="reads") == 10
    assert page.get("homing_pool_connections", pool="reads", state="used") == 0


async def _nothing_grew(system: System) -> None:
    """All labels that list their values have no others, types are the registry's."""
    for one in (system.api, system.reactors[0]):
        page = await scraped(one.internal)
        for sample in page.samples:
            entry = _entry(sample.name)
            if entry is None:
                continue
            for label, value in sample.labels.items():
                known = entry.labels.get(label, ())
                assert label == "le" or not known or value in known, f"{sample.name} {label}"
                if label == "type":
                    assert value == "unknown" or value.split(".")[0] in (
                        "tally", "locations", "trouble",
                    )  # fmt: skip


def _entry(sample: str) -> Any:
    return next((one for one in CATALOGUE.values() if sample in one.samples), None)


async def _is(one: Process, name: str, value: float, **labels: str) -> Page | None:
    page = await scraped(one.internal)
    return page if page.get(name, **labels) == value else None


async def _at_least(one: Process, name: str, value: float, **labels: str) -> Page | None:
    page = await scraped(one.internal)
    return page if (page.get(name, **labels) or 0) >= value else None


async def _up(one: Process, dependency: str, value: float) -> Page | None:
    return await _is(one, "homing_dependency_up", value, dependency=dependency)


async def _publish(place: Place, subject: str, body: bytes) -> None:
    """As somebody who may, without an id."""
    broker = await nats.connect(place.nats_url)
    try:
        await broker.jetstream().publish(subject, body)
    finally:
        await broker.close()


async def _stored(place: Place, sequence: int) -> tuple[str, bytes]:
    broker = await nats.connect(place.nats_url)
    try:
        message = await broker.jetstream().get_msg(STREAM, sequence)
        assert message.subject is not None
        assert message.data is not None
        return message.subject, message.data
    finally:
        await broker.close()
