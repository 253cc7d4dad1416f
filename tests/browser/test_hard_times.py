"""Hard times: a command that failed, a session that is lost, a cursor that nobody knows."""

from __future__ import annotations

import os
import re
import signal

import pytest
from playwright.async_api import Page, Route, expect

from support.up import Up
from support.visiting import entry, expect_state, fill, register, rows, unused
from support.waiting import until

pytestmark = pytest.mark.browser
DECIDED = "SELECT 1 FROM homing.outcomes WHERE body LIKE $1"
CLOCK = '{"id":"x","type":"locations.register","at":1e99,"state":"late","payload":{"name":"x"}}'
UNREADABLE = [
    *("{}", "[]", "null", '"null"', "7", "no JSON", '{"type":"locations.register"}', CLOCK),
    '{"id":"x","type":"locations.register","at":5,"state":"late"}',
    '{"id":"x","type":"locations.rename","at":5,"state":"failed","outcome":{}}',
]
SPOIL = "UPDATE locations.locations SET category = $2 WHERE name = $1"


async def test_a_command_that_failed_has_an_id_to_quote(page: Page, up: Up) -> None:
    """What is stored of the place cannot be read: said as a failure, and the place stays."""
    name = unused("Hallein")
    await register(page, name)
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(name)
    await rows(up, SPOIL, name, "Nowhere")
    actions = page.get_by_role("region", name="Actions")
    await actions.get_by_text("Rename", exact=True).click()
    await actions.get_by_label("New name").fill(f"{name} B")
    await actions.get_by_role("button", name="Rename", exact=True).click()
    await expect_state(page, f"{name} B", "failed")
    (failed,) = await rows(
        up, "SELECT command_id::text FROM homing.outcomes WHERE status = 'failed'"
    )
    await expect(page.get_by_text(failed["command_id"]).first).to_be_visible()
    await expect(heading).to_have_text(name)
    await rows(up, SPOIL, name, "City")


async def test_a_lost_session_is_said(page: Page) -> None:
    """With a new cookie nobody is told the former session's outcomes: unknown, not late."""
    name = unused("Imst")
    await register(page, name, timeout=0, delay=3)
    await expect_state(page, name, "late")
    await page.goto("about:blank")
    await page.context.clear_cookies()
    await page.goto("/locations")
    await expect_state(page, name, "gone")
    said = page.locator(".toast").filter(has_text="outcome unknown")
    await expect(said).to_contain_text("a new session")


async def test_a_cursor_that_is_not_known_any_more_loses_nothing(page: Page, up: Up) -> None:
    """After a `reset` the status of what is still open is asked for, one by one."""
    name = unused("Kufstein")
    await register(page, name, timeout=0, delay=2)
    await expect_state(page, name, "late")
    await page.goto("about:blank")

    async def decided() -> bool:
        return bool(await rows(up, DECIDED, f"%{name}%"))

    await until(decided)

    async def of_another_database(route: Route) -> None:
        headers = {**route.request.headers, "last-event-id": "9.9-1"}
        await route.continue_(url=route.request.url.partition("?")[0], headers=headers)

    await page.route("**/api/outcomes/stream*", of_another_database)
    await page.goto("/locations")
    await expect(page.locator(".toast").filter(has_text=f"“{name}” is ready now.")).to_be_visible()


async def test_what_is_kept_and_cannot_be_read_is_dropped(page: Page) -> None:
    """No record in the browser's storage, whatever is in it, makes the page blank."""
    name = unused("Lustenau")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    keys = [f"homing.command/{i}" for i in range(len(UNREADABLE))]
    keep = "(one) => localStorage.setItem(...one)"
    for key, record in zip([*keys, "homing.command/x"], [*UNREADABLE, CLOCK], strict=True):
        await page.evaluate(keep, [key, record])
    for spoilt in ('{"cursor":5,"told":3}', "[]", "7", "no JSON"):
        for key in ("homing.stream", "homing.options"):
            await page.evaluate(keep, [key, spoilt])
        await page.goto("/locations")
        await expect(page.locator(".rows li").filter(has_text=name)).to_be_visible()
        await expect(page.locator(".log > li")).to_have_count(1)
    left = await page.evaluate("(keys) => keys.filter((key) => localStorage.getItem(key))", keys)
    assert left == []
    another = unused("Hohenems")
    await register(page, another)
    await expect_state(page, another, "succeeded")


