"""The operators' routes of the API's internal port: who may what, and what it costs to look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from homing.identity import replayed_command_id
from homing.local import ports
from homing.storage import Database, StatementFailed
from homing.storage.sight import SIGHT
from support.letters import stray
from support.place import Place, Servers, fresh_place
from support.running import running_api, running_reactor
from support.sse import listening
from support.waiting import until
from support.world import client

TOKEN = "an-operators-token-of-its-own"
SIGNED = {"Authorization": f"Bearer {TOKEN}"}
WAIT = {"Prefer": "wait=20"}
SECRET = "an address, as it was typed"


@dataclass(frozen=True)
class Office:
    """An API with a token, a reactor, and a client for each port."""

    place: Place
    public: httpx.AsyncClient
    internal: httpx.AsyncClient


@asynccontextmanager
async def opened(place: Place, **changes: Any) -> AsyncIterator[Office]:
    """An API whose internal port is known."""
    port = ports.free()[0]
    async with (
        running_api(place, internal_port=port, **changes) as url,
        client(url) as public,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as internal,
    ):
        yield Office(place, public, internal)


@pytest.fixture(scope="module")
async def office(servers: Servers) -> AsyncIterator[Office]:
    async with (
        fresh_place(servers) as place,
        running_reactor(place),
        opened(place, operator_token=TOKEN) as office,
    ):
        yield office


async def broken(office: Office, key: str) -> str:
    """A command that fails; its id."""
    asked = {"tally_id": key}
    answer = await office.public.post("/api/commands/tally.explode", json=asked, headers=WAIT)
    return str(answer.json()["outcome"]["command_id"])


async def letter_of(office: Office, command_id: str) -> Any:
    """Its dead letter, as the state has it; None as long as it has not."""
    state = (await office.internal.get("/operator/state")).raise_for_status().json()
    found = [one for one in state["letters"] if one["command_id"] == command_id]
    return found[0] if found else None


async def test_the_state_says_who_holds_what_and_how_far_it_is(office: Office) -> None:
    """Reactors, every partition, lag, the newest outcomes with their times, rates."""
    asked = {"tally_id": "seen", "number": 1}
    added = await office.public.post("/api/commands/tally.add", json=asked, headers=WAIT)
    state: Any = {}

    async def settled() -> bool:
        state.update((await office.internal.get("/operator/state")).json())
        rates = state["rates"]
        return all(one["holder"] for one in state["partitions"]) and None not in rates.values()

    await until(settled)
    (reactor,) = state["reactors"]
    assert {one["holder"] for one in state["partitions"]} == {reactor["instance"]}
    assert [one["partition"] for one in state["partitions"]] == list(range(8))
    assert reactor["seen_seconds"] < 3
    assert (state["lag"]["gap"], state["lag_unknown"], state["writable"]) == (0, None, True)
    newest = state["outcomes"][0]
    assert newest["command_id"] == added.json()["command_id"]
    assert (newest["status"], newest["key"]) == ("succeeded", "seen")
    assert newest["took_ms"] > 0


async def test_a_letter_is_replayed_and_discarded_with_the_token(office: Office) -> None:
    """As on the command line: a replay is a new command, once; discarding takes it off the list."""
    failed = await broken(office, "desk")
    letter = await until(lambda: letter_of(office, failed))
    assert (letter["type"], letter["reason"], letter["replay"]) == (
        "tally.explode", "domain-error", None,
    )  # fmt: skip
    path = f"/operator/dead-letters/{letter['id']}"
    shown = (await office.internal.get(path, headers=SIGNED)).raise_for_status().json()
    assert "boom" in shown["traceback"]
    sent = await office.internal.post(f"{path}/replay", headers=SIGNED)
    assert (sent.status_code, sent.json()["command_id"]) == (200, replayed_command_id(failed, 1))

    async def failed_again() -> bool:
        again = await letter_of(office, failed)
        return bool(again and again["replay"] == "failed")

    await until(failed_again)
    for _ in range(2):
        gone = await office.internal.post(f"{path}/discard", headers=SIGNED)
        assert (gone.status_code, gone.json()["discarded_at"] is not None) == (200, True)

    async def off_the_list() -> bool:
        return await letter_of(office, failed) is None

    await until(off_the_list)
    late = await office.internal.post(f"{path}/replay", headers=SIGNED)
    assert (late.status_code, late.json()["discarded_at"] is not None) == (200, True)


async def test_a_replay_of_unknown_fate_is_sent_again(office: Office) -> None:
    """It was noted, and no stream is known to have it: what was pruned since tells the rest."""
    failed = await broken(office, "unplaced")
    letter = await until(lambda: letter_of(office, failed))
    await office.place.rows(
        "UPDATE homing.dead_letters SET replays = 1, replayed_at = now() WHERE id = $1",
        letter["id"],
    )
    path = f"/operator/dead-letters/{letter['id']}/replay"
    sent = await office.internal.post(path, headers=SIGNED)
    assert (sent.status_code, sent.json().get("number")) == (200, 1), sent.text


async def test_what_succeeded_is_not_replayed_again(office: Office) -> None:
    """409, in the words of the command line."""
    failed = await stray(office.public, office.place, "once", 1)
    letter = await until(lambda: letter_of(office, failed))
    path = f"/operator/dead-letters/{letter['id']}/replay"
    assert (await office.internal.post(path, headers=SIGNED)).status_code == 200

    async def succeeded() -> bool:
        return (await letter_of(office, failed))["replay"] == "succeeded"

    await until(succeeded)
    answer = await office.internal.post(path, headers=SIGNED)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/done")


@pytest.mark.parametrize(
    "header",
    [{}, {"Authorization": "Bearer another-token-than-that"}, {"Authorization": f"Basic {TOKEN}"}],
    ids=["none", "wrong", "scheme"],
)
async def test_nothing_is_changed_or_told_without_the_token(
    office: Office, header: dict[str, str]
) -> None:
    """401 with a challenge, before it is even said whether there is such a letter."""
    path = "/operator/dead-letters/1"
    for answer in (
        await office.internal.get(path, headers=header),
        await office.internal.post(f"{path}/replay", headers=header),
        await office.internal.post(f"{path}/discard", headers=header),
    ):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text


async def test_the_state_shows_no_payload(office: Office) -> None:
    """Neither of outcomes nor of letters, nor what an error quotes of it."""
    asked = {"tally_id": "secret", "number": 1, "note": SECRET}
    await office.public.post("/api/commands/tally.add", json=asked, headers=WAIT)
    failed = await broken(office, "loud")
    await office.place.rows(
        "UPDATE homing.dead_letters SET reason = reason || $2 WHERE command_id = $1", failed, SECRET
    )
    await until(lambda: letter_of(office, failed))
    answer = await office.internal.get("/operator/state")
    assert SECRET not in answer.text
    assert "boom" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/operator/dead-letters/999999/replay", 404, "no-such-letter"),
        ("POST", "/operator/dead-letters/999999/discard", 404, "no-such-letter"),
        ("GET", "/operator/dead-letters/999999", 404, "no-such-letter"),
        ("POST", "/operator/dead-letters/0/discard", 422, "invalid"),
        ("POST", "/operator/dead-letters/-1/discard", 422, "invalid"),
        ("POST", "/operator/dead-letters/1e3/replay", 422, "invalid"),
        ("POST", f"/operator/dead-letters/{2**63}/replay", 422, "invalid"),
        ("POST", "/operator/dead-letters/1", 405, "method-not-allowed"),
        ("GET", "/operator/dead-letters/1/replay", 405, "method-not-allowed"),
        ("DELETE", "/operator/state", 405, "method-not-allowed"),
        ("GET", "/operator/elsewhere", 404, "not-found"),
    ],
)
async def test_bad_requests_are_problems(
    office: Office, method: str, path: str, status: int, kind: str
) -> None:
    """Every one says what is wrong with it, as the public routes do."""
    answer = await office.internal.request(method, path, headers=SIGNED)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_long_body_is_refused(office: Office) -> None:
    """No route reads one; with and without its length said before."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b"x" * 1000

    for content in (b"x" * 2000, pieces()):
        answer = await office.internal.post(
            "/operator/dead-letters/1/discard", content=content, headers=SIGNED
        )
        assert (answer.status_code, answer.json()["status"]) == (413, 413)


