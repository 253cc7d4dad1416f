"""The operators' page: what moves is seen to move, and what may be done needs the token."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from homing.local import ports
from support.place import open_folder
from support.running import TALLY
from support.up import Up
from support.visiting import Visit

pytestmark = pytest.mark.browser
TOKEN = "an-operators-token-of-its-own"
WAIT = {"Prefer": "wait=20"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Up]:
    """A run with a token, and a domain that fails when it is asked to."""
    folder = open_folder()
    started = Up(folder, HOMING_OPERATOR_TOKEN=TOKEN, PYTHONPATH=str(TALLY))
    try:
        yield started.ready()
    finally:
        started.clean_up()
        shutil.rmtree(folder)


@pytest.fixture
async def desk(visit: Visit, guarded: Up) -> Page:
    """The page, by the address that one types."""
    page = await (await visit(guarded.facts["internal"]["web"])).new_page()
    await page.goto("/")
    await expect(page.locator(".cells i")).to_have_count(64)
    return page


async def send(up: Up, kind: str, payload: dict[str, Any], **headers: str) -> Any:
    """Send a command of the test's own domain; its answer."""
    async with httpx.AsyncClient(base_url=up.facts["url"], timeout=30) as client:
        answer = await client.post(f"/api/commands/tally.{kind}", json=payload, headers=headers)
        return answer.json()


async def fail(up: Up, key: str) -> Any:
    """A command that becomes a dead letter; its outcome."""
    return (await send(up, "explode", {"tally_id": key}, **WAIT))["outcome"]


def letter(page: Page, command_id: str) -> Any:
    """Its dead letter on the page."""
    return page.locator(".letters > li").filter(has_text=command_id)


async def say_the_token(page: Page) -> None:
    await page.get_by_label("token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#rights")).to_contain_text("With your token")


async def test_partitions_move_when_a_reactor_joins_and_leaves(desk: Page, guarded: Up) -> None:
    """A third reactor takes its share before one's eyes, and what it had goes back."""
    rows = desk.locator(".reactors > li")
    await expect(rows).to_have_count(2)
    environ = {
        **os.environ, "HOMING_NATS_URL": guarded.facts["nats"], "PYTHONPATH": str(TALLY),
        "HOMING_POSTGRES_URL": guarded.facts["postgres"],
        "HOMING_INTERNAL_PORT": str(ports.free()[0]),
    }  # fmt: skip
    words = ("-m", "homing", "reactor")
    third = await asyncio.create_subprocess_exec(sys.executable, *words, env=environ)
    try:
        await expect(rows).to_have_count(3)
        mine = desk.locator(f'[data-instance*="-{third.pid}-"]')
        await expect(mine.locator(".cells i")).to_have_count(21)
        await expect(mine).to_contain_text("21 partitions, heard just now")
        await expect(desk.locator(".cells .moved").first).to_be_attached()
        await expect(desk.locator("#voice")).to_contain_text("1 reactor joined; there are 3.")
    finally:
        third.send_signal(signal.SIGTERM)
        await third.wait()
    await expect(rows).to_have_count(2)
    await expect(desk.locator(".cells i")).to_have_count(64)


async def test_what_waits_is_seen_with_its_lag(desk: Page, guarded: Up) -> None:
    """A command that is held back shows in its partition and in all, until it is applied."""
    held = {"Homing-Demo-Delay": "4"}
    answer = await send(guarded, "add", {"tally_id": "waits", "number": 1}, **held)
    row = desk.get_by_role("row").filter(
        has=desk.get_by_role("rowheader", name=str(answer["position"]["partition"]), exact=True)
    )
    await expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"\d+ (m?s)"))
    await expect(row.get_by_role("cell").nth(2)).to_have_text("1")
    await expect(desk.locator("#figures")).to_contain_text("1 unapplied in 1 partition")
    await expect(row).to_have_count(0)
    await expect(desk.locator("#figures")).to_contain_text("all is applied")
    await expect(desk.get_by_role("row").nth(1)).to_contain_text("waits")


