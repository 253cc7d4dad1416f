"""A command that is not applied in time fails as expired, and its sender is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from homing.outcome import now
from support.place import Place
from support.running import running_api, running_reactor
from support.sse import listening, take
from support.waiting import until
from support.world import client, outcome_of

ADD = "/api/commands/tally.add"
WAIT = {"Prefer": "wait=20"}


def tally(tally_id: str, number: int = 1) -> dict[str, Any]:
    """A payload of `tally.add`."""
    return {"tally_id": tally_id, "number": number}


async def passed(seconds: float) -> None:
    """Return when this instant is over."""
    at = now() + timedelta(seconds=seconds)
    await until(lambda: now() > at, seconds + 5)


async def test_a_late_command_fails_and_its_sender_is_told(place: Place) -> None:
    """Held, on a stream and as a status; nothing changes, and there is nothing to bury."""
    async with running_api(place) as url, client(url) as me:
        soon = {"Homing-Expires": "0.5"}
        answer = await me.post(ADD, json=tally("late"), headers=soon)
        assert answer.status_code == 202
        held = asyncio.create_task(me.post(ADD, json=tally("late"), headers={**soon, **WAIT}))
        lasting = await me.post(ADD, json=tally("late", 7), headers={"Homing-Expires": "600"})
        await passed(0.7)
        async with (
            listening(me, answer.json()["links"]["events"]) as stream,
            running_reactor(place),
        ):
            (told,) = await take(stream, 1)
            assert told.json["error"]["type"] == "expired"
            problem = await held
            assert problem.status_code == 500
            assert problem.json()["outcome"]["error"]["type"] == "expired"
            status = await me.get(answer.headers["Location"])
            assert status.json()["error"]["type"] == "expired"
            # The same key goes on with what is wanted still.
            kept = await outcome_of(me, lasting.headers["Location"])
            assert (kept["data"]["count"], kept["data"]["last"]) == (1, 7)
    assert await place.rows("SELECT 1 FROM homing.dead_letters") == []


async def test_a_repeat_keeps_the_first_ones_expiry(place: Place) -> None:
    """It is the same command: neither a longer life nor a shorter one is given to it."""
    async with running_api(place) as url, client(url) as me:

        async def send(key: str, expires: str) -> Any:
            headers = {"Idempotency-Key": key, "Homing-Expires": expires}
            return await me.post(ADD, json=tally(key), headers=headers)

        pairs = [("short", "0.5", "600"), ("long", "600", "0.5")]
        where = {}
        for key, first, second in pairs:
            answers = [await send(key, first), await send(key, second)]
            assert {answer.status_code for answer in answers} == {202}
            assert answers[0].json() == answers[1].json()
            where[key] = answers[0].headers["Location"]
        await passed(0.7)
        async with running_reactor(place):
            assert (await outcome_of(me, where["short"]))["error"]["type"] == "expired"
            assert (await outcome_of(me, where["long"]))["status"] == "succeeded"
            again = await send("short", "600")
        assert (again.status_code, again.json()["outcome"]["error"]["type"]) == (500, "expired")


async def test_a_repeat_gets_its_outcome_when_its_instant_has_passed(place: Place) -> None:
    """Alone and in a batch; only what has no outcome is refused for it."""
    async with running_reactor(place), running_api(place) as url, client(url) as me:
        instant = (now() + timedelta(seconds=3)).isoformat()  # not while they start

        async def send(key: str) -> Any:
            headers = {"Idempotency-Key": key, "Homing-Expires": instant, **WAIT}
            return await me.post(ADD, json=tally("repeated"), headers=headers)

        async def item(key: str) -> Any:
            one = {"type": "tally.add", "payload": tally("repeated"), "expires": instant}
            sent = await me.post("/api/commands", json=[{**one, "idempotency_key": key}])
            return sent.json()[0]

        first = await send("known")
        assert first.status_code == 200, first.text
        await passed(3.1)
        again = await send("known")
        assert (again.status_code, again.json()["data"]) == (200, first.json()["data"])
        in_batch = await item("known")
        assert (in_batch["status"], in_batch["outcome"]["data"]) == (200, first.json()["data"])
        assert ((await send("new")).status_code, (await item("other"))["status"]) == (422, 422)
    assert await place.stored() == 1


async def test_items_of_a_batch_have_each_their_own(place: Place) -> None:
    """As seconds or as an instant; one that cannot be is refused alone, by name."""
    instant = (now() + timedelta(minutes=5)).isoformat()
    said: list[Any] = [0.4, "0.4", instant, None, "soon", 0, 10**9, True]
    async with running_api(place) as url, client(url) as me:
        batch = [
            {"type": "tally.add", "payload": tally(f"item-{n}"), "expires": expires}
            for n, expires in enumerate(said)
        ]
        answers = (await me.post("/api/commands", json=batch)).json()
        assert [one["status"] for one in answers] == [202] * 4 + [400, 422, 422, 422]
        for refused in answers[4:]:
            assert refused["problem"]["errors"][0]["field"] == "expires"
        await passed(0.6)
        async with running_reactor(place):
            links = [one["accepted"]["links"]["status"] for one in answers[:4]]
            outcomes = [await outcome_of(me, link) for link in links]
        assert [one["status"] for one in outcomes] == ["failed"] * 2 + ["succeeded"] * 2
    assert await place.stored() == 4


@pytest.mark.parametrize(
    ("expires", "status", "kind"),
    [
        (("tomorrow",), 400, "bad-expires"),
        (("",), 400, "bad-expires"),
        (("30", "30"), 400, "repeated-header"),
        (("0",), 422, "invalid"),
        (("99999999",), 422, "invalid"),
    ],
)
async def test_an_expiry_that_cannot_be_stores_nothing(
    place: Place, expires: tuple[str, ...], status: int, kind: str
) -> None:
    """A problem that names the header."""
    async with running_api(place) as url, httpx.AsyncClient(base_url=url) as me:
        headers = [("Homing-Expires", said) for said in expires]
        answer = await me.post(ADD, json=tally("never"), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")
        assert answer.json()["errors"][0]["field"] == "Homing-Expires"
    assert await place.stored() == 0
