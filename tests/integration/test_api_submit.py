"""Submitting over HTTP: what is accepted, what is waited for, what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from support.place import Servers
from support.world import REGISTER, World, outcome_of, place_named, running_world

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[World]:
    async with running_world(servers, wait_max_seconds=5, body_max_bytes=20_000) as world:
        yield world


@pytest.fixture
async def me(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.session() as one:
        yield one


async def test_a_command_is_accepted_with_where_to_look_and_to_listen(
    me: httpx.AsyncClient,
) -> None:
    """202, the status in Location, the events in Link; both lead to the outcome."""
    answer = await me.post(REGISTER, json=place_named("Graz"))
    assert answer.status_code == 202
    said = answer.json()
    assert said["status"] == "pending"
    assert said["key"] == said["command_id"]  # it creates
    assert answer.headers["Location"] == said["links"]["status"]
    assert answer.headers["Link"] == f'<{said["links"]["events"]}>; rel="monitor"'
    outcome = await outcome_of(me, answer.headers["Location"])
    assert outcome["status"] == "succeeded"
    assert outcome["position"] == said["position"]


async def test_done_means_readable(me: httpx.AsyncClient) -> None:
    """Whoever has the outcome finds the read model; the redirect leads to it."""
    for number in range(20):
        name = f"Readable {number}"
        answer = await me.post(REGISTER, json=place_named(name), headers={"Prefer": "wait=5"})
        to = answer.json()["actions"][0]["to"]
        assert (await me.get(f"/api{to}")).json()["name"] == name


async def test_a_response_is_held_for_the_outcome(me: httpx.AsyncClient) -> None:
    """200 with the outcome, what was preferred is said to be applied, and every step has a time."""
    answer = await me.post(REGISTER, json=place_named("Held"), headers={"Prefer": "wait=4"})
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=4"
    timeline = answer.json()["timeline"]
    steps = ("accepted", "published", "received", "decided", "announced", "sent")
    assert all(timeline[f"{step}_at"] for step in steps)


async def test_a_rejection_is_a_409_that_names_the_field(me: httpx.AsyncClient) -> None:
    """The outcome is inside of the problem."""
    answer = await me.post(
        "/api/commands/tally.add", json={"tally_id": "t", "number": -1},
        headers={"Prefer": "wait=5"},
    )  # fmt: skip
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/rejected"
    assert problem["errors"] == [{"field": "number", "detail": "negative"}]
    assert problem["outcome"]["status"] == "rejected"
    assert problem["outcome"]["error"]["type"] == "negative"


async def test_a_failure_is_a_500_with_the_outcome_and_a_dead_letter(
    world: World, me: httpx.AsyncClient
) -> None:
    """What the domain breaks on is told, kept for the operator, and holds nobody else up."""
    answer = await me.post(
        "/api/commands/tally.explode", json={"tally_id": "x"}, headers={"Prefer": "wait=5"}
    )
    assert answer.status_code == 500
    outcome = answer.json()["outcome"]
    assert (outcome["status"], outcome["error"]["type"]) == ("failed", "domain-error")
    rows = await world.place.rows(
        "SELECT traceback FROM homing.dead_letters WHERE command_id = $1", outcome["command_id"]
    )
    assert "boom" in rows[0][0]
    after = await me.post(
        "/api/commands/tally.add", json={"tally_id": "x", "number": 1}, headers={"Prefer": "wait=5"}
    )
    assert after.json()["data"]["count"] == 1


async def test_late_is_a_202_and_the_outcome_comes(me: httpx.AsyncClient) -> None:
    """A wait that runs out is no error, and lasts as long as was said."""
    began = asyncio.get_running_loop().time()
    answer = await me.post(
        REGISTER, json=place_named("Late"),
        headers={"Prefer": "wait=0.4", "Homing-Demo-Delay": "1.5"},
    )  # fmt: skip
    spent = asyncio.get_running_loop().time() - began
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=0.4"
    assert 0.4 <= spent < 1.4
    status = await me.get(answer.headers["Location"])
    assert status.json()["status"] == "pending"
    assert (await outcome_of(me, answer.headers["Location"]))["status"] == "succeeded"


async def test_a_wait_is_capped(me: httpx.AsyncClient) -> None:
    """More than the setting is not granted, and the answer says what was."""
    answer = await me.post(REGISTER, json=place_named("Capped"), headers={"Prefer": "wait=9999"})
    assert answer.headers["Preference-Applied"] == "wait=5"


@pytest.mark.parametrize(
    "prefer",
    ["wait", "wait=", "wait=soon", "wait=-1", "wait=1e3", "respond-async", "=;,", 'wait=""'],
)
async def test_a_preference_that_is_none_is_ignored(me: httpx.AsyncClient, prefer: str) -> None:
    """RFC 7240: what cannot be understood is not an error, and is not applied."""
    answer = await me.post(REGISTER, json=place_named("Plain"), headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


BAD: list[tuple[str, str, dict[str, str], bytes, int, str]] = [
    ("no JSON", REGISTER, JSON, b"{", 400, "malformed"),
    ("empty", REGISTER, JSON, b"", 400, "malformed"),
    ("not UTF-8", REGISTER, JSON, b'{"name":"\xff","category":"Town"}', 400, "malformed"),
    ("too deep", REGISTER, JSON, b"[" * 9000, 422, "invalid"),
    ("an array", REGISTER, JSON, b"[]", 422, "invalid"),
    ("missing field", REGISTER, JSON, b'{"name":"x"}', 422, "invalid"),
    ("unknown field", REGISTER, JSON, b'{"name":"x","category":"Town","z":1}', 422, "invalid"),
    ("bad choice", REGISTER, JSON, b'{"name":"x","category":"Village"}', 422, "invalid"),
    ("blank name", REGISTER, JSON, b'{"name":"  ","category":"Town"}', 422, "invalid"),
    ("NUL", REGISTER, JSON, b'{"name":"a\\u0000b","category":"Town"}', 422, "invalid"),
    ("surrogate", REGISTER, JSON, b'{"name":"\\ud800","category":"Town"}', 400, "malformed"),
    ("unknown type", "/api/commands/locations.explode", JSON, b"{}", 404, "unknown-command"),
    ("hostile type", "/api/commands/%2e%2e%00%F0%9F%8F%A0", JSON, b"{}", 404, "unknown-command"),
    ("no type", REGISTER, {}, b"{}", 415, "unsupported-media-type"),
    ("a form", REGISTER, {"Content-Type": "text/plain"}, b"{}", 415, "unsupported-media-type"),
    ("UTF-16", REGISTER, {"Content-Type": "application/json; charset=utf-16"}, b"{}", 415,
     "unsupported-media-type"),
    ("oversized", REGISTER, JSON, b'{"name":"' + b"x" * 30_000 + b'"}', 413, "too-large"),
    ("long key", "/api/commands/tally.add", JSON,
     json.dumps({"tally_id": "x" * 101, "number": 1}).encode(), 422, "invalid"),
    ("bad delay", REGISTER, {**JSON, "Homing-Demo-Delay": "nan"}, b'{"name":"x","category":"Town"}',
     400, "bad-delay"),
    ("bad idempotency key", REGISTER, {**JSON, "Idempotency-Key": "a b"},
     b'{"name":"x","category":"Town"}', 400, "bad-idempotency-key"),
    ("long idempotency key", REGISTER, {**JSON, "Idempotency-Key": "k" * 256},
     b'{"name":"x","category":"Town"}', 400, "bad-idempotency-key"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "headers", "body", "status", "kind"),
                         [pytest.param(*one[1:], id=one[0]) for one in BAD])  # fmt: skip
async def test_bad_input_has_its_problem_and_stores_nothing(
    world: World, me: httpx.AsyncClient, path: str, headers: dict[str, str], body: bytes,
    status: int, kind: str,
) -> None:  # fmt: skip
    """A problem document with a stable type, and not a byte in the stream."""
    before = await world.place.stored()
    answer = await me.post(path, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{kind}"
    assert answer.json()["status"] == status
    assert await world.place.stored() == before


async def test_a_body_without_an_end_is_cut(world: World) -> None:
    """A chunked body above every limit is refused before it was taken in whole."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 65_536

    async with httpx.AsyncClient(base_url=world.url, timeout=20) as one:
        try:
            answer = await one.post(REGISTER, content=endless(), headers=JSON)
        except httpx.TransportError:
            return  # cut while still sending is as good
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/locations?limit=0", 422, "limit"),
        ("/api/locations?limit=x", 422, "limit"),
        ("/api/locations?limit=201", 422, "limit"),
        ("/api/locations?category=Village", 422, "category"),
        ("/api/locations?limit=1&limit=2", 422, "limit"),
        ("/api/locations?colour=red", 422, "colour"),
        ("/api/locations?after=%00", 422, "after"),
        ("/api/locations?after=bm9uZQ", 422, "after"),
        ("/api/locations/nothing", 404, None),
        ("/api/locations/a%00b", 422, "location_id"),
        ("/api/nothing", 404, None),
        ("/api/commands/not-an-id", 404, None),
        ("/api/commands/0190a1b2-0000-7000-8000-000000000000?seq=x", 422, "seq"),
        ("/api/commands/0190a1b2-0000-7000-8000-000000000000?seq=0", 422, "seq"),
        ("/api/commands/0190a1b2-0000-7000-8000-000000000000/events?timeout=-1", 422, "timeout"),
        ("/api/commands/0190a1b2-0000-7000-8000-000000000000/events?timeout=nan", 422, "timeout"),
        ("/api/outcomes?after=zz", 422, "after"),
    ],
)
async def test_a_bad_parameter_is_named(
    me: httpx.AsyncClient, path: str, status: int, field: str | None
) -> None:
    """Each bad query has its problem document, which names the parameter."""
    answer = await me.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    if field:
        assert answer.json()["errors"][0]["field"] == field