async def test_a_server_that_hangs_is_not_waited_for_longer_than_asked(page: Page, up: Up) -> None:
    """The wait is over, no answer: said so. Then it is ready, and took as long as one has waited.

    A server that takes the request and says nothing breaks no connection: only the clock tells.
    """
    name = unused("Telfs")
    await page.goto("/locations/new")
    await fill(page, name, timeout=1)
    journey = page.locator(".journey")
    os.kill(up.facts["pids"]["api"], signal.SIGSTOP)
    try:
        await page.get_by_role("button", name="Register", exact=True).click()
        await expect(journey).to_contain_text("Not sent yet", timeout=4000)
        await expect_state(page, name, "retrying")
        await page.get_by_role("link", name="All locations").click()
        await expect(page.locator(".rows .waiting")).to_contain_text("Not sent yet")
    finally:
        os.kill(up.facts["pids"]["api"], signal.SIGCONT)
    ready = page.locator(".toast").filter(has_text=f"“{name}” is ready now.")
    await expect(ready).to_be_visible()
    await expect(entry(page, name)).to_contain_text(re.compile(r"Done in [1-9](\.\d)? s"))


async def test_a_request_without_an_answer_is_sent_again(page: Page, up: Up) -> None:
    """Cut when no answer comes long after the wait, repeated with its key: one command of it."""
    name = unused("Wattens")
    keys: list[str] = []

    async def swallow(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            await route.continue_()

    await page.route("**/api/commands/*", swallow)
    await page.goto("/locations/new")
    await fill(page, name, timeout=0)
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect_state(page, name, "sending")
    await expect_state(page, name, "retrying")
    await expect(page.locator(".journey")).to_contain_text("Not sent yet")
    await expect(entry(page, name)).to_have_attribute("data-state", "succeeded", timeout=25_000)
    assert len(set(keys)) == 1
    assert len(keys) == 2


async def test_what_is_told_replaces_that_it_is_on_its_way(page: Page) -> None:
    """No message says “on its way” beside the one that says what came of it."""
    toasts = page.locator(".toast")
    names = [unused("Zirl"), unused("Axams")]
    for name in names:
        await register(page, name, timeout=0, delay=5)
        await expect_state(page, name, "late")
    await page.reload()
    await expect(toasts).to_have_count(1)
    await expect(toasts).to_contain_text("2 commands are still on their way.")
    for name in names:
        await expect(toasts.filter(has_text=f"“{name}” is ready now.")).to_be_visible()
    await expect(toasts).to_have_count(2)
    for count in (1, 2):
        for name in [unused("Völs") for _ in range(count)]:
            await register(page, name, timeout=0, delay=5)
            await expect_state(page, name, "late")
        await page.goto("about:blank")
        await page.context.clear_cookies()
        await page.goto("/locations")
        await expect(toasts.filter(has_text="outcome unknown")).to_have_count(count)
        await expect(toasts).to_have_count(count)


async def test_a_long_name_leaves_the_screen_free(page: Page) -> None:
    """On a phone its message has a few lines, and lies below the sheet of the activity."""
    await page.set_viewport_size({"width": 360, "height": 640})
    name = unused("Kematen").ljust(200, "w")
    await register(page, name)
    toast = page.locator(".toast")
    await expect(toast).to_be_visible()
    box = await toast.bounding_box()
    assert box is not None
    assert box["height"] < 640 / 4
    await page.get_by_role("button", name="Activity").click()
    centre = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    on_top = "([x, y]) => !document.elementFromPoint(x, y).closest('.toast')"
    await page.wait_for_function(on_top, arg=centre)