async def test_a_name_that_anybody_can_register_is_refused(office: Office) -> None:
    """What a page of somebody else's could make lead here; the public port has no such route."""
    for host, status in (
        ("evil.example", 421),
        ("localhost:9000", 200),
        ("homing-api-internal", 200),
    ):
        answer = await office.internal.get("/operator/state", headers={"Host": host})
        assert answer.status_code == status, host
    for path in ("/operator", "/operator/state", "/operator/events", "/operator/dead-letters/1"):
        public = await office.public.get(path, headers=SIGNED)
        assert public.status_code == 404, path


async def test_no_other_site_is_let_in(office: Office) -> None:
    """A browser asks before it sends the token for another origin's page, and gets no consent."""
    asked = {
        "Origin": "https://evil.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }  # fmt: skip
    for path in ("/operator/dead-letters/1/discard", "/operator/dead-letters/1", "/operator/state"):
        answer = await office.internal.options(path, headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_without_a_token_it_only_reads(place: Place) -> None:
    """Whatever changes something is a 403, whichever token is said; the state says so."""
    async with opened(place) as office:
        assert (await office.internal.get("/operator/state")).json()["writable"] is False
        for verb in ("replay", "discard"):
            answer = await office.internal.post(f"/operator/dead-letters/1/{verb}", headers=SIGNED)
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/read-only")


async def looks(place: Place) -> int:
    """How often the table of reactors was read. (No reactor runs here, and nobody else does.)"""
    (row,) = await place.rows(
        "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables "
        "WHERE schemaname = 'homing' AND relname = 'reactors'"
    )
    return int(row[0])


async def test_viewers_share_one_look_a_second_and_none_means_none(place: Place) -> None:
    """Three streams and a poller cost as much as one; when they have left nothing is asked."""
    async with opened(place) as office:
        loop = asyncio.get_running_loop()
        begun, before = loop.time(), await looks(place)
        async with (
            listening(office.internal, "/operator/events") as one,
            listening(office.internal, "/operator/events") as two,
            listening(office.internal, "/operator/events") as three,
        ):
            for stream in (one, two, three):
                first = await anext(stream)
                assert (first.type, len(first.json["partitions"])) == ("state", 8)
            for _ in range(4):
                await office.internal.get("/operator/state")
                later = [await anext(stream) for stream in (one, two, three)]
                assert [event.type for event in later] == ["changes"] * 3
                assert "partitions" not in later[0].json  # nothing of them has changed

        async def quiet() -> int:
            """The count, once it has stood still for longer than statistics take to be told."""
            seen = await looks(place)
            await asyncio.sleep(2.5)
            return seen if seen == await looks(place) else 0

        after = await until(quiet)
        assert after - before <= loop.time() - begun + 1
        assert after > before


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM homing.dead_letters",
        "UPDATE homing.dead_letters SET body = ''",
        "UPDATE homing.dead_letters SET reason = ''",
        "UPDATE homing.partitions SET holder = NULL",
        "DELETE FROM homing.reactors",
        "DELETE FROM homing.outcomes",
    ],
)
async def test_the_api_may_mark_letters_and_nothing_else(office: Office, statement: str) -> None:
    """Its role in Postgres has the rights of a replay and a discard, and no others."""
    database = await Database.open(office.place.postgres_url("homing_api"), 1)
    try:
        await database.execute("UPDATE homing.dead_letters SET discarded_at = NULL WHERE id = 0")
        with pytest.raises(StatementFailed, match="permission denied"):
            await database.execute(statement)
    finally:
        await database.close()


