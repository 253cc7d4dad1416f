"""One trace per command, over all processes that it passes, as a collector of traces gets it.

The page's server and the API export over HTTP, the reactors over gRPC; each is a real process.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from homing.partition import partition_of
from support.collecting import Collector, Span, collecting
from support.ledger import Ear
from support.place import Servers, fresh_place
from support.running import Process
from support.sse import events, take
from support.waiting import until

ADD, EXPLODE, BATCH = "/api/commands/tally.add", "/api/commands/tally.explode", "/api/commands"
PARTITIONS = 8
HTTP, GRPC = "http/protobuf", "grpc"
WAY = """
    web: POST /api/commands/{type}
      api: POST /api/commands/{type}
        api: publish homing.commands.{partition}.{type}
          reactor: process homing.commands.{partition}.{type}
            reactor: publish homing.outcomes.{owner}.{command_id}
              api: write
"""
ROUND = """
    reactor: round
      reactor: fence
      reactor: load
      reactor: decide
      reactor: save
      reactor: commit
"""


@dataclass(frozen=True)
class System:
    """Processes that export, and who collects."""

    collector: Collector
    web: Process
    api: Process
    reactors: list[Process]
    flag: Path
    """While it is there, a reactor dies before it saves what it has decided."""

    @property
    def logged(self) -> list[dict[str, Any]]:
        """The lines of all logs."""
        processes = (self.web, self.api, *self.reactors)
        return [json.loads(line) for one in processes for line in one.log.splitlines()]


@pytest.fixture(scope="module")
async def system(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    flag = tmp_path_factory.mktemp("tracing") / "flag"
    with collecting() as collector:
        async with fresh_place(servers, PARTITIONS) as place:
            fast, slim = collector.environ(GRPC), collector.environ(HTTP)
            dying = ("decided", str(flag))
            reactors = [Process("reactor", place, dying, **fast).start() for _ in range(2)]
            api = Process("api", place, ["unswept"], **slim).start()
            web = Process("web", place, HOMING_API_URL=api.url, **slim).start()
            try:
                for one in (*reactors, api, web):
                    await one.ready()
                yield System(collector, web, api, reactors, flag)
            finally:
                for one in (web, api, *reactors):
                    await one.end(signal.SIGKILL)


@pytest.fixture
async def me(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.web.url, timeout=30) as client:
        (await client.get("/api/session")).raise_for_status()
        yield client


def traceparent(*, sampled: bool = True) -> str:
    """A trace that somebody else has begun."""
    return f"00-{uuid4().hex}-{uuid4().hex[:16]}-{sampled:02d}"


def adding(number: int = 1, tally: str = "") -> dict[str, Any]:
    """A number for a tally, of its own if that does not matter."""
    return {"tally_id": tally or uuid4().hex, "number": number}


@pytest.fixture
async def ear(me: httpx.AsyncClient, system: System) -> AsyncIterator[Ear]:
    """Hears all outcomes of `me` as they are announced."""
    ear = Ear(system.web.url, me)
    listening = asyncio.create_task(ear.listen())
    await until(lambda: ear.open)
    yield ear
    listening.cancel()
    await asyncio.wait([listening])


async def heard(ear: Ear, command_id: str) -> Any:
    """The outcome, once it was told."""
    return (await until(lambda: ear.outcomes.get(command_id)))[0]


async def stream_of(me: httpx.AsyncClient, command_id: str) -> Any:
    """The outcome that the stream of a command tells."""
    async with me.stream("GET", f"/api/commands/{command_id}/events") as response:
        return (await take(events(response), 1))[0].json


def only(spans: list[Span], name: str) -> Span:
    """The one whose name begins so."""
    (found,) = [one for one in spans if one.name.startswith(name)]
    return found


async def test_in_time(me: httpx.AsyncClient, system: System) -> None:
    """From the client's own span to the held response, below one another; the id is told."""
    sent = traceparent()
    answer = await me.post(ADD, json=adding(), headers={"Prefer": "wait=15", "traceparent": sent})
    assert answer.status_code == 200
    outcome = answer.json()
    assert outcome["trace_id"] == sent[3:35]
    spans = await system.collector.shaped(outcome["trace_id"], WAY)
    assert spans[0].parent_id == sent[36:52]
    assert [one.kind for one in spans] == [
        "server", "server", "producer", "consumer", "producer", "internal",
    ]  # fmt: skip
    request, publish, process = spans[1:4]
    assert request.attributes["http.request.method"] == "POST"
    assert request.attributes["http.route"] == "/api/commands/{type}"
    assert request.attributes["http.response.status_code"] == 200
    for one in (publish, process, spans[4]):
        assert one.attributes["messaging.system"] == "nats"
        assert one.attributes["messaging.message.id"] == outcome["command_id"]
    assert publish.attributes["homing.sequence"] == outcome["position"]["sequence"]
    assert process.attributes["homing.command.type"] == "tally.add"
    assert process.attributes["homing.partition"] == outcome["position"]["partition"]
    assert process.attributes["homing.outcome.status"] == "succeeded"
    assert process.attributes["homing.queue.seconds"] >= 0
    assert process.attributes["homing.wait.seconds"] >= 0
    decided, committed = sorted(process.events, key=lambda one: one.at_ns)
    assert (decided.name, committed.name) == ("decided", "committed")
    assert process.start_ns <= decided.at_ns <= committed.at_ns <= process.end_ns
    assert spans[5].attributes["homing.over"] == "response"
    assert not any(one.error for one in spans)


