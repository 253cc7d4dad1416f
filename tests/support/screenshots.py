"""Takes every screen and state of the page, in both themes and three widths: `make screenshots`."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright, expect

from support.place import open_folder
from support.running import TALLY
from support.up import Up
from support.visiting import CHROMIUM_OPTIONS, expect_state, fill, register

WIDTHS = {360: 740, 768: 1024, 1440: 900}
PLACES = {
    "Graz": "City", "Hallstatt": "Town", "Tyrol": "County/Region", "Austria": "Country",
    "Linz": "City", "Zell am See": "Town", "Europe": "Continent",
}  # fmt: skip
OPERATOR_TOKEN = "for-the-pictures-alone"
Shot = Callable[[Page], Awaitable[None]]


async def list_(page: Page) -> None:
    """What is on its way stands among what is there."""
    await register(page, "Innsbruck", timeout=0, delay=5)
    await expect_state(page, "Innsbruck", "late")
    await page.get_by_role("link", name="Locations", exact=True).click()
    await expect(page.locator(".rows .waiting")).to_be_visible()
    await expect(page.locator(".rows li")).to_have_count(len(PLACES) + 1)
    await close_toasts(page)


async def create(page: Page) -> None:
    """The form, with the choice of how to wait."""
    await page.goto("/locations/new")
    await fill(page, "Salzburg", delay=3)
    await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")


async def late(page: Page) -> None:
    """The time is up, the line waits where it is."""
    await register(page, "Salzburg", timeout=0.5, delay=5)
    await expect(page.locator(".journey")).to_contain_text("available shortly")
    await close_toasts(page)


async def rejected(page: Page) -> None:
    """Why, at the field."""
    await register(page, "Graz")
    await expect(page.locator(".field .error").first).to_be_visible()


async def detail(page: Page) -> None:
    """The place, an action unfolded, a message."""
    await register(page, "Salzburg", timeout=2)
    await expect(page.locator(".toast")).to_be_visible()
    await page.get_by_text("Rename", exact=True).click()
    await expect(page.get_by_label("New name")).to_be_visible()


async def activity(page: Page) -> None:
    """Where is my command, and the raw JSON."""
    await register(page, "Salzburg", timeout=0.5, delay=1)
    await expect_state(page, "Salzburg", "succeeded")
    await close_toasts(page)
    if (page.viewport_size or {"width": 0})["width"] < 960:
        await page.get_by_role("button", name="Activity").click()
    await page.locator(".log summary").first.click()
    await expect(page.locator(".waterfall li")).to_have_count(6)
    await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")


async def commands(page: Page) -> None:
    """One on its way, those that came home, one that was rejected."""
    await register(page, "Graz")
    await expect_state(page, "Graz", "rejected")
    await register(page, "Salzburg", timeout=0.5, delay=1)
    await expect_state(page, "Salzburg", "succeeded")
    await register(page, "Innsbruck", timeout=10, delay=5)
    await expect_state(page, "Innsbruck", "accepted")
    await close_toasts(page)
    await page.goto("/commands")
    await expect(page.locator(".trip .open")).to_contain_text("2 s")
    await close_toasts(page)


async def operators(page: Page) -> None:
    """Who holds what, what waits, what failed; without the token."""
    await show_operators(page)


async def letter(page: Page) -> None:
    """With the token: a dead letter with all that is in it."""
    await page.route("**/operator/dead-letters/*", without_paths)
    await show_operators(page)
    await page.get_by_label("token").fill(OPERATOR_TOKEN)
    await page.keyboard.press("Enter")
    mine = page.locator(".letters > li").first
    await mine.get_by_role("button", name="Show").click()
    await expect(mine.get_by_role("region", name="Traceback")).to_be_visible()
    await mine.scroll_into_view_if_needed()
    await mine.evaluate("(one) => scrollTo(0, one.getBoundingClientRect().top + scrollY - 120)")
    await page.evaluate("document.activeElement.blur()")


async def without_paths(route: Route) -> None:
    """Where this checkout lies is nobody's business: a traceback as in an image."""
    answer = await route.fetch()
    text = (await answer.text()).replace(str(Path(__file__).parents[2]), "/app")
    await route.fulfill(response=answer, body=text)


async def show_operators(page: Page) -> None:
    """A little to see: commands that come home, two that are held back, two that failed."""
    origin = page.context.request
    await page.goto("/nowhere")
    await page.goto(await page.evaluate("globalThis.operators"))
    await expect(page.locator(".cells i")).to_have_count(64)
    await expect(page.locator("#figures b").first).to_have_text(re.compile(r"\d"))
    for number in range(40):
        await command(page.context, "add", {"tally_id": f"t{number}", "number": number}, "tally")
    for number in range(2):
        held = {"tally_id": f"held {number}", "number": 1}
        await origin.post("/api/commands/tally.add", data=held, headers={"Homing-Demo-Delay": "5"})
    await expect(page.locator("#figures")).to_contain_text("2 unapplied in 2 partitions")
    await expect(page.locator("#figures b").first).to_have_text(re.compile("[1-9]"))
    await expect(page.locator(".letters > li")).to_have_count(2)


