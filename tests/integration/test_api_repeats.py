"""Idempotency: a repeat has the same answer and no second effect; many commands in one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from support.place import Servers
from support.world import World, outcome_of, running_world

ADD = "/api/commands/tally.add"
WAIT = {"Prefer": "wait=5"}


@pytest.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[World]:
    # The shortest window of JetStream's own, so that most repeats come after it.
    async with running_world(servers, migrate={"duplicate_window_seconds": 1.0}) as world:
        yield world


@pytest.fixture
async def me(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.session() as one:
        yield one


async def add(one: httpx.AsyncClient, tally: str, key: str, number: int = 1, **more: str) -> Any:
    """Send a number with an idempotency key."""
    headers = {"Idempotency-Key": key, **more}
    return await one.post(ADD, json={"tally_id": tally, "number": number}, headers=headers)


async def count(one: httpx.AsyncClient, tally: str) -> int:
    """How many numbers took effect."""
    answer = await one.get(f"/api/tally/{tally}")
    return int(answer.json()["count"]) if answer.status_code == 200 else 0


async def test_two_keys_are_none(me: httpx.AsyncClient) -> None:
    """Which of them was meant? Nothing is sent, and the header is named."""
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = await me.post(ADD, json={"tally_id": "two keys", "number": 1}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/repeated-header")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await count(me, "two keys") == 0


async def test_ten_at_once_are_one_command(me: httpx.AsyncClient) -> None:
    """The same id, the same answer, one effect."""
    answers = await asyncio.gather(*(add(me, "ten", "k1", **WAIT) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["command_id"] for answer in answers}) == 1
    assert {answer.json()["data"]["count"] for answer in answers} == {1}
    assert await count(me, "ten") == 1


async def test_a_repeat_while_it_is_pending_is_pending_too(me: httpx.AsyncClient) -> None:
    """202 for both, and either learns the outcome."""
    slow = {"Homing-Demo-Delay": "2.5"}
    first = await add(me, "pending", "k2", **slow)
    second = await add(me, "pending", "k2", **slow)
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    third = await add(me, "pending", "k2", **slow, **WAIT)
    assert third.json()["data"]["count"] == 1


async def test_a_repeat_after_the_outcome_is_answered_at_once(me: httpx.AsyncClient) -> None:
    """Without a wait, with the outcome itself; a rejection is repeated as well."""
    first = await add(me, "after", "k3", **WAIT)
    again = await add(me, "after", "k3")
    assert again.status_code == 200
    assert again.json()["command_id"] == first.json()["command_id"]
    assert (await add(me, "after", "k4", -1, **WAIT)).status_code == 409
    assert (await add(me, "after", "k4", -1)).status_code == 409
    assert await count(me, "after") == 1


async def test_a_repeat_after_the_window_takes_no_effect(
    world: World, me: httpx.AsyncClient
) -> None:
    """JetStream stores it a second time; the reactor knows the id."""
    first = await add(me, "window", "k5", **{"Homing-Demo-Delay": "3"})
    stored = await world.place.stored()
    deadline = asyncio.get_running_loop().time() + 2.5
    while await world.place.stored() == stored:  # the window is JetStream's to close
        assert asyncio.get_running_loop().time() < deadline, "never stored again"
        await asyncio.sleep(0.2)
        assert (await add(me, "window", "k5", **{"Homing-Demo-Delay": "3"})).status_code == 202
    await outcome_of(me, first.headers["Location"])
    await add(me, "window", "next", **WAIT)
    assert await count(me, "window") == 2  # k5 and `next`


async def test_another_payload_is_refused_before_and_after_the_outcome(
    me: httpx.AsyncClient,
) -> None:
    """422 by the stream's message while it is pending, by the outcome afterwards."""
    await add(me, "other", "k6", 1, **{"Homing-Demo-Delay": "0.8"})
    early = await add(me, "other", "k6", 2)
    assert (early.status_code, early.json()["type"]) == (422, "/problems/idempotency-conflict")
    await add(me, "other", "k6", 1, **WAIT)
    late = await add(me, "other", "k6", 2)
    assert late.status_code == 422
    written_otherwise = await me.post(
        ADD, content=b' {"number" : 1,\n "tally_id":"other"}',
        headers={"Content-Type": "application/json", "Idempotency-Key": '"k6"'},
    )  # fmt: skip
    assert written_otherwise.status_code == 200
    assert await count(me, "other") == 1