async def test_the_round_is_a_trace_beside_it(me: httpx.AsyncClient, system: System) -> None:
    """Its steps are below it; it and the command's process lead to each other."""
    answer = await me.post(ADD, json=adding(), headers={"Prefer": "wait=15"})
    spans = await system.collector.shaped(answer.json()["trace_id"], WAY)
    process, publish = only(spans, "process"), only(spans, "publish homing.commands")
    ((round_trace, round_span),) = process.links
    around = await system.collector.shaped(round_trace, ROUND)
    assert around[0].span_id == round_span
    assert (publish.trace_id, publish.span_id) in around[0].links
    for one in around[1:]:
        speaks = one.name != "decide"
        assert one.kind == ("client" if speaks else "internal")
        assert one.attributes.get("db.system.name") == ("postgresql" if speaks else None)


async def test_timed_out_then_late(me: httpx.AsyncClient, system: System, ear: Ear) -> None:
    """The answer was `pending`; the outcome comes by a stream, in the same trace."""
    headers = {"Prefer": "wait=0.1", "Homing-Demo-Delay": "1"}
    answer = await me.post(ADD, json=adding(), headers=headers)
    assert answer.status_code == 202
    outcome = await heard(ear, answer.json()["command_id"])
    spans = await system.collector.shaped(outcome["trace_id"], WAY)
    request, write = spans[1], spans[-1]
    assert request.attributes["http.response.status_code"] == 202
    assert write.attributes["homing.over"] == "stream"
    assert write.start_ns > request.end_ns
    said = only(spans, "process").attributes
    assert said["homing.queue.seconds"] + said["homing.wait.seconds"] > 0.9


async def test_rejected(me: httpx.AsyncClient, system: System) -> None:
    """The same way; a rule that says no is no error."""
    answer = await me.post(ADD, json=adding(-1), headers={"Prefer": "wait=15"})
    assert answer.status_code == 409
    spans = await system.collector.shaped(answer.json()["outcome"]["trace_id"], WAY)
    process = only(spans, "process")
    assert process.attributes["homing.outcome.status"] == "rejected"
    assert process.attributes["homing.outcome.error"] == "negative"
    assert not any(one.error for one in spans)


async def test_failed(me: httpx.AsyncClient, system: System) -> None:
    """An error, by its type alone; what is logged of it says which command and which trace."""
    answer = await me.post(
        EXPLODE, json={"tally_id": uuid4().hex}, headers={"Prefer": "wait=15"}
    )  # fmt: skip
    outcome = answer.json()["outcome"]
    spans = await system.collector.shaped(outcome["trace_id"], WAY)
    process = only(spans, "process")
    assert process.error
    assert process.attributes["error.type"] == outcome["error"]["type"]
    assert "boom" not in str(spans)
    about = [one for one in system.logged if one.get("command_id") == outcome["command_id"]]
    assert "command.dead_letter" in {one["action"] for one in about}
    assert {one["trace_id"] for one in about} == {outcome["trace_id"]}


