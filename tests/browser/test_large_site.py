"""A site of 1,000 panels, as many doors and 10,000 people: what a view of it transfers, and how much of it is in the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from config.settings import (
    BindingSettings,
    DoorSettings,
    HttpSettings,
    ModbusTcpLine,
    PanelSettings,
    Settings,
    SiteSettings,
    StoreSettings,
)
from drivers.clock import SystemClock
from gateway.app import Gateway
from tests.browser.chrome import Page
from tests.browser.site import USERS, WEEK, PageSite, person, profile

pytestmark = pytest.mark.long

PANELS, PEOPLE = 1000, 10_000
EVERYWHERE = "91c615e3-1040-4815-8ecb-000001000000"
MOST_BYTES, MOST_NODES = 200_000, 15_000
_BATCH = 2500
_NODES = """
const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
let count = 1;
while (walker.nextNode()) count++;
return count;
"""


class AwaySite(PageSite):
    """Nobody answers for its panels: each of them is a problem."""

    async def _live(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        with TemporaryDirectory() as folder:
            settings = self.settings.model_copy(update={"store": StoreSettings(path=Path(folder) / "gateway.db")})
            self.gateway = Gateway(settings, None, SystemClock(), released_at=0)
            try:
                self.url = await self.gateway.start()
                started.set()
                await self._stop.wait()
            finally:
                await self.gateway.stop()


def link_id(number: int) -> str:
    return f"91c615e3-1040-4815-8ecb-{1_000_000 + number:012d}"


def settings() -> Settings:
    panels = [f"p{number}" for number in range(PANELS)]
    lines = [
        ModbusTcpLine(
            id=f"line-{name}",
            kind="modbus-tcp",
            host="127.0.0.1",
            port=1,
            panels=(PanelSettings(id=name, model="open-access-panel"),),
        )
        for name in panels
    ]
    own = [BindingSettings(link_id=link_id(number), panels=(f"p{number % PANELS}",)) for number in range(1, PEOPLE)]
    return Settings(
        site=SiteSettings(name="Large", timezone="UTC", clock_source="host"),
        http=HttpSettings(port=0, deadline_ms=500),
        users=USERS,
        lines=tuple(lines),
        bindings=(BindingSettings(link_id=WEEK, panels=("@all",)), BindingSettings(link_id=EVERYWHERE, panels=("@all",)), *own),
        doors=tuple(DoorSettings(id=name, name=f"Door {name}", panel=name, output=0) for name in panels),
    )


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    with AwaySite(settings()).living() as site:
        site.ask_for("timeprofile", profile(WEEK, "Working hours", 7, 19))
        for first in range(0, PEOPLE, _BATCH):
            people = [person(link_id(n), f"Person {n}", str(10_000_000 + n), WEEK) for n in range(first, first + _BATCH)]
            site.ask_for("identifier", *people)
        site.until(lambda panels: all(panel["state"] == "away" for panel in panels.values()))
        yield site


VIEWS = {
    "/overview": "1,000 problems",
    "/matrix": "10,001 rows",
    "/panel/p7": "not held as asked",
    "/try": "The next openings",
    "/try/1": "1,000 panels would",
    "/person/1": "Show more of 980 other panels",
    "/profile/1": "and 9988 more",
    "/doors": "Show more of",
    "/events": "A panel does not answer",
    "/lines": "Show more of",
    "/lines/line-p7": "since the start",
    "/settings": "other bindings, of fewer items each",
}


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_is_as_small_as_if_the_site_were_small(page: Page, site: PageSite, path: str) -> None:
    page.visit(site.url)
    page.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.driver.get("about:blank")
    page.transfers()
    page.go(path)
    page.wait_for(VIEWS[path])
    page.wait_for("live", "#account")
    sent = [(url.removeprefix(page.url), size) for url, size in page.transfers() if url.startswith(page.url)]
    assert sum(size for _, size in sent) <= MOST_BYTES, sorted(sent, key=lambda one: -one[1])
    assert page.script(_NODES) <= MOST_NODES
