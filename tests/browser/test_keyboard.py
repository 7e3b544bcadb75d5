"""The page by keyboard alone, and what a screen reader is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from config.settings import DoorSettings
from tests.browser.chrome import PHONE, Page
from tests.browser.site import PageSite, line, page_site

pytestmark = pytest.mark.long

FRONT = DoorSettings(id="front", name="Front door", panel="lobby", output=0, pulse_s=3)


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    with page_site(line("east", "lobby"), doors=[FRONT]).living() as site:
        site.until(lambda panels: panels["lobby"]["state"] == "in_sync")
        yield site


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    for _ in range(40):
        page.press(Keys.SHIFT + Keys.TAB if back else Keys.TAB)
        if page.focused() == name:
            return
    raise AssertionError(f"no way to {name!r} by the keyboard")


def test_a_door_is_opened_from_the_login_on_without_a_mouse(page: Page, site: PageSite) -> None:
    page.visit(site.url, user=None)
    assert page.focused() == "User name", "the first field has the focus"
    page.press("admin", Keys.TAB)
    page.press("wrong", Keys.ENTER)
    page.wait_for("do not belong together")
    assert page.focused() == "Password", "where the mistake is"
    page.press("123456", Keys.ENTER)
    page.wait("#navigation:not([hidden])")
    tab_to(page, "Doors")
    page.press(Keys.ENTER)
    page.wait_for("Front door")
    assert page.focused() == "Doors", "a screen reader reads the heading of the new view"
    tab_to(page, "Open")
    page.press(Keys.ENTER)
    page.wait("dialog[open]")
    assert "Front door is unlocked once, for 3 seconds" in page.text("dialog")
    page.press(Keys.ESCAPE)
    assert page.find("dialog") == []
    assert page.focused() == "Open", "the focus is back where it was"
    assert site.call("GET", "/gateway/v1/doors/front")["doors"][0]["state"] == "closed", "nothing was done"
    page.press(Keys.ENTER)
    page.wait("dialog[open]")
    page.press(Keys.ENTER)
    page.wait_for("Front door: open for 3 seconds, as lobby acknowledged", "dialog")
    assert page.focused() == "Close"
    page.press(Keys.ENTER)
    page.wait_for("A door was opened by an API call: admin")


def test_the_focus_stays_where_it_is_while_the_site_goes_on(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.go("/overview")
    page.wait_for("in sync")
    tab_to(page, "Actions for lobby")
    site.switch("lobby", on=False)
    site.call("POST", "/gateway/v1/doors/front/open")
    page.wait_for("lobby is away")
    assert page.focused() == "Actions for lobby"
    site.switch("lobby", on=True)
    site.call("POST", "/gateway/v1/panels/lobby/sync")
    page.wait_for("Nothing is wrong")
    assert page.focused() == "Actions for lobby"


def test_what_an_operator_asks_of_a_panel_is_told_before_and_after(page: Page, site: PageSite) -> None:
    page.visit(site.url, user="guard")
    page.wait_for("in sync")
    tab_to(page, "Actions for lobby")
    page.press(Keys.ENTER)
    page.wait("dialog[open]")
    assert "The door Front door lets nobody in by it until then." in page.text("dialog")
    tab_to(page, "Erase and write again")
    page.press(Keys.ENTER)
    page.wait_for("Erase and write again: lobby", "dialog")
    assert page.focused() == "Cancel", "what takes something away is not done by one key too many"
    tab_to(page, "Erase and write again")
    page.press(Keys.ENTER)
    page.wait_for("lobby: 0 of 0 items held", "dialog")


def test_a_panel_is_reached_from_the_overview_and_asked_to_synchronise(page: Page, site: PageSite) -> None:
    page.visit(site.url, user="guard")
    page.go("/overview")
    page.wait_for("in sync")
    tab_to(page, "lobby")
    page.press(Keys.ENTER)
    page.wait_for("Slots of time profiles")
    assert page.focused() == "Panel lobby", "a screen reader reads the heading of the new view"
    assert page.script("return location.pathname") == "/panel/lobby"
    tab_to(page, "Synchronise…")
    page.press(Keys.ENTER)
    page.wait("dialog[open]")
    assert "lobby is read now, and what differs from what is asked is written." in page.text("dialog")
    page.press(Keys.ENTER)
    page.wait_for("Close", "dialog")
    assert "lobby: 0 of 0 items held" in page.text("dialog")
    page.press(Keys.ENTER)
    page.wait("body:not(:has(dialog))")


def test_who_may_only_look_is_offered_nothing_else(page: Page, site: PageSite) -> None:
    page.visit(site.url, user="visitor")
    page.wait_for("in sync")
    assert page.find("main button") == []
    page.go("/doors")
    page.wait_for("Front door")
    assert page.find("main button") == []
    page.go("/panel/lobby")
    page.wait_for("Slots of time profiles")
    assert page.find("main button") == []
    page.go("/settings")
    page.wait_for("Only administrators see the settings")


def test_the_content_is_one_key_away_and_the_menu_of_a_phone_closes_with_escape(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.go("/doors")
    page.wait_for("Front door")
    page.press(Keys.TAB)
    assert page.focused() == "Skip to the content"
    page.press(Keys.ENTER, Keys.TAB)
    assert page.focused() == "Open"
    page.look(PHONE)
    tab_to(page, "Menu", back=True)
    page.press(Keys.ENTER)
    tab_to(page, "Events")
    assert page.barriers() == []
    page.press(Keys.ESCAPE)
    assert page.focused() == "Menu"
    assert not page.find("#navigation")[0].is_displayed()


def test_a_session_that_ends_says_so_and_goes_on_where_it_was(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.go("/doors")
    page.wait_for("Front door")
    site.call("DELETE", "/gateway/v1/sessions/admin")
    page.wait_for("Your session has ended. Log in again.")
    page.log_in("admin")
    page.wait_for("Front door")


def test_the_page_says_that_the_gateway_is_gone_and_when_it_is_back(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.wait_for("live", "#account")
    down = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", down)
    try:
        page.wait_for("The gateway does not answer")
        page.wait_for("no connection", "#account")
    finally:
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**down, "offline": False})
    page.wait_for("live", "#account")
    page.wait("main:not(:has(> .mistake:not([hidden])))")