async def test_tried_again(me: httpx.AsyncClient, system: System) -> None:
    """Each try is an error in the trace, with what Postgres said; the last one tells why."""
    answer = await me.post(
        "/api/commands/trouble.make", json={"trouble_id": uuid4().hex, "kind": "refused"},
        headers={"Prefer": "wait=15"},
    )  # fmt: skip
    outcome = answer.json()["outcome"]
    lines = WAY.splitlines()
    tries = [line for line in lines if "process" in line] * 3
    spans = await system.collector.shaped(
        outcome["trace_id"], "\n".join(lines[:4] + tries + lines[4:])
    )
    *failed, last = [one for one in spans if one.name.startswith("process")]
    assert all(one.error for one in (*failed, last))
    assert {one.attributes["db.response.status_code"] for one in failed} == {"23514"}
    assert [one.attributes["homing.round.tries"] for one in (*failed, last)] == [0, 1, 2, 3]
    assert last.attributes["error.type"] == outcome["error"]["type"] == "not-applicable"


async def test_found_in_the_store(me: httpx.AsyncClient, system: System) -> None:
    """Told a second time, to somebody who asks later: below its process, as nobody announced it."""
    answer = await me.post(ADD, json=adding(), headers={"Prefer": "wait=15"})
    await stream_of(me, answer.json()["command_id"])
    spans = await system.collector.shaped(
        answer.json()["trace_id"], WAY.rstrip() + "\n            api: write\n"
    )
    assert [one.attributes["homing.over"] for one in spans if one.name == "write"] == [
        "response", "stream",
    ]  # fmt: skip


async def test_a_repeat_is_a_request_in_a_trace_of_its_own(
    me: httpx.AsyncClient, system: System
) -> None:
    """It gets the outcome of the first, whose trace goes on with a write that leads to it."""
    body, key = adding(), {"Idempotency-Key": uuid4().hex, "Prefer": "wait=15"}
    # With a key the store is asked as well: so early that the outcome comes by its announcement.
    late = {"Homing-Demo-Delay": "0.5"}
    first = (await me.post(ADD, json=body, headers=key | late)).json()
    sent = traceparent()
    again = (await me.post(ADD, json=body, headers=key | {"traceparent": sent})).json()
    assert again["trace_id"] == first["trace_id"]
    begin, look = WAY.splitlines()[:3], "        api: look"
    asking = await system.collector.shaped(sent[3:35], "\n".join([*begin, look]))
    way = "\n".join([*begin, look, *WAY.splitlines()[3:]])
    write = "\n            api: write"
    spans = await system.collector.shaped(first["trace_id"], way + write)
    assert spans[-1].links == ((asking[1].trace_id, asking[1].span_id),)
    item = {"type": "tally.add", "payload": body, "idempotency_key": key["Idempotency-Key"]}
    assert (await me.post(BATCH, json=[item])).json()[0]["status"] == 200
    spans = await system.collector.shaped(first["trace_id"], way + 2 * write)
    ((batch, _),) = spans[-1].links
    await system.collector.shaped(batch, "web: POST /api/commands\n  api: POST /api/commands")


async def test_a_batch(me: httpx.AsyncClient, system: System, ear: Ear) -> None:
    """Each command has a trace of its own, which begins with its publish and leads to the request.

    The request's trace is the sender's.
    """
    sent, tally = traceparent(), uuid4().hex
    items = [{"type": "tally.add", "payload": adding(number, tally)} for number in range(3)]
    answers = (await me.post(BATCH, json=items, headers={"traceparent": sent})).json()
    outcomes = [await heard(ear, one["accepted"]["command_id"]) for one in answers]
    assert len({sent[3:35], *(one["trace_id"] for one in outcomes)}) == 4
    requests = await system.collector.shaped(
        sent[3:35], "    web: POST /api/commands\n      api: POST /api/commands\n"
    )
    for outcome in outcomes:
        lines = [line[4:] for line in WAY.splitlines()[3:]]
        spans = await system.collector.shaped(outcome["trace_id"], "\n".join(lines))
        assert spans[0].links == ((requests[1].trace_id, requests[1].span_id),)
        assert spans[0].parent_id == ""


