"""For everyone: no serious finding of axe on any screen in either theme, all by keyboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from support.visiting import expect_state, register, unused

pytestmark = pytest.mark.browser


async def empty(page: Page) -> None:
    await page.goto("/locations?name=there-is-nothing-that-begins-so")
    await expect(page.locator(".empty")).to_be_visible()


async def create(page: Page) -> None:
    await page.goto("/locations/new")
    await page.get_by_text("How to wait").click()


async def rejected(page: Page) -> None:
    name = unused("Retz")
    for _ in range(2):
        await register(page, name)
        await expect(page.locator(".toast, .field .error:not([hidden])").first).to_be_visible()
    await expect(page.locator(".field .error").first).to_be_visible()


async def late(page: Page) -> None:
    await register(page, unused("Horn"), timeout=0, delay=5)
    await expect(page.locator(".journey")).to_contain_text("available shortly")


async def home(page: Page) -> None:
    name = unused("Tulln")
    await register(page, name)
    await expect(page.locator(".toast")).to_be_visible()
    await page.locator(".log summary").first.click()
    await page.get_by_text("Rename", exact=True).click()
    await expect(page.locator(".waterfall li")).to_have_count(6)


async def followed(page: Page) -> None:
    await register(page, unused("Lienz"), timeout=0, delay=3)
    await expect(page.locator(".journey")).to_contain_text("available shortly")
    await page.goto("/commands")
    await expect(page.locator(".trip .open")).to_be_visible()


async def listed(page: Page) -> None:
    name = unused("Laa")
    await register(page, name, timeout=0, delay=5)
    await expect_state(page, name, "late")
    await page.get_by_role("link", name="Locations", exact=True).click()
    await expect(page.locator(".rows .waiting")).to_be_visible()


async def missing(page: Page) -> None:
    await page.goto("/nowhere")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


async def sheet(page: Page) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    await register(page, unused("Tulln"))
    await expect(page.locator(".toast")).to_be_visible()
    await page.get_by_role("button", name="Activity").click()
    await page.locator(".log summary").first.click()


SCREENS: list[Callable[[Page], Awaitable[None]]] = [
    empty, create, rejected, late, home, followed, listed, missing, sheet,
]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
async def test_no_serious_finding(page: Page, theme: str, screen: Callable[..., object]) -> None:
    """Contrast, names, roles, order: axe finds nothing serious or critical."""
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await screen(page)  # type: ignore[misc]
    found = await Axe().run(page)
    serious = [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


async def test_a_location_is_registered_by_keyboard_alone(page: Page) -> None:
    """From the list by `n`, through the form by Tab, to the new place; every stop is visible."""
    name = unused("Schwaz")
    await page.goto("/locations")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Locations")
    await page.keyboard.press("n")
    await expect(page.get_by_role("heading", level=1)).to_have_text("New location")
    await tab_to(page, "name")
    await page.keyboard.type(name)
    await tab_to(page, "category")
    await page.keyboard.type("Town")
    await tab_to(page, "description")
    await page.keyboard.type("By the Inn.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # How to wait
    await tab_to(page, "wait")
    await page.keyboard.press("ArrowDown")
    await tab_to(page, "timeout")
    while await page.evaluate("document.activeElement.type") != "submit":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page.locator("#voice")).to_contain_text(f"{name} is on the map.")


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control has the focus; each stop on the way shows an outline."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        at = await page.evaluate(
            "() => { const { activeElement: at } = document; const { name, id, tagName } = at;"
            " return [name || id || tagName, getComputedStyle(at).outlineStyle] }"
        )
        assert at[1] != "none", at
        if at[0] == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


async def test_escape_closes_what_is_open(page: Page) -> None:
    """First the activity's sheet, then the messages; the focus goes back to the handle."""
    await page.set_viewport_size({"width": 360, "height": 740})
    await register(page, unused("Kufstein"))
    await expect(page.locator(".toast")).to_be_visible()
    handle = page.get_by_role("button", name="Activity")
    await handle.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#activity")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#activity")).to_be_hidden()
    await expect(handle).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".toast")).to_have_count(0)


async def test_an_outcome_is_spoken_once(page: Page) -> None:
    """The live region says it one time, though toast, list and activity show it."""
    name = unused("Wörgl")
    await register(page, name)
    await expect(page.locator("#voice")).to_contain_text(f"{name} is on the map.")
    assert (await page.locator("#voice").inner_text()).count(name) == 1


async def test_the_chosen_theme_is_there_before_the_first_paint(page: Page) -> None:
    """It is remembered, and set by a script that runs before the page has a body."""
    await page.goto("/locations")
    await page.get_by_label("Theme").select_option("dark")
    await page.add_init_script(
        "new MutationObserver((_, self) => { if (!document.body) return; self.disconnect();"
        " globalThis.atFirst = document.documentElement.dataset.theme })"
        ".observe(document, { childList: true, subtree: true })"
    )
    await page.reload()
    assert await page.evaluate("globalThis.atFirst") == "dark"
    await expect(page.get_by_label("Theme")).to_have_value("dark")