async def test_a_dead_letter_appears_and_is_replayed_and_discarded(desk: Page, guarded: Up) -> None:
    """With the token: what is in it, the replay and what came of it, and off the list."""
    failed = await fail(guarded, "unlucky")
    mine = letter(desk, failed["command_id"])
    await expect(mine).to_contain_text("domain-error")
    await expect(mine.get_by_role("button")).to_have_count(0)
    await say_the_token(desk)
    await mine.get_by_role("button", name="Show").click()
    await expect(mine.get_by_role("region", name="Body")).to_contain_text('"tally_id":"unlucky"')
    await mine.get_by_role("button", name="Replay").click()
    await expect(mine).to_contain_text("replay 1 failed")
    await expect(mine.get_by_role("button", name="Replay")).to_be_focused()
    await mine.get_by_role("button", name="Discard").click()
    await mine.get_by_role("button", name="sure?").click()
    await expect(mine).to_have_count(0)
    await expect(desk.get_by_role("heading", name="Dead letters")).to_be_focused()
    await expect(desk.locator("#voice")).to_contain_text("is discarded.")
    await desk.get_by_role("button", name="Forget the token").click()
    await expect(desk.get_by_label("token")).to_be_visible()


async def test_the_token_stays_in_its_tab_and_out_of_urls(desk: Page, guarded: Up) -> None:
    """It is in sessionStorage alone, survives a reload, and a wrong one is forgotten and said."""
    failed = await fail(guarded, "private")
    asked: list[str] = []
    desk.on("request", lambda request: asked.append(request.url))
    await desk.get_by_label("token").fill("another-token-than-that")
    await desk.keyboard.press("Enter")
    mine = letter(desk, failed["command_id"])
    await mine.get_by_role("button", name="Show").click()
    await expect(desk.locator(".error:visible")).to_have_text("This is not the operators' token.")
    await say_the_token(desk)
    await desk.reload()
    await expect(desk.locator("#rights")).to_contain_text("With your token")
    stored = "() => JSON.stringify([localStorage, document.cookie])"
    assert TOKEN not in await desk.evaluate(stored)
    assert not [url for url in asked if "token-" in url]
    assert TOKEN not in guarded.text


async def test_without_a_token_on_the_server_it_only_reads(visit: Visit, up: Up) -> None:
    """The page says so, and offers nothing; the public ports have none of it."""
    page = await (await visit(up.facts["internal"]["web"])).new_page()
    await page.goto("/operator")
    await expect(page.locator("#rights")).to_contain_text("HOMING_OPERATOR_TOKEN is not set")
    await expect(page.locator(".reactors > li")).to_have_count(2)
    await expect(page.get_by_label("token")).to_be_hidden()
    async with httpx.AsyncClient(follow_redirects=False) as client:
        for path in ("/operator/state", "/operator/events", "/operator/static/operator.js"):
            assert (await client.get(up.facts["api"] + path)).status_code == 404
            public = await client.get(up.facts["url"] + path)
            assert (public.status_code, "operator" in public.text) == (404, False)
        host = {"Host": "evil.example"}
        for path in ("/", "/operator", "/operator/state"):
            refused = await client.get(up.facts["internal"]["web"] + path, headers=host)
            assert refused.status_code == 421
        for probe in ("livez", "readyz", "metrics"):
            answer = await client.get(f"{up.facts['internal']['web']}/{probe}", headers=host)
            assert answer.status_code == 200
        missing = await client.get(up.facts["internal"]["web"] + "/elsewhere")
        assert (missing.status_code, missing.json()["type"]) == (404, "/problems/not-found")
        page_ = await client.get(up.facts["internal"]["web"] + "/operator")
        assert "default-src 'none'" in page_.headers["content-security-policy"]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_operators_find_no_barrier(desk: Page, guarded: Up, theme: Any) -> None:
    """axe finds nothing serious, a letter unfolded and all partitions shown; 360 px are enough."""
    failed = await fail(guarded, "in the way")
    await desk.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await say_the_token(desk)
    await letter(desk, failed["command_id"]).get_by_role("button", name="Show").click()
    await expect(desk.get_by_role("region", name="Body")).to_be_visible()
    await desk.get_by_label("Also those that do not wait").check()
    await expect(desk.locator("#partitions tbody tr")).to_have_count(64)
    for width in (1280, 360):
        await desk.set_viewport_size({"width": width, "height": 800})
        found = (await Axe().run(desk)).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
        assert await desk.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_server_says_why_there_is_nothing_to_see(desk: Page) -> None:
    """In its own words, if it has some; and the page goes on by itself."""
    problem = {"status": 503, "body": '{"detail": "It is not there."}'}
    await desk.route("**/operator/events", lambda route: route.fulfill(**problem))
    await desk.reload()
    await expect(desk.locator("#connection")).to_have_text("It is not there.")
    await expect(desk.get_by_role("heading", name="Reactors")).to_be_hidden()  # "none" is no lie
    await desk.unroute("**/operator/events")
    await expect(desk.locator(".cells i")).to_have_count(64)
    await expect(desk.get_by_role("heading", name="Reactors")).to_be_visible()
    await expect(desk.locator("#connection")).to_be_hidden()