async def test_pages_of_a_list_have_every_row_once(me: httpx.AsyncClient) -> None:
    """Newest first, and the link to the next page keeps the filter."""
    for number in range(7):
        await me.post(
            REGISTER, json=place_named(f"C{number}", "Continent"), headers={"Prefer": "wait=5"}
        )
    path: str | None = "/api/locations?category=Continent&limit=3"
    names: list[str] = []
    while path:
        page = (await me.get(path)).json()
        names += [row["name"] for row in page["items"]]
        path = page["next"]
    assert names == [f"C{number}" for number in reversed(range(7))]


async def test_without_a_session_nothing_is_told(world: World, me: httpx.AsyncClient) -> None:
    """401 for a status, a stream or a list without a cookie of ours; a forged one is none."""
    location = (await me.post(REGISTER, json=place_named("Mine"))).headers["Location"]
    for cookies in ({}, {"homing_session": "forged.signature"}):
        async with httpx.AsyncClient(base_url=world.url, cookies=cookies) as one:
            for path in (location, "/api/outcomes", "/api/outcomes/stream"):
                answer = await one.get(path)
                assert answer.status_code == 401
                assert answer.json()["type"] == "/problems/no-session"


async def test_another_owners_command_looks_like_one_that_is_not_there(
    world: World, me: httpx.AsyncClient
) -> None:
    """404 before and after the outcome, with and without the sequence."""
    answer = await me.post(REGISTER, json=place_named("Hidden"), headers={"Homing-Demo-Delay": "1"})
    status = answer.headers["Location"]
    async with world.session() as other:
        assert (await other.get(status)).status_code == 404
        await outcome_of(me, status)
        for path in (status, status.partition("?")[0]):
            told = await other.get(path)
            assert (told.status_code, told.headers["Retry-After"]) == (404, "1")
        assert (await other.get("/api/outcomes")).json() == {"items": [], "next": None}


