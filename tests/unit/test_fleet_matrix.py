"""What became of items at panels and doors, and when they are open, as a fleet with panels in memory says it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from config.settings import DoorSettings
from drivers.contract import IDENTIFIER, Availability, ItemState, PanelImage, Period, Reason, Slot
from gateway.compiler.calendar import calendar, image_days
from gateway.fleet.matrix import Cell, Matrix
from gateway.fleet.target import Target
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual

TODAY = START // 86_400
MORNING = ((540, 600),)


def on_site(test: Callable[[FleetSite], Awaitable[None]]) -> None:
    async def main() -> None:
        front = DoorSettings(id="front", panel="lobby", output=1, number=1)
        site = FleetSite({"lobby": FakePanel(ACCESS_PANEL), "gate": FakePanel(ACCESS_PANEL)}, doors=(front,))
        await site.open()
        try:
            await test(site)
        finally:
            await site.close()

    run_virtual(main())


def cells(table: Matrix, number: int) -> dict[str, Cell]:
    (found,) = [each for each in table.items() if each.link_id == link(number)]
    return {str(table.columns[place].target): cell for place, cell in table.row(found).items()}


def test_the_matrix_says_what_each_panel_holds_and_what_it_still_holds_though_it_was_deleted() -> None:
    async def run(site: FleetSite) -> None:
        await site.fleet.bind(link(2), ["lobby"])
        await site.fleet.upsert([item(1), item(2)])
        table = site.fleet.matrix()
        assert [str(column.target) for column in table.columns] == ["lobby", "lobby:1", "gate"]
        assert {name: (cell.asked, cell.outcome) for name, cell in cells(table, 1).items()} == {
            "lobby": (True, ItemState.EXACT),
            "gate": (True, ItemState.EXACT),
        }
        assert set(cells(table, 2)) == {"lobby"}
        site.panels["gate"].online = False
        await site.fleet.delete([link(1)])
        late = cells(site.fleet.matrix(), 1)
        assert set(late) == {"gate"}, "the lobby has dropped it"
        assert (late["gate"].asked, late["gate"].success) == (False, False)
        assert late["gate"].still_grants_text is not None

    on_site(run)


def test_a_panel_that_is_away_is_shown_with_what_it_held_and_what_it_lacks() -> None:
    async def run(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.panels["gate"].online = False
        site.drivers["gate"].feed.set(Availability.QUARANTINED, "the cable is out")
        await site.pass_time(1)
        await site.fleet.upsert([item(3)])
        table = site.fleet.matrix()
        assert [column.away for column in table.columns if column.target == Target("gate")] == [True]
        assert cells(table, 1)["gate"].success, "it held it when it was seen last"
        lacks = cells(table, 3)["gate"]
        assert (lacks.success, lacks.reason is not None) == (False, True)

    on_site(run)


def test_hours_say_what_is_asked_and_what_a_panel_holds_of_an_older_generation() -> None:
    async def run(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.panels["gate"].online = False
        site.drivers["gate"].feed.set(Availability.QUARANTINED, "the cable is out")
        await site.pass_time(1)
        await site.fleet.upsert([item(1, start=600)])
        report = await site.fleet.hours(link(1), "timeprofile", TODAY, 366, slice(0, 9), None)
        assert report is not None
        assert report.asked == calendar(TODAY, [((600, 660),)] * 366)
        by_panel = {each.result.panel: each for each in report.panels}
        assert by_panel["lobby"].compiled == by_panel["lobby"].held == report.asked
        assert by_panel["gate"].compiled == report.asked
        assert by_panel["gate"].held == calendar(TODAY, [MORNING] * 366)
        assert by_panel["gate"].result.reason is Reason.QUARANTINED
        only = await site.fleet.hours(link(1), "timeprofile", TODAY, 7, slice(1, 2), None)
        assert only is not None
        assert ([each.result.panel for each in only.panels], only.places) == (["gate"], 2)
        assert await site.fleet.hours(link(9), IDENTIFIER, TODAY, 7, slice(0, 9), None) is None

    on_site(run)


def test_a_year_is_a_week_and_the_days_that_are_otherwise() -> None:
    monday = 20_000 - (20_000 + 3) % 7
    plans = [MORNING if day % 7 < 5 else () for day in range(28)]
    plans[9] = ((0, 1440),)
    found = calendar(monday, plans)
    assert found.week == (MORNING,) * 5 + ((),) * 2
    assert found.changes == ((monday + 9, ((0, 1440),)),)


def test_a_slot_that_cannot_be_read_makes_the_hours_unknown() -> None:
    readable = Slot((link(1),), (Period(127, 540, 600),))
    site = FleetSite({})
    for slot, known in ((readable, True), (Slot((link(1),), opaque=(1, 2)), False)):
        image = PanelImage(slots={0: slot}, allocation={link(1): (0,)})
        days = image_days(image, ACCESS_PANEL, link(1), site.options().readings.zone, TODAY, 3)
        assert (days == [MORNING] * 3) is known
        assert (days is None) is not known
