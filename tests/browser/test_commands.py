"""Where is my command?: each of one's own as a waterfall, while it is on its way and afterwards."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from support.up import Up
from support.visiting import Visit, entry, expect_state, register, unused

pytestmark = pytest.mark.browser
STEPS = [
    "Accepted", "Published: new, stored in the stream", "Received by a reactor",
    "Decided and saved", "Announced", "Sent home",
]  # fmt: skip
TOOK = re.compile(r"^\d+(\.\d)? m?s$")


def trip(page: Page, name: str) -> Locator:
    """The command's waterfall."""
    return page.locator(".trip").filter(has_text=name)


async def expect_settled(mine: Locator) -> None:
    """All steps are there, each with its time."""
    steps = mine.locator(".waterfall li")
    await expect(steps.locator("span:first-child")).to_have_text(STEPS)
    for step in await steps.all():
        await expect(step.locator(".ms")).to_have_text(TOOK)


async def width(mine: Locator) -> float:
    """Of the bar of the step that goes on."""
    box = await mine.locator(".open i").bounding_box()
    return box["width"] if box else 0.0


async def test_a_pending_command_grows_and_settles(page: Page) -> None:
    """What it waits for, a bar that grows, and at the end every step with its time, by itself."""
    name = unused("Landeck")
    await register(page, name, timeout=10, delay=5)
    await expect_state(page, name, "accepted")
    await page.get_by_role("link", name="Follow all").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Where is my command?")
    mine = trip(page, name)
    await expect(mine).to_have_attribute("data-state", "accepted")
    await expect(mine.locator(".open")).to_contain_text("Waiting for a reactor")
    await expect(mine).to_contain_text("It waits for a reactor, to take and decide it.")
    before = await width(mine)
    await page.wait_for_function(
        "(least) => document.querySelector('.trip .open i').offsetWidth > least", arg=before + 5
    )
    await expect(mine).to_have_attribute("data-state", "succeeded")
    await expect_settled(mine)


async def test_it_is_there_after_a_reload(page: Page) -> None:
    """Pending, the page goes on where it was; finished, it shows what it showed."""
    name = unused("Imst")
    await register(page, name, timeout=10, delay=4)
    await expect_state(page, name, "accepted")
    await page.goto("/commands")
    await page.reload()
    mine = trip(page, name)
    await expect(mine.locator(".open")).to_be_visible()
    await expect(mine).to_have_attribute("data-state", "succeeded")
    await expect_settled(mine)
    times = await mine.locator(".waterfall .ms").all_inner_texts()
    await page.reload()
    await expect_settled(mine)
    assert await mine.locator(".waterfall .ms").all_inner_texts() == times


async def test_one_command_is_followed_with_its_ids(page: Page) -> None:
    """From its row in the activity: type, key, command and trace id, its place, and the JSON."""
    name = unused("Reutte")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    await entry(page, name).get_by_role("link", name="Follow").click()
    mine = trip(page, name)
    await expect(page.locator(".trip")).to_have_count(1)
    outcome = await mine.get_by_role("region", name="Raw JSON").inner_text()
    facts = mine.locator(".facts")
    await expect(facts).to_contain_text("locations.register")
    for found in re.findall(r'"(?:command_id|key|trace_id)": "([^"]+)"', outcome):
        await expect(facts).to_contain_text(found)
    await expect(facts).to_contain_text(re.compile(r"message \d+ of the stream, partition \d+"))
    await page.get_by_role("link", name="All commands").click()
    await expect(trip(page, name)).to_be_visible()


async def test_what_this_browser_forgot_the_server_still_knows(page: Page) -> None:
    """The activity cleared, its outcomes are read once; an unknown one is said to be unknown."""
    name = unused("Telfs")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    await page.get_by_role("button", name="Clear").click()
    await expect(entry(page, name)).to_have_count(0)
    await page.goto("/commands")
    mine = trip(page, name)
    await expect(mine.locator(".waterfall li")).to_have_count(4)  # the rest is not stored
    await mine.locator("summary").click()
    command_id = await mine.locator(".facts code").nth(2).inner_text()
    await page.goto(f"/commands/{command_id}")
    await expect(trip(page, name)).to_be_visible()
    for other in ("nothing-of-the-kind", "01890000-0000-7000-8000-000000000000"):
        await page.goto(f"/commands/{other}")
        await expect(page.locator(".empty")).to_contain_text("has sent no such command")


async def test_who_sent_nothing_is_told_so(visit: Visit, up: Up) -> None:
    """With a way to begin."""
    page = await (await visit(up.facts["url"])).new_page()
    await page.goto("/commands")
    await expect(page.locator(".empty")).to_contain_text("Nothing was sent yet.")


async def test_a_phone_and_a_keyboard_are_enough(page: Page) -> None:
    """360 px: nothing sticks out; the sheet leads there, Tab and Enter unfold what there is."""
    name = unused("Schwaz")
    await page.set_viewport_size({"width": 360, "height": 740})
    await register(page, name)
    await expect(page.locator(".toast")).to_be_visible()
    await page.get_by_role("button", name="Activity").press("Enter")
    await page.get_by_role("link", name="Follow all").press("Enter")
    mine = trip(page, name)
    await expect_settled(mine)
    summary = mine.locator("summary")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await summary.evaluate("(one) => one === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await expect(mine.get_by_role("region", name="Raw JSON")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