async def test_an_old_id_is_gone(me: httpx.AsyncClient) -> None:
    """410 by the time in the id; 410 by a sequence that the stream has trimmed."""
    old = "01700000-0000-7000-8000-000000000000"
    answer = await me.get(f"/api/commands/{old}")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/expired")


async def test_the_openapi_document_has_every_operation(me: httpx.AsyncClient) -> None:
    """Each command and each query is in it, with its own schema."""
    document = (await me.get("/api/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert {
        "/api/commands/locations.register",
        "/api/commands/tally.add",
        "/api/locations",
        "/api/locations/{location_id}",
        "/api/outcomes/stream",
    } <= set(document["paths"])
    schema = document["components"]["schemas"]["RegisterLocation"]
    assert schema["properties"]["name"]["maxLength"] == 200
    page = await me.get("/api/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert (await me.get("/api/docs/swagger-ui-bundle.js")).status_code == 200


async def test_thirty_two_held_responses_carry_each_its_own_outcome(world: World) -> None:
    """The fault of the demo that this began with: a response with somebody else's result."""

    async def one(number: int) -> tuple[Any, str]:
        async with world.session() as mine:
            answer = await mine.post(
                REGISTER, json=place_named(f"Own {number}"),
                headers={"Prefer": "wait=5", "Homing-Demo-Delay": "0.3"},
            )  # fmt: skip
            return answer.json(), f"Own {number}"

    turns = [range(first, first + 32) for first in (0, 32, 64)]
    answers = [answer for turn in turns for answer in await asyncio.gather(*map(one, turn))]
    assert [said["data"]["name"] for said, _ in answers] == [name for _, name in answers]