async def test_a_look_reads_no_big_table_whole(place: Place) -> None:
    """Neither outcomes nor letters, however many there are: it is asked once a second."""
    await place.rows(
        "INSERT INTO homing.outcomes (command_id, owner, type, key, status, body, fingerprint, "
        "incarnation, partition, sequence) SELECT gen_random_uuid(), 'o', 't.x', 'k', 'succeeded', "
        "'{}', 'f', 1, 1, n FROM generate_series(1, 20000) n"
    )
    await place.rows(
        "INSERT INTO homing.dead_letters (incarnation, partition, sequence, subject, headers, "
        "body, reason, traceback, discarded_at) SELECT 1, 1, n, 's', '{}', '', 'r', '', "
        "CASE WHEN n % 100 = 0 THEN NULL ELSE now() END FROM generate_series(1, 20000) n"
    )
    await place.rows("ANALYZE homing.outcomes, homing.dead_letters")
    plan = "\n".join(row[0] for row in await place.rows(f"EXPLAIN {SIGHT}", "1000000", [], []))
    assert "outcomes_xid" in plan
    assert "Seq Scan on outcomes" not in plan
    assert "Seq Scan on dead_letters" not in plan


async def test_a_process_that_leaves_ends_its_streams(place: Place) -> None:
    """With the time to come again, to another replica; none is cut, and none holds it up."""
    async with httpx.AsyncClient(timeout=20) as outside:
        async with opened(place) as office:
            request = outside.build_request("GET", f"{office.internal.base_url}/operator/events")
            response = await outside.send(request, stream=True)
            pieces = response.aiter_raw()
            said = await anext(pieces)
        said += b"".join([piece async for piece in pieces])
    assert b"event: state" in said
    assert said.splitlines()[-2].startswith(b"retry:")
