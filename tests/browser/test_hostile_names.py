"""Names that are markup, script or written from right to left: pages show them as they are, and nothing more happens."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from config.settings import ApiKeySettings, DoorSettings, UserSettings
from tests.browser.chrome import Page
from tests.browser.site import PASSWORD, PERSON, WEEK, PageSite, line, page_site, person, profile
from tests.browser.test_states import VIEWS

pytestmark = pytest.mark.long

MARKUP = "<img src=x onerror=hacked=1><script>hacked=1</script>"
QUOTES = "\" onfocus=hacked=1 autofocus x='{{7*7}}${7*7}"
BACKWARDS = "\u202egnp.exe\u202c \u05d3\u05dc\u05ea \u0628\u0627\u0628"
NAMES = {"markup": MARKUP[:50], "quotes": QUOTES[:50], "backwards": BACKWARDS}
LONG = "W" * 50
CHECK = (
    "return [typeof hacked, document.querySelectorAll('main :is(script, img, iframe), [onerror], [onfocus], [autofocus]').length]"
)


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    doors = [
        DoorSettings(id=word, name=MARKUP if word == "markup" else text, panel="lobby", output=at, number=at + 1)
        for at, (word, text) in enumerate({**NAMES, "long": LONG}.items())
    ]
    users = [
        UserSettings(name="admin", password=PASSWORD),
        *(UserSettings(name=name, password=PASSWORD) for name in NAMES.values()),
    ]
    keys = [
        ApiKeySettings(name=text.replace(":", ""), hash=sha256(word.encode()).hexdigest(), role="viewer", note=text)
        for word, text in NAMES.items()
    ]
    with page_site(line("east", "lobby"), doors=doors, users=users, api_keys=keys, name=MARKUP).living() as site:
        site.ask_for("timeprofile", profile(WEEK, MARKUP, 0, 24))
        for number, text in enumerate(NAMES.values()):
            site.ask_for("identifier", person(f"{PERSON[:-1]}{number}", text, f"1000000{number}", WEEK))
        site.until(lambda panels: panels["lobby"]["state"] == "in_sync")

        async def cards() -> None:
            for number in range(len(NAMES)):
                site.simulated.panels["lobby"].read("card", f"1000000{number}", 0)

        site.run(cards())
        yield site


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_is_shown_and_does_nothing(page: Page, site: PageSite, name: str) -> None:
    page.visit(site.url, user=name)
    page.wait_for(name.replace("\u202e", "").split()[0].strip(), "#account") if name.isascii() else None
    for view in (*VIEWS, "panel/lobby", "person/1", "profile/1", "try/1"):
        page.go(f"/{view}")
        page.wait(".view > *")
        page.wait("main")
        if view == "doors":
            page.wait_for(MARKUP)
            page.wait_for("Access granted" if page.find(".latest time") else "Nothing happened")
            page.find("button.primary")[0].click()
            page.wait("dialog[open]")
            assert MARKUP in page.text("dialog")
            assert page.script(CHECK) == ["undefined", 0]
            page.find("dialog button[type=button]")[0].click()
        if view == "events":
            page.wait_for(name if name.isascii() else "gnp.exe")
        if view == "settings":
            page.wait_for(MARKUP[:50])
            page.wait_for(QUOTES[:50])
        assert page.script(CHECK) == ["undefined", 0], view
        assert not page.is_too_wide(), view


def test_a_name_from_right_to_left_turns_no_words_around_it(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.go("/doors")
    page.wait_for("gnp.exe")
    page.script(
        "[...document.querySelectorAll('.door')].find((one) => one.textContent.includes('gnp')).querySelector('button').click()"
    )
    page.wait("dialog[open]")
    isolated = page.script(
        """const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const loose = [];
        while (walker.nextNode()) {
          const { data, parentElement } = walker.currentNode;
          const outside = data.replace(/\\u2068[^\\u2069]*\\u2069/g, "");
          if (/[\\u202e\\u0590-\\u06ff]/.test(outside) && !parentElement.closest("bdi")) loose.push(data);
        }
        return loose"""
    )
    assert isolated == []


def test_an_address_of_a_view_is_no_markup_either(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.go("/lines/%3Cimg%20src%3Dx%20onerror%3Dhacked%3D1%3E")
    page.wait_for("There is no such line")
    assert "<img src=x onerror=hacked=1>" in page.text("h1")
    page.go("/lines/%E0%A4%A")
    page.wait_for("There is no such line")
    assert page.script(CHECK) == ["undefined", 0]


def test_a_formula_in_a_name_stays_text_in_a_spreadsheet(page: Page, site: PageSite) -> None:
    page.visit(site.url)
    page.script("URL.createObjectURL = (blob) => (blob.text().then((text) => (window.saved = text)), '#')")
    page.find("nav a[data-view=events]")[0].click()
    page.wait_for("events")
    site.call("GET", "/api/v1/login?username=%3D1%2B1&password=x")
    page.wait_for("event")
    page.find(".tools .buttons button")[1].click()
    saved = str(
        page.driver.execute_async_script(
            "const done = arguments[0]; const look = () => window.saved ? done(saved) : setTimeout(look, 20); look()"
        )
    )
    assert saved.startswith('"id","time","kind","text","place","panel","person","details"\r\n')
    assert not [cell for row in saved.split("\r\n") for cell in row.split('","') if cell.strip('"')[:1] in tuple("=+@")]