async def test_what_cannot_be_looked_at_is_not_said_to_be_empty(desk: Page) -> None:
    """Neither while Postgres does not answer, nor for whoever is one too many."""
    told = 'event: unavailable\ndata: {"detail":"There is no room."}\n\nretry: 60000\n\n'
    answer = {"content_type": "text/event-stream", "body": told}
    await desk.route("**/operator/events", lambda route: route.fulfill(**answer))
    await desk.reload()
    bar = desk.locator("#connection")
    await expect(bar).to_have_text("It cannot be looked at: There is no room.")
    for words in ("No reactor is running", "None waits", "whatever was accepted", "none yet"):
        await expect(desk.get_by_text(words)).to_be_hidden()
    await expect(desk.locator("#rights")).to_have_text("Reading what there is.")


@contextmanager
def standing_still(up: Up, name: str) -> Iterator[None]:
    """All processes of a server, with their connections open."""
    running = psutil.Process(up.process.pid).children(recursive=True)
    server = [one for one in running if name in one.name()]
    for one in server:
        one.suspend()
    try:
        yield
    finally:
        for one in server:
            one.resume()


async def test_what_was_seen_before_is_said_to_be_old(desk: Page, guarded: Up) -> None:
    """While Postgres stands still; what was shown stays, as it may help."""
    bar = desk.locator("#connection")
    with standing_still(guarded, "postgres"):
        await expect(bar).to_contain_text("It cannot be looked at: ", timeout=20_000)
        await expect(bar).to_contain_text("What is shown may be old.")
        await expect(desk.locator(".cells i")).to_have_count(64)
    await expect(bar).to_be_hidden(timeout=20_000)


async def test_a_server_that_says_nothing_does_not_answer(desk: Page) -> None:
    """It took the request, and hangs: only the clock tells."""
    await desk.route("**/operator/events", lambda _route: None)
    await desk.reload()
    bar = desk.locator("#connection")
    await expect(bar).to_have_text("The server does not answer.", timeout=30_000)
    await expect(desk.get_by_role("heading", name="Reactors")).to_be_hidden()


async def test_what_waits_may_be_unknown(desk: Page, guarded: Up) -> None:
    """While NATS stands still: neither 0 nor none, and it is known again afterwards."""
    part = desk.locator("#partitions")
    await expect(part).to_contain_text("None waits, and none has trouble.")
    with standing_still(guarded, "nats-server"):
        await expect(part).to_contain_text("What waits is not known.", timeout=15_000)
        await desk.get_by_label("Also those that do not wait").check()
        await expect(part.get_by_role("cell", name="unknown")).to_have_count(64)
    await expect(part.get_by_role("cell", name="unknown")).to_have_count(0, timeout=15_000)


async def test_what_no_header_can_carry_is_no_token(desk: Page) -> None:
    """Said at once, and not kept; it never reaches the server."""
    await desk.get_by_label("token").fill("an-operators-token-\U0001f600")
    await desk.keyboard.press("Enter")
    await expect(desk.locator(".error:visible")).to_contain_text("letters, digits")
    await expect(desk.get_by_label("token")).to_be_visible()
    assert await desk.evaluate("sessionStorage.length") == 0


async def test_it_says_when_it_cannot_look_and_comes_back(desk: Page, guarded: Up) -> None:
    """The API away, what is shown is said to be old; once it is there again, all goes on."""
    api = guarded.facts["pids"]["api"]
    os.kill(api, signal.SIGKILL)  # `homing up` starts it anew
    await expect(desk.locator("#connection")).to_contain_text("What is shown may be old")
    await expect(desk.locator("#connection")).to_be_hidden(timeout=30_000)
    await fail(guarded, "after all")
    await expect(desk.get_by_role("cell", name="after all")).to_be_visible()
