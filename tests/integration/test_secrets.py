"""Nothing that is secret, and nothing that a client sent, is in any log, whatever goes wrong.

Each secret and each part of a command is planted; all processes log at their most talkative.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

import httpx
import nats
import pytest

from homing.log_actions import ACTIONS
from support.place import Place
from support.running import TALLY, Process
from support.scraped import scraped
from support.waiting import until
from support.world import outcome_of

SESSION_KEY = "planted-session-key-of-more-than-32-characters"
API_PASSWORD, OPERATOR = "planted-api-password", "planted-operator-token"
IDEMPOTENCY = "planted-idempotency-key"
BEARER, PAYLOAD = "planted-bearer", "planted-payload"
WAIT, TOKEN = {"Prefer": "wait=20"}, {"Authorization": f"Bearer {BEARER}"}
ADD, EXPLODE = "/api/commands/tally.add", "/api/commands/tally.explode"
MAKE = "/api/commands/trouble.make"


ENVIRON = {
    "HOMING_LOG_LEVEL": "debug",
    "HOMING_SESSION_KEYS": SESSION_KEY,
    "HOMING_OPERATOR_TOKEN": OPERATOR,
}


async def test_no_secret_and_no_payload_is_logged(place: Place) -> None:
    """By the API, the reactors, the web process and the migration; in order and in disorder."""
    api = Process("api", place, **ENVIRON)
    upstream = api.url.replace("http://", f"http://somebody:{API_PASSWORD}@")
    web = Process("web", place, **ENVIRON, HOMING_API_URL=upstream)
    reactors = [Process("reactor", place, **ENVIRON) for _ in range(2)]
    processes = [api, web, *reactors]
    migrated = await _migrated(place)
    cookie = ""
    try:
        await asyncio.gather(*(one.start().ready() for one in processes))
        async with httpx.AsyncClient(base_url=web.url, timeout=40) as me:
            (await me.get("/api/session")).raise_for_status()
            cookie = next(iter(me.cookies.values()))
            await me.post(api.url + ADD, json={"note": PAYLOAD}, headers=TOKEN)
            await _verdicts(me)
            await _strangers(place)
            pages = [await scraped(one.internal) for one in processes]
            assert pages[1].names == {"homing_build_info"}
            await _outages(place, me, reactors[0])
    finally:
        for one in processes:
            await one.end()
    texts = [migrated, *(one.log for one in processes)]
    roles = ("homing_api", "homing_reactor", "homing_migrator")
    urls = [place.nats_url, *(place.postgres_url(role) for role in roles)]
    passwords = [urlsplit(url).password or "" for url in urls]
    secrets = [
        SESSION_KEY, API_PASSWORD, OPERATOR, IDEMPOTENCY, BEARER, PAYLOAD, cookie,
        *passwords,
    ]  # fmt: skip
    assert all(secrets)
    found = [
        line for text in texts for line in text.splitlines() if any(one in line for one in secrets)
    ]
    assert found == []
    _in_one_form(texts)


async def _verdicts(me: httpx.AsyncClient) -> None:
    """Every verdict, and every way to fail."""
    key = {"Idempotency-Key": IDEMPOTENCY}
    good = {"tally_id": "planted", "number": 1, "note": PAYLOAD}
    for _ in range(2):
        assert (await me.post(ADD, json=good, headers={**WAIT, **key})).status_code == 200
    assert (await me.post(ADD, json={**good, "number": 2}, headers=key)).status_code == 422
    assert (await me.post(ADD, json={**good, "number": -1}, headers=WAIT)).status_code == 409
    assert (await me.post(ADD, json={**good, "number": PAYLOAD})).status_code == 422
    assert (await me.post(ADD, content=f'{{"x": {PAYLOAD}')).status_code == 415
    headers = {"Content-Type": "application/json"}
    assert (await me.post(ADD, content=PAYLOAD, headers=headers)).status_code == 400
    boom = {"tally_id": "planted"}
    assert (await me.post(EXPLODE, json=boom, headers=WAIT)).status_code == 500
    for kind in ("refused", "slow", "conflict"):
        made = {"trouble_id": PAYLOAD, "kind": kind}
        answer = await me.post(MAKE, json=made, headers=WAIT)
        assert answer.status_code == (500 if kind == "refused" else 200)
    batch = [{"type": "tally.add", "payload": good}, {"type": PAYLOAD, "payload": {"x": PAYLOAD}}]
    assert (await me.post("/api/commands", json=batch)).status_code == 200
    with pytest.raises(httpx.ReadTimeout):
        await me.post(MAKE, json={"trouble_id": PAYLOAD, "kind": "slow"}, headers=WAIT, timeout=0.1)


async def _strangers(place: Place) -> None:
    """What nobody of us would send."""
    broker = await nats.connect(place.nats_url)
    try:
        await broker.jetstream().publish("homing.commands.3.tally.add", PAYLOAD.encode())
        await broker.publish("homing.outcomes.somebody.something", PAYLOAD.encode())
        await broker.flush()
    finally:
        await broker.close()
    await until(lambda: _letters(place))


async def _outages(place: Place, me: httpx.AsyncClient, reactor: Process) -> None:
    """With commands on their way."""
    for server in (place.servers.postgres, place.servers.nats):
        some = [{"tally_id": f"{number}", "number": 1, "note": PAYLOAD} for number in range(10)]
        sent = [asyncio.create_task(me.post(ADD, json=one)) for one in some]
        await server.stop()
        try:
            await asyncio.sleep(0)
            await me.get("/api/tally/planted")
        finally:
            await server.start()
        await asyncio.gather(*sent, return_exceptions=True)
    await reactor.end(signal.SIGKILL)

    async def works() -> Any:
        answer = await me.post(ADD, json={"tally_id": "end", "number": 1, "note": PAYLOAD})
        return answer if answer.status_code == 202 else None

    answer = await until(works, 40)
    assert (await outcome_of(me, answer.headers["Location"], 40))["status"] == "succeeded"


def _in_one_form(texts: list[str]) -> None:
    """One JSON object per line, with an action of the list, and what a command's line must have."""
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    assert {line["action"] for line in lines} <= set(ACTIONS)
    assert {line["service"] for line in lines} == {"api", "web", "reactor", "migrate"}
    letters = [line for line in lines if line["action"] == "command.dead_letter"]
    assert {line["reason"] for line in letters} == {"domain-error", "not-applicable", "unreadable"}
    for line in (one for one in lines if one.get("command_id")):
        assert line["trace_id"], line
        assert isinstance(line["partition"], int), line


async def _letters(place: Place) -> bool:
    rows = await place.rows("SELECT 1 FROM homing.dead_letters WHERE reason LIKE 'unreadable%'")
    return bool(rows)


async def _migrated(place: Place) -> str:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homing", "migrate"), stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ, **place.environ("homing_migrator"), **ENVIRON, "PYTHONPATH": str(TALLY),
            "HOMING_COMMANDS_MAX_BYTES": str(256 * 1024 * 1024),
        },
    )  # fmt: skip
    _, text = await running.communicate()
    assert running.returncode == 0, text
    return text.decode()
