"""Takes every screen and state of the page, in both themes and three widths: `make screenshots`."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from support.place import open_folder
from support.up import Up
from support.visiting import CHROMIUM_OPTIONS, expect_state, fill, register

WIDTHS = {360: 740, 768: 1024, 1440: 900}
PLACES = {
    "Graz": "City", "Hallstatt": "Town", "Tyrol": "County/Region", "Austria": "Country",
    "Linz": "City", "Zell am See": "Town", "Europe": "Continent",
}  # fmt: skip
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
    await expect(page.locator(".waterfall li")).to_have_count(5)
    await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")


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
    "activity": activity, "empty": empty, "not-found": missing, "offline": lost,
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


async def command(context: object, kind: str, payload: dict[str, str]) -> None:
    """Send one and wait for it."""
    answer = await context.request.post(  # type: ignore[attr-defined]
        f"/api/commands/locations.{kind}", data=payload, headers={"Prefer": "wait=10"}
    )
    assert answer.ok, await answer.text()


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
                page = await context.new_page()
                await shot(page)
                await page.screenshot(path=folder / f"{name}-{width}-{theme}.png")
                open_ = page.locator(".log").locator("[data-state=accepted], [data-state=late]")
                await expect(open_).to_have_count(0)  # else it would come into the next picture
                await context.close()


async def main(folder: Path, only: list[str]) -> None:
    """Start everything, take the pictures, stop."""
    data = open_folder()
    up = Up(data)
    try:
        await asyncio.to_thread(up.ready)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**CHROMIUM_OPTIONS)
            await take(browser, up, folder, only)
            await browser.close()
    finally:
        up.clean_up()
        shutil.rmtree(data)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
