"""One stream per browser: shared by its tabs, handed on, resumed with nothing missed."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.async_api import BrowserContext, Page, expect

from support.up import Up, answers
from support.visiting import (
    Manners,
    Visit,
    expect_state,
    log,
    register,
    rows,
    streams_open,
    unused,
)
from support.waiting import until

pytestmark = pytest.mark.browser
STORED = "SELECT command_id::text, status FROM homing.outcomes WHERE owner = $1"


async def open_tabs(context: BrowserContext, count: int) -> list[Page]:
    """So many tabs at the list."""
    tabs = [await context.new_page() for _ in range(count)]
    for tab in tabs:
        await tab.goto("/locations")
    return tabs


async def listening(up: Up, before: int, streams: int = 1) -> None:
    """Wait until so many streams are open, besides those that were."""

    async def settled() -> bool:
        return await streams_open(up) == before + streams

    await until(settled)


async def leads(tab: Page) -> bool:
    """Whether it holds the lock: the browser tells locks by client, and this one has its own."""
    return bool(
        await tab.evaluate(
            "() => navigator.locks.request(crypto.randomUUID(), async ({ name: own }) => {"
            "  const { held } = await navigator.locks.query();"
            "  const of = (name) => held.find((lock) => lock.name === name)?.clientId;"
            "  return of(own) === of('homing');"
            "})"
        )
    )


async def leader(tabs: list[Page]) -> Page:
    """The tab that has the stream."""
    (one,) = [tab for tab in tabs if await leads(tab)]
    return one


@pytest.fixture
async def before(up: Up, page: Page) -> int:
    """How many streams are open before the test, once those of former tests have ended."""

    async def none() -> bool:
        return await streams_open(up) == 0

    await until(none)
    return 0


async def test_ten_tabs_use_one_stream(up: Up, page: Page, before: int) -> None:
    """Nine more tabs open no further stream, and every one of them is told."""
    tabs = [page, *await open_tabs(page.context, 9)]
    await page.goto("/locations")
    await listening(up, before)
    name = unused("Hallein")
    await register(tabs[5], name, timeout=0, delay=0.5)
    for tab in tabs:
        await expect_state(tab, name, "succeeded")
        await expect(tab.locator(".toast").filter(has_text=name)).to_be_visible()
    assert await streams_open(up) == before + 1


async def test_closing_the_tab_that_leads_moves_the_stream(up: Up, page: Page, before: int) -> None:
    """Another tab has the stream at once, and is told what came in between."""
    tabs = [page, *await open_tabs(page.context, 2)]
    await page.goto("/locations")
    await listening(up, before)
    first = await leader(tabs)
    others = [tab for tab in tabs if tab is not first]
    name = unused("Bludenz")
    await register(first, name, timeout=0, delay=3)
    await expect_state(others[0], name, "late")
    await first.close()
    for tab in others:
        await expect_state(tab, name, "succeeded")
    assert [await leads(tab) for tab in others].count(True) == 1
    await listening(up, before)


@pytest.mark.parametrize("rest", ["frozen", "asleep"])
async def test_a_leader_at_rest_is_replaced(up: Up, page: Page, before: int, rest: str) -> None:
    """Frozen by the browser it steps down itself; asleep it keeps its lock, which is taken."""
    tabs = [page, *await open_tabs(page.context, 1)]
    await page.goto("/locations")
    await listening(up, before)
    first = await leader(tabs)
    other = next(tab for tab in tabs if tab is not first)
    # No browser without a screen hides a tab, and only hidden ones are frozen: what it would say.
    busy = "() => void setTimeout((end = Date.now() + 12e3) => { while (Date.now() < end); })"
    freezes = "() => document.dispatchEvent(new Event('freeze'))"
    await first.evaluate(freezes if rest == "frozen" else busy)
    name = unused("Imst")
    await register(other, name, timeout=0, delay=0.5)
    await expect_state(other, name, "succeeded")
    await until(lambda: leads(other))
    await listening(up, before)


async def test_a_killed_api_costs_nothing(
    up: Up, page: Page, before: int, manners: Manners
) -> None:
    """It says that it is lost, comes back by itself, and the log has every outcome there is."""
    manners.server_may_be_away = True
    await page.goto("/locations")
    await listening(up, before)
    names = [unused("Telfs") for _ in range(3)]
    for name in names:
        await register(page, name, timeout=0, delay=4)
        await expect_state(page, name, "late")
    os.kill(up.facts["pids"]["api"], signal.SIGKILL)
    bar = page.locator("#connection")
    await expect(bar).to_contain_text("The server does not answer.")
    for name in names:
        await expect_state(page, name, "succeeded")
    await expect(bar).to_be_hidden()
    owner = (await (await page.request.get("/api/session")).json())["owner"]
    stored = await rows(
        up, "SELECT command_id::text, status FROM homing.outcomes WHERE owner = $1", owner
    )
    assert await log(page) == {row["command_id"]: row["status"] for row in stored}
    assert len(stored) == len(names)
    up.until(lambda: all(answers(url) for url in up.probes))


async def test_what_came_meanwhile_is_counted(page: Page, visit: Visit, up: Up) -> None:
    """Who comes back after the outcome is told how many came, and which."""
    name = unused("Reutte")
    await register(page, name, timeout=0, delay=3)
    await expect_state(page, name, "late")
    await page.goto("about:blank")

    async def decided() -> bool:
        return bool(await rows(up, "SELECT 1 FROM homing.outcomes WHERE body LIKE $1", f"%{name}%"))

    await until(decided)
    await page.goto("/locations")
    await expect(page.locator("#connection")).to_have_text(
        "Caught up: 1 outcome came while you were away."
    )
    await expect(page.locator(".toast").filter(has_text=f"“{name}” is ready now.")).to_be_visible()


async def test_what_cannot_be_sent_is_kept_and_sent(page: Page, manners: Manners) -> None:
    """Offline: the bar says so, the command is kept over a move, and goes when there is a net."""
    manners.server_may_be_away = True
    await page.goto("/locations/new")
    await expect(page.get_by_role("button", name="Register", exact=True)).to_be_visible()
    name = unused("Landeck")
    await page.get_by_label("Category").select_option("Town")
    async with page.expect_event("requestfinished", lambda one: one.url.endswith("/rows.js")):
        await page.get_by_label("Name", exact=True).press_sequentially(name)  # gets all views
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_contain_text("This device is offline.")
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.locator(".journey")).to_have_attribute("data-state", "retrying")
    await page.get_by_role("link", name="All locations").click()
    await expect(page.locator(".rows .waiting")).to_contain_text(name)
    await page.context.set_offline(False)
    await expect_state(page, name, "succeeded")
    await expect(page.locator(".rows").get_by_role("link", name=name)).to_be_visible()


@pytest.mark.parametrize("missing", ["locks", "BroadcastChannel"])
async def test_without_locks_or_channel_each_tab_listens_itself(
    up: Up, page: Page, before: int, missing: str
) -> None:
    """On an insecure origin or an old browser: two tabs, two streams, and both are told."""
    gone = {
        "locks": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
        "BroadcastChannel": "delete globalThis.BroadcastChannel",
    }
    await page.context.add_init_script(gone[missing])
    other = await page.context.new_page()
    for tab in (page, other):
        await tab.goto("/locations")
    await listening(up, before, 2)
    name = unused("Ischgl")
    await register(page, name, timeout=0, delay=0.5)
    for tab in (page, other):
        await expect_state(tab, name, "succeeded")
        await expect(tab.locator(".toast").filter(has_text=name)).to_be_visible()