async def empty(page: Page) -> None:
    """Nothing of this kind yet."""
    await page.goto("/locations")
    await expect(page.locator(".empty")).to_be_visible()


async def missing(page: Page) -> None:
    """A path that leads nowhere."""
    await page.goto("/nowhere/at/all")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


async def lost(page: Page) -> None:
    """The server does not answer: the bar counts down, what was sent is kept."""
    await page.goto("/locations")
    await expect(page.locator(".rows li").first).to_be_visible()
    await page.keyboard.press("n")
    await expect(page.get_by_role("heading", level=1)).to_have_text("New location")
    await fill(page, "Bregenz", "Town")
    await page.route("**/api/**", lambda route: route.abort())
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator("#connection")).to_contain_text("Trying again in")
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.locator(".journey")).to_have_attribute("data-state", "retrying")
    await page.get_by_role("link", name="Locations", exact=True).click()
    await expect(page.locator(".rows .waiting")).to_be_visible()


SHOTS: dict[str, Shot] = {
    "list": list_, "create": create, "late": late, "rejected": rejected, "detail": detail,
    "activity": activity, "commands": commands, "operators": operators, "letter": letter,
    "empty": empty, "not-found": missing, "offline": lost,
}  # fmt: skip


async def close_toasts(page: Page) -> None:
    """They would stand in the way of what is shown."""
    for button in await page.locator(".toast button").all():
        await button.click(timeout=1000)


async def furnish(browser: Browser, up: Up, names: dict[str, str]) -> None:
    """Make the map what every shot begins with: `names` and nothing else."""
    context = await browser.new_context(base_url=up.facts["url"])
    found = await (await context.request.get("/api/locations?limit=200")).json()
    for place in found["items"]:
        if place["name"] not in names:
            await command(context, "close", {"location_id": place["location_id"]})
    known = {place["name"] for place in found["items"]}
    for name, category in names.items():
        if name not in known:
            asked = {"name": name, "category": category, "description": f"{name}, on the map."}
            await command(context, "register", asked)
    await context.close()


async def command(
    context: BrowserContext, kind: str, payload: dict[str, Any], domain: str = "locations"
) -> None:
    """Send one and wait for it."""
    answer = await context.request.post(
        f"/api/commands/{domain}.{kind}", data=payload, headers={"Prefer": "wait=10"}
    )
    assert answer.ok, await answer.text()


async def break_some(browser: Browser, up: Up) -> None:
    """Leave two dead letters behind."""
    context = await browser.new_context(base_url=up.facts["url"])
    for key in ("4711", "4712"):
        answer = await context.request.post(
            "/api/commands/tally.explode", data={"tally_id": key}, headers={"Prefer": "wait=10"}
        )
        assert answer.status == 500
    await context.close()


async def take(browser: Browser, up: Up, folder: Path, only: list[str]) -> None:
    """All of them, or those named."""
    for name, shot in SHOTS.items():
        if only and name not in only:
            continue
        for theme in ("light", "dark"):
            for width, height in WIDTHS.items():
                await furnish(browser, up, {} if name == "empty" else PLACES)
                context = await browser.new_context(
                    base_url=up.facts["url"],
                    viewport={"width": width, "height": height},
                    color_scheme=theme,  # type: ignore[arg-type]
                    reduced_motion="reduce",
                    permissions=["clipboard-write"],
                )
                await context.add_init_script(
                    f"globalThis.operators = {up.facts['internal']['web']!r}"
                )
                page = await context.new_page()
                await shot(page)
                await page.screenshot(path=folder / f"{name}-{width}-{theme}.png")
                open_ = page.locator(".log").locator("[data-state=accepted], [data-state=late]")
                await expect(open_).to_have_count(0)  # else it would come into the next picture
                await context.close()


async def main(folder: Path, only: list[str]) -> None:
    """Start everything, take the pictures, stop."""
    data = open_folder()
    up = Up(data, HOMING_OPERATOR_TOKEN=OPERATOR_TOKEN, PYTHONPATH=str(TALLY))
    try:
        await asyncio.to_thread(up.ready)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**CHROMIUM_OPTIONS)
            await break_some(browser, up)
            await take(browser, up, folder, only)
            await browser.close()
    finally:
        up.clean_up()
        shutil.rmtree(data)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