async def test_another_payload_after_the_window_is_no_second_outcome(
    world: World, me: httpx.AsyncClient
) -> None:
    """Sent past the API's check, it ends as a dead letter; who waits for it is told 422."""
    first = await add(me, "slip", "k7", 1, **{"Homing-Demo-Delay": "3"})
    before = await world.place.stored()
    async with asyncio.timeout(10):
        while await world.place.stored() == before:  # the window is JetStream's to close
            held = await add(me, "slip", "k7", 2, **{"Homing-Demo-Delay": "3"}, **WAIT)
            assert held.status_code == 422
            await asyncio.sleep(0.2)
    assert (await outcome_of(me, first.headers["Location"]))["data"]["last"] == 1
    await add(me, "slip", "next", 5, **WAIT)  # of the same key, so all before it is applied
    letters = await world.place.rows(
        "SELECT reason FROM homing.dead_letters WHERE command_id = $1", first.json()["command_id"]
    )
    assert [row[0].split(":")[0] for row in letters] == ["idempotency-conflict"]
    assert await count(me, "slip") == 2  # the first and `next`


async def test_a_key_belongs_to_its_owner(world: World, me: httpx.AsyncClient) -> None:
    """Another owner's use of the same key is another command."""
    mine = await add(me, "mine", "shared", **WAIT)
    async with world.session() as other:
        theirs = await add(other, "mine", "shared", **WAIT)
    assert mine.json()["command_id"] != theirs.json()["command_id"]
    assert await count(me, "mine") == 2


def item(tally: str, number: int, **more: str) -> dict[str, Any]:
    """An item of a batch."""
    return {"type": "tally.add", "payload": {"tally_id": tally, "number": number}, **more}


async def test_a_batch_has_one_answer_per_item_in_order(me: httpx.AsyncClient) -> None:
    """Good ones are accepted, bad ones refused, each as if it had come alone."""
    batch = [
        item("b", 1), {"type": "tally.add", "payload": {}}, {"type": "no.such", "payload": {}},
        {"payload": {}}, item("b", 2, idempotency_key="a b"), item("b", 3), 7,
    ]  # fmt: skip
    answer = await me.post("/api/commands", json=batch)
    assert answer.status_code == 200
    said = answer.json()
    assert [one["status"] for one in said] == [202, 422, 404, 422, 400, 202, 422]
    outcome = await outcome_of(me, said[5]["accepted"]["links"]["status"])
    assert outcome["data"] == {"tally_id": "b", "count": 2, "total": 4, "last": 3}


async def test_a_batch_keeps_the_order_of_each_key(me: httpx.AsyncClient) -> None:
    """500 commands over 10 keys in one request of lines take effect in the request's order."""
    lines = [json.dumps(item(f"o{n % 10}", n)) for n in range(500)]
    answer = await me.post(
        "/api/commands", content="\n".join(lines),
        headers={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    said = [json.loads(line) for line in answer.text.splitlines()]
    assert {one["status"] for one in said} == {202}
    for n, one in enumerate(said):
        outcome = await outcome_of(me, one["accepted"]["links"]["status"])
        assert (outcome["data"]["last"], outcome["data"]["count"]) == (n, n // 10 + 1)


async def test_a_batch_knows_repeats(me: httpx.AsyncClient) -> None:
    """Within it and from before."""
    await add(me, "br", "known", **WAIT)
    batch = [item("br", 1, idempotency_key=key) for key in ("known", "new", "new")]
    said = (await me.post("/api/commands", json=batch)).json()
    assert [one["status"] for one in said[:2]] == [200, 202]
    # The last one meets the one before in the stream, or its outcome already.
    again = said[2].get("accepted") or said[2]["outcome"]
    assert again["command_id"] == said[1]["accepted"]["command_id"]
    await outcome_of(me, said[1]["accepted"]["links"]["status"])
    assert await count(me, "br") == 2


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400), (b"{}", "application/json", 400),
        (b"[]", "text/plain", 415), (json.dumps([1] * 1001).encode(), "application/json", 413),
        (b"x" * 5_000_000, "application/json", 413),
    ],
)  # fmt: skip
async def test_a_bad_batch_is_refused_whole(
    me: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    """One problem document."""
    answer = await me.post("/api/commands", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_empty_batch_is_answered_empty(me: httpx.AsyncClient) -> None:
    """Nothing in, nothing out."""
    assert (await me.post("/api/commands", json=[])).json() == []