async def test_what_is_not_sampled_leaves_no_span_and_keeps_its_id(
    me: httpx.AsyncClient, system: System
) -> None:
    """The sender's decision counts; its trace id is told all the same."""
    sent, tally = traceparent(sampled=False), uuid4().hex
    headers = {"Prefer": "wait=15", "traceparent": sent}
    outcome = (await me.post(ADD, json=adding(1, tally), headers=headers)).json()
    assert outcome["trace_id"] == sent[3:35]
    assert "traceparent" not in outcome
    after = (await me.post(ADD, json=adding(2, tally), headers={"Prefer": "wait=15"})).json()
    await system.collector.shaped(after["trace_id"], WAY)
    assert system.collector.trace(sent[3:35]) == []


async def test_what_a_client_says_beside_its_trace_is_not_taken_over(
    me: httpx.AsyncClient, system: System
) -> None:
    """A malformed parent begins a new trace; baggage and vendors' state go nowhere."""
    headers = {
        "Prefer": "wait=15", "traceparent": "00-xyz", "baggage": "tenant=planted",
        "tracestate": "vendor=planted",
    }  # fmt: skip
    outcome = (await me.post(ADD, json=adding(), headers=headers)).json()
    spans = await system.collector.shaped(outcome["trace_id"], WAY)
    assert spans[0].parent_id == ""
    assert "planted" not in str(spans)


async def test_two_parents_are_none(me: httpx.AsyncClient, system: System) -> None:
    """Which of them began the trace? So it begins here, as with one that is malformed."""
    two = [traceparent(), traceparent()]
    headers = [("Prefer", "wait=15"), *(("traceparent", one) for one in two)]
    outcome = (await me.post(ADD, json=adding(), headers=headers)).json()
    assert outcome["trace_id"] not in [one[3:35] for one in two]
    spans = await system.collector.shaped(outcome["trace_id"], WAY)
    assert spans[0].parent_id == ""


async def test_no_name_holds_an_id(me: httpx.AsyncClient, system: System) -> None:
    """All names there are, of everything that happened here, are templates."""
    answer = await me.post(ADD, json=adding(), headers={"Prefer": "wait=15"})
    await system.collector.shaped(answer.json()["trace_id"], WAY)
    names = {one.name for one in system.collector.spans}
    assert names <= {
        "POST /api/commands", "POST /api/commands/{type}", "look", "write", "round", "fence",
        "load", "decide", "save", "commit", "publish homing.commands.{partition}.{type}",
        "process homing.commands.{partition}.{type}",
        "publish homing.outcomes.{owner}.{command_id}",
    }  # fmt: skip
    assert {one.service for one in system.collector.spans} == {
        "homing-web", "homing-api", "homing-reactor",
    }  # fmt: skip


async def test_retried_after_a_crash(me: httpx.AsyncClient, system: System) -> None:
    """A reactor is killed between its claim and its commit: the next one goes on in the trace."""
    tally = uuid4().hex
    before = (await me.post(ADD, json=adding(1, tally), headers={"Prefer": "wait=15"})).json()
    first = only(await system.collector.shaped(before["trace_id"], WAY), "process")
    system.flag.touch()
    after = (await me.post(ADD, json=adding(2, tally), headers={"Prefer": "wait=15"})).json()
    dead = [one for one in system.reactors if one.running.poll() is not None]
    assert [one.running.returncode for one in dead] == [-signal.SIGKILL]
    spans = await system.collector.shaped(after["trace_id"], WAY)
    second = only(spans, "process")
    assert second.attributes["homing.partition"] == partition_of(tally, PARTITIONS)
    assert second.attributes["homing.epoch"] > first.attributes["homing.epoch"]
    assert second.instance != first.instance
    await until(lambda: not system.flag.exists())


async def test_what_the_api_logs_of_a_command_says_which_and_of_which_trace(
    me: httpx.AsyncClient, system: System, servers: Servers
) -> None:
    """Recorded or not."""
    sent = traceparent(sampled=False)
    await servers.postgres.stop()
    try:
        headers = {"Idempotency-Key": uuid4().hex, "traceparent": sent}
        command_id = (await me.post(ADD, json=adding(), headers=headers)).json()["command_id"]
    finally:
        await servers.postgres.start()
    about = [one for one in system.logged if one["action"] == "repeat.unread"]
    assert [(one["command_id"], one["trace_id"]) for one in about] == [(command_id, sent[3:35])]
