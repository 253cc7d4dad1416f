"""The way of a command as a person sees it: sent, late, home, rejected, after a reload."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from support.up import Up
from support.visiting import Visit, entry, expect_state, fill, register, unused

pytestmark = pytest.mark.browser


async def test_one_is_led_to_what_one_has_registered(page: Page) -> None:
    """Once the outcome is there the page shows the location, its facts and a message."""
    name = unused("Graz")
    await register(page, name)
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    await expect(page).to_have_url(re.compile(r"/locations/[0-9a-f-]{36}$"))
    await expect(page.locator(".toast")).to_contain_text(f"{name} is on the map.")
    await expect(page.locator("dl")).to_contain_text("City")
    await expect_state(page, name, "succeeded")


async def test_late_is_told_and_then_that_it_is_ready(page: Page) -> None:
    """With a slow reactor: available shortly, then ready now, on the same page and with a link."""
    name = unused("Linz")
    await register(page, name, timeout=0.5, delay=4)
    await expect(page.locator(".journey")).to_contain_text("It will be available shortly.")
    await expect(page.locator(".journey")).to_have_attribute("data-state", "late")
    await expect(page.locator(".drawing .passed")).to_have_count(2)
    await expect(page.locator(".toast")).to_contain_text(f"“{name}” is ready now.")
    await expect(page.locator(".drawing .passed")).to_have_count(4)
    await page.locator(".toast").get_by_role("link", name="Open").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)


async def test_the_line_grows_only_with_what_has_happened(page: Page) -> None:
    """While the reactor holds the command back, the line stands at what is stored, and waits."""
    name = unused("Wels")
    await register(page, name, timeout=10, delay=4)
    journey = page.locator(".journey")
    await expect(journey).to_have_attribute("data-state", "accepted")
    await expect(page.locator(".drawing .passed")).to_have_count(2)
    await expect(journey).to_contain_text(re.compile(r"Waiting for a reactor to decide, [1-3] s"))
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)


async def test_the_server_can_hold_its_response(page: Page) -> None:
    """Waiting in the response: asked for by `Prefer`, and the answer leads on as well."""
    name = unused("Krems")
    async with page.expect_response("**/api/commands/*") as held:
        await register(page, name, wait="response", timeout=5, delay=0.5)
    response = await held.value
    assert response.status == 200
    assert (await response.request.all_headers())["prefer"] == "wait=5"
    assert (await response.json())["status"] == "succeeded"
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)


async def test_the_choice_of_how_to_wait_is_kept(page: Page) -> None:
    """The next visit begins with the options of the last."""
    await register(page, unused("Enns"), wait="response", timeout=7)
    await expect(page.locator(".toast")).to_be_visible()
    await page.goto("/locations/new")
    await expect(page.get_by_label("In the response")).to_be_checked()
    await expect(page.get_by_label("Wait for at most")).to_have_value("7")


async def test_a_name_that_is_taken_is_said_at_the_field(page: Page) -> None:
    """Why it was rejected stands at the name, which has the focus; what was typed is kept."""
    name = unused("Steyr")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    await page.goto("/locations/new")
    await page.get_by_label("Description").fill("By the river.")
    await fill(page, name.upper(), "Town")
    await page.get_by_role("button", name="Register", exact=True).click()
    field = page.get_by_label("Name", exact=True)
    await expect(page.locator(".field .error").first).to_have_text("This name is taken.")
    await expect(field).to_be_focused()
    await expect(field).to_have_value(name.upper())
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("Description")).to_have_value("By the river.")
    await expect(page.locator(".toast")).to_have_count(0)
    await field.fill(unused("Steyr"))
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Steyr")


async def test_a_rule_is_said_before_anything_is_sent(page: Page) -> None:
    """An empty name and no category: both are marked, the first has the focus, nothing is sent."""
    await page.goto("/locations/new")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.get_by_text("Give it a name.")).to_be_visible()
    await expect(page.get_by_text("Choose a category.")).to_be_visible()
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    assert "POST" not in sent


async def test_a_character_is_one_however_it_is_stored(page: Page) -> None:
    """200 of any script fit into a name, as the rule says and the server counts; no more do."""
    name = unused("Ybbs").ljust(201, "🏔")
    await register(page, name)
    await expect(page.get_by_text("At most 200 characters.")).to_be_visible()
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await page.get_by_label("Name", exact=True).fill(name[:200])
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(name[:200])


async def test_a_category_that_there_is_not_is_none(page: Page) -> None:
    """An address with an unknown category lists all."""
    name = unused("Melk")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    await page.goto("/locations?category=Nope")
    await expect(page.locator(".rows li").filter(has_text=name)).to_be_visible()
    await expect(page.locator(".chips [aria-current]")).to_have_text("All")


async def test_a_reload_while_it_is_pending_loses_nothing(page: Page) -> None:
    """What is still on its way is said after the reload, and later that it is ready."""
    name = unused("Ried")
    await register(page, name, timeout=0, delay=5)
    await expect_state(page, name, "late")
    await page.reload()
    await expect(page.locator(".toast")).to_contain_text("still on its way")
    await expect_state(page, name, "late")
    await expect(page.locator(".toast")).to_contain_text(f"“{name}” is ready now.")
    await expect_state(page, name, "succeeded")


async def test_another_tab_is_told(page: Page) -> None:
    """The list in a second tab shows what is on its way, and settles without a reload."""
    name = unused("Lienz")
    other = await page.context.new_page()
    await other.goto("/locations")
    await register(page, name, timeout=0, delay=4)
    row = other.locator(".rows li").filter(has_text=name)
    await expect(row).to_have_class("waiting")
    await expect(row.get_by_role("link", name=name)).to_be_visible()
    await expect(other.locator(".toast")).to_contain_text(f"“{name}” is ready now.")


async def test_two_browsers_do_not_see_each_others_outcomes(
    page: Page, visit: Visit, up: Up
) -> None:
    """What one browser sends never shows in another's activity; the location itself does."""
    name = unused("Baden")
    other = await (await visit(up.facts["url"])).new_page()
    await other.goto("/locations")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    mine = unused("Mödling")
    await register(other, mine)  # its stream has told all that it will tell of before
    await expect_state(other, mine, "succeeded")
    await expect(entry(other, name)).to_have_count(0)
    await other.goto("/locations")
    await expect(other.get_by_role("link", name=name)).to_be_visible()
    await expect(entry(page, mine)).to_have_count(0)


