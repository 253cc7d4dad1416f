"""What the page weighs, where it comes from, and what it is without its script."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from support.up import Up
from support.visiting import register, unused

pytestmark = pytest.mark.browser
WEIGHT_MAX = 60 * 1024


@pytest.mark.parametrize(
    "path", ["/locations", "/locations/new", "/locations/{id}", "/commands", "/nowhere"]
)
async def test_page_style_and_script_are_light(page: Page, path: str) -> None:
    """All that any page loads stays below 60 KiB, uncompressed; views not shown are not fetched."""
    if "{id}" in path:
        await register(page, unused("Freistadt"))
        await expect(page.locator("dl")).to_be_visible()
        path = await page.evaluate("location.pathname")
    async with page.expect_response("**/api/outcomes/stream*"):
        await page.goto(path)
    await expect(page.locator("main h1")).not_to_have_text("Homing")
    resources = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)"
    loaded = {one for one in await page.evaluate(resources) if not one.startswith("/api/")}
    assert "/static/app.js" in loaded
    assert "/static/style.css" in loaded
    sizes = [len(await (await page.request.get(one)).body()) for one in (path, *loaded)]
    assert sum(sizes) <= WEIGHT_MAX


async def test_the_policy_forbids_what_is_not_ours(page: Page) -> None:
    """No inline script, no other origin, no framing: the browser is told so with every page."""
    response = await page.goto("/locations")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_nothing_offends_in_a_whole_visit(page: Page) -> None:
    """List, form, place, activity, a path that leads nowhere: `manners` has nothing to say."""
    await page.goto("/locations")
    await register(page, unused("Perg"))
    await expect(page.locator(".toast")).to_be_visible()
    await page.locator(".log summary").first.click()
    await page.goto("/nowhere")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


async def test_the_first_paint_needs_no_script(browser: Browser, up: Up) -> None:
    """Without JavaScript there is a page with a bar and a heading, styled."""
    context = await browser.new_context(base_url=up.facts["url"], java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/locations")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_role("link", name="Homing")).to_be_visible()
    assert (
        await page.locator("header").evaluate("(one) => getComputedStyle(one).position") == "sticky"
    )
    await context.close()
