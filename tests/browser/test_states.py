"""Every view in every state that a site can be in: it says so, everybody can use it, and it fits a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from config.settings import DoorSettings
from tests.browser.chrome import DESKTOP, PHONE, Page
from tests.browser.site import NIGHT, PERSON, WEEK, PageSite, line, page_site, person, profile

pytestmark = pytest.mark.long

VIEWS = ("overview", "matrix", "try", "doors", "events", "lines", "settings", "panel/cellar")
EAST, WEST = ("lobby", "garage"), ("attic", "cellar")
DOORS = tuple(
    DoorSettings(id=panel, name=f"Door of the {panel}", panel=panel, output=0, number=number)
    for number, panel in enumerate((*EAST, *WEST), 1)
)


@dataclass(frozen=True)
class State:
    """`seen`: words of each view that tell of the state, others say so in the same way in every state."""

    make: Callable[[], PageSite]
    bring_about: Callable[[PageSite], object]
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def whole(small: str = "") -> PageSite:
    return page_site(line("east", *EAST), line("west", *WEST, small=small), doors=DOORS)


def filled(site: PageSite) -> None:
    site.ask_for("timeprofile", profile(WEEK, "Working hours", 7, 19), profile(NIGHT, "Nights", 20, 22))
    site.ask_for("identifier", person(PERSON, "Ada Bondar", "10000001", WEEK))
    site.call("POST", "/gateway/v1/doors/lobby/open")


def healthy(site: PageSite) -> None:
    filled(site)
    site.until(lambda panels: all(panel["state"] == "in_sync" for panel in panels.values()))


def one_line_dead(site: PageSite) -> None:
    healthy(site)
    site.switch(*WEST, on=False)
    site.until(lambda panels: all(panels[panel]["state"] == "away" for panel in WEST))


def refusing(site: PageSite) -> None:
    filled(site)
    site.until(lambda panels: panels["cellar"]["state"] == "refused")


def unconfirmed(site: PageSite) -> None:
    healthy(site)
    site.switch("garage", on=False)
    site.call("POST", "/gateway/v1/doors/garage/open")
    site.until(lambda panels: panels["garage"]["state"] == "away")


def all_away(site: PageSite) -> None:
    healthy(site)
    site.switch(*EAST, *WEST, on=False)
    site.until(lambda panels: all(panel["state"] == "away" for panel in panels.values()))


STATES = {
    "empty": State(
        page_site,
        lambda site: None,
        {
            "overview": ("Nothing is wrong", "No panels are configured yet"),
            "matrix": ("There are no people and no time profiles yet",),
            "try": ("Mon, ", "It is bound to no panel"),
            "doors": ("No doors are configured",),
            "lines": ("No lines are configured yet",),
            "settings": ("Nothing is asked of any panel yet",),
            "panel/cellar": ("There is no such panel",),
        },
    ),
    "healthy": State(
        whole,
        healthy,
        {
            "overview": ("Nothing is wrong", "4 of 4", "in sync"),
            "matrix": ("Ada Bondar", "Working hours", "Door of the cellar", "3 rows, 8 columns"),
            "try": ("lobby would hold it as asked",),
            "doors": ("Door of the lobby", "A door was opened by an API call"),
            "events": ("A door was opened by an API call", "Door of the lobby", "admin"),
            "lines": ("no failed exchange within the hour",),
            "settings": ("2 time profiles, 1 identifier", "the configuration", "guard", "operator"),
            "panel/cellar": (
                "in sync",
                "It holds everything that is asked of it",
                "2 of 64",
                "Door of the cellar",
                "Erase the panel",
            ),
        },
    ),
    "line-dead": State(
        whole,
        one_line_dead,
        {
            "overview": ("2 problems", "is away", "2 away"),
            "matrix": ("attic (away)", "cellar (away)"),
            "events": ("A panel does not answer",),
            "lines": ("failed exchange", "no reply"),
            "panel/cellar": ("Away since", "as it was seen last"),
        },
    ),
    "refusing": State(
        lambda: whole("cellar"),
        refusing,
        {
            "overview": ("1 problem", "cellar cannot hold", "refuses items", "Try again"),
            "matrix": ("\u00d7",),
            "try": ("cellar would refuse it: the panel has no free slot",),
            "panel/cellar": ("1 item not held as asked", "Nights", "refused: the panel has no free slot", "1 of 1"),
        },
    ),
    "unconfirmed": State(
        whole,
        unconfirmed,
        {
            "doors": ("not known: it may be open",),
            "events": ("A door was commanded, and the panel did not confirm it", "unconfirmed, no reply"),
        },
    ),
    "all-away": State(whole, all_away, {"overview": ("4 problems", "4 away"), "doors": ("not known: it may be open",)}),
}


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest) -> Iterator[tuple[str, State, PageSite]]:
    name = request.param
    with STATES[name].make().living() as site:
        STATES[name].bring_about(site)
        yield name, STATES[name], site


def test_every_view_tells_what_is_so_and_everybody_can_use_it(page: Page, state: tuple[str, State, PageSite]) -> None:
    name, known, site = state
    page.visit(site.url)
    for view in VIEWS:
        page.look(DESKTOP)
        page.go(f"/{view}")
        page.wait(".view > *")
        for words in known.seen.get(view, ()):
            page.wait_for(words)
        assert page.barriers() == [], f"{view} of a site that is {name}"
        page.picture(f"{name}-{view.replace('/', '-')}", whole=True)
        page.look(PHONE, dark=True)
        assert page.barriers() == [], f"{view} of a site that is {name}, dark on a phone"
        assert not page.is_too_wide(), view
        page.picture(f"{name}-{view.replace('/', '-')}-phone", whole=True)