async def test_a_location_is_renamed_moved_and_closed(page: Page) -> None:
    """Each action is sent from the place's own page, and its outcome shows there."""
    name, new = unused("Gmünd"), unused("Weitra")
    await register(page, name, "Town")
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(name)
    actions = page.get_by_role("region", name="Actions")
    await actions.get_by_text("Rename", exact=True).click()
    await actions.get_by_label("New name").fill(new)
    await actions.get_by_role("button", name="Rename", exact=True).click()
    await expect(heading).to_have_text(new)
    await actions.get_by_text("Move", exact=True).click()
    await actions.get_by_label("Category").select_option("City")
    await actions.get_by_role("button", name="Move", exact=True).click()
    await expect(page.locator("dl")).to_contain_text("City")
    await actions.get_by_text("Close", exact=True).click()
    await actions.get_by_role("button", name="Close", exact=True).click()
    await expect(heading).to_have_text("Locations")
    await expect(page.locator(".toast").filter(has_text="is closed")).to_be_visible()
    await expect(page.locator(".rows").get_by_text(new)).to_have_count(0)


async def test_a_rename_to_a_taken_name_is_said_at_its_field(page: Page) -> None:
    """As in the create form: at the field, with the focus, the name of the place unchanged."""
    taken, name = unused("Melk"), unused("Ybbs")
    await register(page, taken)
    await expect_state(page, taken, "succeeded")
    await register(page, name)
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    await page.get_by_text("Rename", exact=True).click()
    await page.get_by_label("New name").fill(taken)
    await page.get_by_role("button", name="Rename", exact=True).click()
    await expect(page.get_by_text("This name is taken.", exact=True)).to_be_visible()
    await expect(page.get_by_label("New name")).to_be_focused()
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)


async def test_one_finds_by_the_beginning_of_the_name(page: Page) -> None:
    """The list follows what is typed, and its address can be reloaded."""
    name = unused("Zwettl")
    await register(page, name)
    await expect_state(page, name, "succeeded")
    await page.goto("/locations")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Locations")
    await page.keyboard.press("/")
    await expect(page.get_by_label("Name begins with")).to_be_focused()
    await page.keyboard.type(name.lower())
    await expect(page.locator(".rows li")).to_have_count(1)
    await expect(page.locator(".rows li")).to_contain_text(name)
    await page.reload()
    await expect(page.locator(".rows li")).to_have_count(1)
    await page.get_by_label("Name begins with").fill(name + "?")
    await expect(page.locator(".empty")).to_contain_text("begins with")


async def test_a_path_that_leads_nowhere_says_so(page: Page) -> None:
    """With the status 404, and a way on."""
    response = await page.goto("/nowhere")
    assert response is not None
    assert response.status == 404
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    await page.get_by_role("link", name="To the locations").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Locations")
