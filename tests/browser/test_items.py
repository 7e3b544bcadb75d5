"""People and time profiles in a browser: the matrix, their hours, why not, and a recurrence that is tried out and saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from config.settings import DoorSettings
from tests.browser.chrome import PHONE, Page
from tests.browser.site import NIGHT, WEEK, PageSite, line, page_site, person, profile

pytestmark = pytest.mark.long

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}} \u202e\u05e9\u05dc\u05d5\u05dd"
ALTERNATE = "91c615e3-1040-4815-8ecb-000000000003"
DOORS = (DoorSettings(id="front", name=HOSTILE, panel="lobby", output=0, number=1),)
PEOPLE = [f"91c615e3-1040-4815-8ecb-{number:012d}" for number in range(100, 104)]


def every_second_monday() -> dict[str, Any]:
    body = profile(ALTERNATE, "Alternate Mondays", 9, 12)
    custom = {"repeat_point_type": "week", "repeat_looper": 2, "repeat_options": ["MON"]}
    body["repeat_options"]["repeat_format"] |= {"repeat_type": "custom", "repeat_custom": custom}
    return body


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    with page_site(line("east", "lobby", "garage", small="garage"), doors=DOORS).living() as site:
        site.ask_for("timeprofile", profile(WEEK, HOSTILE, 7, 19), profile(NIGHT, "Nights", 20, 22), every_second_monday())
        names = ("Ada Bondar", HOSTILE, "Grace Hopper", "Lin")
        site.ask_for(
            "identifier", *(person(each, name, f"1000{each[-3:]}", WEEK) for each, name in zip(PEOPLE, names, strict=True))
        )
        site.until(lambda panels: panels["lobby"]["state"] == "in_sync" and panels["garage"]["state"] == "refused")
        yield site


@pytest.fixture(autouse=True)
def logged_in(page: Page, site: PageSite) -> None:
    page.visit(site.url)


def type_into(page: Page, selector: str, value: str) -> None:
    page.script(
        "const f = document.querySelector(arguments[0]); f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', {bubbles: true})); f.dispatchEvent(new Event('change', {bubbles: true}))",
        selector,
        value,
    )


def test_the_matrix_is_read_by_keyboard_alone_and_says_why(page: Page) -> None:
    page.go("/matrix")
    page.wait(".gridcell")
    page.script("document.querySelector('.filters input[type=checkbox]').focus()")
    page.press(Keys.TAB)
    assert page.focused() == "Ada Bondar, person"
    page.press(Keys.ARROW_RIGHT)
    assert page.focused() == "Ada Bondar at lobby: held as asked"
    page.press(Keys.CONTROL + Keys.END)
    last = page.focused()
    assert last.startswith("Alternate Mondays at garage: refused: the panel has no free slot"), last
    assert "no free slot" in page.text(".cell-detail")
    page.press(Keys.HOME)
    assert page.focused() == "Alternate Mondays, time profile"
    page.press(Keys.ENTER)
    page.wait_for("Panel by panel")
    assert page.script("return location.pathname") == "/profile/3"


def test_the_matrix_shows_names_as_they_are_and_finds_what_differs(page: Page) -> None:
    page.go("/matrix")
    page.wait(".gridcell")
    assert HOSTILE.split("\u202e")[0] in page.text(".grid")
    assert page.find("main img") == []
    signs = {element.text for element in page.find(".gridcell")}
    assert {"✓", "◷", "\u00d7", ""} <= signs, "each outcome has a sign of its own, whatever its colour"
    page.find(".filters input[type=checkbox]")[0].click()
    page.wait_for("6 rows, 1 column")
    assert "lobby" not in page.text(".grid"), "all is well at the lobby"
    page.find(".filters input[type=checkbox]")[0].click()
    type_into(page, "#find", "hopper")
    page.wait_for("1 row, 3 columns")
    type_into(page, "#columns", "gar")
    page.wait_for("1 row, 1 column")
    type_into(page, "#find", "nobody of this name")
    page.wait_for("Nothing matches the filter.")


@pytest.mark.parametrize("path", ["/matrix", "/person/2", "/profile/1", "/profile/3", "/try", "/try/1"])
def test_everybody_can_use_it_with_hostile_names_light_and_dark_and_on_a_phone(page: Page, path: str) -> None:
    page.go(path)
    page.wait(".gridcell, svg.week, .openings li")
    assert page.barriers() == []
    page.picture("items" + path.replace("/", "-"), whole=True)
    page.look(PHONE, dark=True)
    page.go(path)
    page.wait(".gridcell, svg.week, .openings li")
    assert page.barriers() == []
    assert not page.is_too_wide()
    page.picture("items" + path.replace("/", "-") + "-phone", whole=True)


def test_a_person_is_shown_with_what_each_panel_holds(page: Page) -> None:
    page.go("/person/2")
    page.wait("svg.week")
    page.wait_for("2 panels")
    said = page.text()
    assert "card 1000101" in said
    assert "It holds what is asked." in said
    assert page.script("return document.querySelector('h1').innerText").startswith("<img src=x")
    assert page.script("return document.querySelector('svg.week').getAttribute('aria-label')").count("07:00\u201319:00") == 7


def test_why_not_is_answered_for_a_moment_that_is_picked_on_the_drawing_or_typed(page: Page) -> None:
    page.go("/profile/2")
    page.wait("svg.week")
    page.wait_for("as asked it is")
    page.script("document.querySelector('#moment').value = ''")
    week = page.find("svg.week")[0]
    page.script("arguments[0].scrollIntoView({block: 'center'})", week)
    page.script(
        "const box = arguments[0].getBoundingClientRect(), [, , w, h] = arguments[0].getAttribute('viewBox').split(' ');"
        "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: box.x + box.width * 46 / w"
        " + box.width * (w - 46) / w * 21 / 24 + 2, clientY: box.y + box.height * (16 + 17 * 2.5) / h}))",
        week,
    )
    page.wait_for("21:00: as asked it is open")
    assert "no place for it" in page.text(".answer"), "the garage has one slot"
    type_into(page, "#moment", "2026-12-01T12:00")
    page.wait_for("Tue, 1 Dec 2026, 12:00: as asked it is closed")


def test_dates_that_are_written_in_time_are_no_difference(page: Page) -> None:
    page.go("/profile/3")
    page.wait_for("held as dates, renewed in time")
    assert "1 of 2 panels differ" in page.text()


def test_openings_follow_what_is_typed_and_a_late_answer_is_dropped(page: Page) -> None:
    page.go("/try")
    page.wait(".openings li")
    page.script(
        "const real = window.fetch; let first = true; window.fetch = async (path, options) => {"
        "  const late = first && String(path).endsWith('openings'); if (late) first = false;"
        "  const answer = await real(path, late ? {...options, signal: undefined} : options);"
        "  if (late) await new Promise((done) => setTimeout(done, 1500)); window.answered = (window.answered ?? 0) + 1;"
        "  return answer; }"
    )
    type_into(page, "#toTime", "11:11")
    page.driver.implicitly_wait(0)
    page.script("return new Promise((done) => setTimeout(done, 400))")
    type_into(page, "#toTime", "12:34")
    page.wait_for("12:34", ".openings")
    page.script("return new Promise((done) => setTimeout(done, 1500))")
    assert "11:11" not in page.text(".openings")


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        (
            {"repeat": "once", "fromDate": "2030-01-01", "toDate": "2030-01-02"},
            "Tue, 1 Jan 2030, 09:00 \u2013 Wed, 2 Jan 2030, 18:00",
        ),
        ({"repeat": "day"}, "And so on"),
        ({"repeat": "week"}, "And so on"),
        ({"repeat": "custom", "unit": "week", "every": "3"}, "And so on"),
        ({"repeat": "custom", "unit": "year", "every": "2"}, "And so on"),
        (
            {"repeat": "custom", "unit": "year", "monthBy": "parameterizedDay", "order": "fifth", "dayType": "WEEK_DAY"},
            "And so on",
        ),
        ({"repeat": "twoWeeks"}, "And so on"),
        ({"repeat": "month", "fromDate": "2030-01-31", "toDate": "2030-01-31"}, "Sun, 31 Mar 2030"),
        ({"repeat": "year", "fromDate": "2032-02-29", "toDate": "2032-02-29"}, "29 Feb 2036"),
        ({"repeat": "custom", "unit": "day", "every": "10", "fromDate": "2030-01-01", "toDate": "2030-01-01"}, "11 Jan 2030"),
        (
            {"repeat": "custom", "unit": "month", "monthBy": "same", "fromDate": "2030-01-05", "toDate": "2030-01-05"},
            "5 Feb 2030",
        ),
        ({"repeat": "custom", "unit": "month", "monthBy": "dayNumbers", "dayNumbers": "1, 15"}, "15 "),
        (
            {"repeat": "custom", "unit": "month", "monthBy": "parameterizedDay", "order": "last", "dayType": "DAY_OFF"},
            "And so on",
        ),
        (
            {"repeat": "day", "ends": "date", "until": "2030-01-02", "fromDate": "2030-01-01", "toDate": "2030-01-01"},
            "These are all",
        ),
    ],
)
def test_every_kind_of_recurrence_can_be_tried(page: Page, fields: dict[str, str], seen: str) -> None:
    page.go("/try")
    page.wait(".openings li")
    for name, value in fields.items():
        type_into(page, f"#{name}", value)
    page.wait_for(seen, "main")
    assert page.find("[aria-invalid]") == []


def test_a_mistake_is_told_at_its_field_and_cannot_be_saved(page: Page) -> None:
    page.go("/try")
    page.wait(".openings li")
    type_into(page, "#every", "0")
    page.wait_for("Expected a whole number from 1 to 1000", "#every-error")
    assert page.find("#every")[0].get_attribute("aria-invalid") == "true"
    assert not page.find("button.primary")[0].is_enabled()
    type_into(page, "#every", "1")
    type_into(page, "#toDate", "2020-01-01")
    page.wait_for("It has to end after it begins", "#toDate-error")
    assert page.text("#every-error") == ""


def test_a_profile_is_made_by_keyboard_and_every_panel_says_what_became_of_it(page: Page, site: PageSite) -> None:
    page.go("/try")
    page.wait(".openings li")
    page.wait("#name").send_keys("Made & tried <b>")
    page.wait("button.primary:not([disabled])").send_keys(Keys.ENTER)
    page.wait("dialog[open]")
    assert "1 would hold it" in page.text("dialog")
    page.press(Keys.ENTER)
    page.wait_for("lobby: held as asked", "dialog")
    page.wait_for("garage: refused", "dialog")
    page.press(Keys.ENTER)
    page.wait_for("Panel by panel")
    assert page.text("h1") == "Made & tried <b>"
    uid = page.script("return location.pathname").rpartition("/")[2]
    site.call("DELETE", f"/api/v1/access/timeprofile/item/{uid}")


def test_of_two_operators_the_second_is_told_what_changed(page: Page, site: PageSite) -> None:
    page.go("/try/2")
    page.wait(".openings li")
    site.ask_for("timeprofile", profile(NIGHT, "Nights, by another", 19, 23))
    type_into(page, "#toTime", "21:30")
    page.wait_for("21:30", ".openings")
    page.wait("button.primary:not([disabled])").click()
    page.wait("dialog .primary").click()
    page.wait_for("nothing was saved: somebody else changed it meanwhile", "dialog")
    page.wait("dialog .buttons .primary").click()
    page.wait_for("Somebody else changed it meanwhile", ".conflict")
    said = page.text(".conflict")
    assert "Nights, by another" in said
    assert "21:30" in said
    assert page.barriers() == []
    page.picture("items-conflict", whole=True)
    page.find(".conflict button")[1].click()
    page.wait("button.primary:not([disabled])").click()
    page.wait("dialog .primary").click()
    page.wait_for("lobby: held as asked", "dialog")
    now = site.call("GET", "/api/v1/access/timeprofile/item/2")
    assert (now["time_options"]["date_to"] - now["time_options"]["date_from"]) == 90 * 60, "the second one went on with theirs"


def test_who_deletes_what_somebody_else_changed_meanwhile_is_told_and_deletes_nothing(page: Page, site: PageSite) -> None:
    made = site.call("POST", "/api/v1/access/identifier", {**person(PEOPLE[0], "Ephemeral", "10009999"), "link_id": None})
    path = f"/person/{made['uid']}"
    page.go(path)
    page.wait("svg.week")
    site.call("PATCH", f"/api/v1/access/identifier/item/{made['uid']}", {"identifier_owner": {"name": "Changed by another"}})
    page.driver.find_element(By.XPATH, "//button[text()='Delete…']").send_keys(Keys.ENTER)
    page.wait("dialog[open]")
    assert "no door opens to it any more" in page.text("dialog")
    assert page.focused() == "Cancel", "what takes access away is not one key away"
    page.press(Keys.TAB, Keys.ENTER)
    page.wait_for("Somebody else changed this meanwhile", "dialog")
    page.press(Keys.ENTER)
    page.wait_for("Changed by another", "h1")
    page.wait("svg.week")
    page.driver.find_element(By.XPATH, "//button[text()='Delete…']").click()
    page.wait("dialog .danger").click()
    page.wait_for("deleted", "dialog")
    page.press(Keys.ENTER)
    page.wait_for("There is no such person")


def test_a_viewer_tries_and_cannot_save(page: Page, site: PageSite) -> None:
    page.visit(site.url, "visitor")
    page.go("/try/2")
    page.wait(".openings li")
    page.wait_for("an operator can save it")
    assert page.find("button.primary") == []


def test_what_is_not_there_is_told(page: Page) -> None:
    for path in ("/person/99", "/profile", "/profile/none"):
        page.go(path)
        page.wait_for("There is no such")


def test_the_selects_of_the_form_are_the_vendors_words(page: Page) -> None:
    page.go("/try")
    page.wait(".openings li")
    options = {
        name: [each.get_attribute("value") for each in Select(page.find(f"#{name}")[0]).options] for name in ("repeat", "order")
    }
    assert options["repeat"] == ["once", "day", "week", "twoWeeks", "month", "year", "custom"]
    assert options["order"] == ["first", "second", "third", "fourth", "fifth", "last"]
    days = [each.get_attribute("value") for each in page.driver.find_elements(By.NAME, "days")]
    assert days == ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]


def in_module(page: Page, module: str, function: str, *values: object) -> Any:
    """What a function says that gets a module of the page, and values."""
    return page.driver.execute_async_script(
        f"const values = [...arguments], done = values.pop(), made = {function};"
        "const base = document.querySelector('script[type=module]').src;"
        f"import(new URL('{module}', base)).then((module) => done(made(module, ...values)))",
        *values,
    )


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "UTC"])
def test_the_clock_of_the_site_is_read_wherever_the_browser_is(page: Page, zone: str) -> None:
    page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
    instants = [1_793_602_800 + 21_600 * step for step in range(1500)]
    wrong = in_module(
        page,
        "zone.js",
        "({instantOf, wallAt}, zone, instants) => instants.filter((at) =>"
        " wallAt(zone, instantOf(zone, wallAt(zone, at))) !== wallAt(zone, at))",
        zone,
        instants,
    )
    page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
    assert wrong == []


RULES: list[dict[str, Any]] = [
    {"repeat_enable": False},
    *(
        {"repeat_enable": True, "repeat_format": {"repeat_type": kind, "repeat_end": {"format": "never"}}}
        for kind in ("day", "year")
    ),
    *(
        {
            "repeat_enable": True,
            "repeat_format": {
                "repeat_type": "custom",
                "repeat_end": {"format": "date", "date": 1_900_000_123},
                "repeat_custom": {"repeat_looper": 3, **custom},
            },
        }
        for custom in (
            {"repeat_point_type": "day"},
            {"repeat_point_type": "month"},
            {"repeat_point_type": "week", "repeat_options": ["TUE", "SUN"]},
            {"repeat_point_type": "month", "repeat_options": {"format": "dayNumbers", "range": [1, 31]}},
            {
                "repeat_point_type": "month",
                "repeat_options": {"format": "parameterizedDay", "range": {"week_order": "last", "day_type": "DAY_OFF"}},
            },
            {"repeat_point_type": "year", "repeat_options": {"months": [2, 12]}},
            {"repeat_point_type": "year", "repeat_options": {"months": [3], "range": {"week_order": "fifth", "day_type": "MON"}}},
        )
    ),
]


@pytest.mark.parametrize("rule", RULES)
def test_a_profile_that_is_read_into_the_form_and_left_as_it_is_stays_the_same(page: Page, rule: dict[str, Any]) -> None:
    """Also where its instants lie in an hour that the clock of Kyiv shows twice, or between two minutes."""
    for start, end in ((1_793_602_800, 1_793_635_200), (1_792_888_200, 1_792_891_800), (1_792_884_617, 1_792_891_801)):
        body = {
            "name": HOSTILE,
            "time_options": {"is_all_day": False, "date_from": start, "date_to": end},
            "repeat_options": rule,
        }
        again = in_module(
            page,
            "recurrence.js",
            "({fieldsOf, bodyOf}, body, zone) => bodyOf(fieldsOf(body, zone), zone, body)",
            body,
            "Europe/Kyiv",
        )
        assert again == body
