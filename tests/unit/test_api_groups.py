"""What is said of a large site: equal results once, a page of lines, and answers of every method compressed for browsers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from drivers.contract import ItemState, Reason
from gateway.api.services import LineChoice
from gateway.fleet.views import (
    Deletion,
    ExplainPanel,
    ExplainReport,
    IdentifierView,
    ItemView,
    NumberedView,
    PanelView,
    PlanItem,
    PlanItemPanel,
    PlanReport,
    RefusedItem,
    RequestItem,
)
from tests.support.api_server import BASIC, VIEW, MemoryFleet, api_server, vector

OWN = "/gateway/v1"
ITEM: dict[str, Any] = vector("examples.json")["list_items"][0]
LINK_ID = ITEM["link_id"]
PANELS = [f"p{number}" for number in range(1000)]


class LargeFleet(MemoryFleet):
    """Every tenth panel refuses."""

    async def plan(self, items: Sequence[RequestItem | RefusedItem | Deletion], panels: Sequence[str] | None) -> PlanReport:
        cells = [
            PlanItemPanel(name, ItemState.REFUSED, None, (), Reason.NO_FREE_SLOT, "full", 0)
            if number % 10 == 0
            else PlanItemPanel(name, ItemState.EXACT, None, (), None, None, 1)
            for number, name in enumerate(PANELS)
        ]
        return PlanReport(tuple(PlanItem(item.link_id, tuple(cells)) for item in items), ())

    async def explain(self, link_id: str, at: int, panel: str | None, kind: str) -> ExplainReport | None:
        return ExplainReport(
            link_id, at, True, tuple(ExplainPanel(name, True, name == "p7" or None, None, None) for name in PANELS)
        )


async def test_what_many_panels_say_alike_stands_once_with_their_names() -> None:
    async with api_server(fleet=LargeFleet()) as server:
        await server.upsert(ITEM)
        (item,) = (await server.call("POST", f"{OWN}/plan?grouped=1", {"list_items": [ITEM]})).json["items"]
        assert item["link_id"] == LINK_ID
        refused, exact = item["groups"]
        assert refused == {
            "panels": PANELS[::10],
            "outcome": "refused",
            "valid_until": None,
            "cuts": [],
            "reason": "no_free_slot",
            "message": "full",
            "slots": 0,
        }
        assert (exact["outcome"], sorted(exact["panels"])) == ("exact", sorted({*PANELS} - {*PANELS[::10]}))
        whole = (await server.call("POST", f"{OWN}/plan", {"list_items": [ITEM]})).json
        assert len(whole["items"][0]["panels"]) == 1000, "scripts are answered as before"
        body = (await server.call("GET", f"{OWN}/explain?link_id={LINK_ID}&at=7&grouped=1")).json
        unknown, held = body.pop("groups")
        assert body == {"link_id": LINK_ID, "at": 7, "asked": True}
        assert (held["panels"], held["held"]) == (["p7"], True)
        assert (len(unknown["panels"]), unknown["held"]) == (999, None)


class LackingFleet(MemoryFleet):
    def panel(self, panel_id: str) -> PanelView | None:
        items = (
            ItemView(LINK_ID, 2, 2, ItemState.EXACT),
            ItemView(LINK_ID, 2, None, ItemState.REFUSED, reason=Reason.NO_FREE_SLOT),
            NumberedView(None, 1, None, ItemState.PENDING, uid=1),
            IdentifierView("91c615e3-1040-4815-8ecb-000000000101", None, 4, ItemState.PENDING, slots=(3,)),
        )
        return replace(VIEW, items=items)


async def test_what_a_panel_lacks_is_told_a_page_at_a_time_with_names() -> None:
    async with api_server(fleet=LackingFleet()) as server:
        await server.upsert(ITEM)
        (panel,) = (await server.call("GET", f"{OWN}/panels/lobby?items=lacking")).json["panels"]
        assert [(item["kind"], item["uid"], item["name"]) for item in panel["items"]] == [
            ("timeprofile", 1, ITEM["name"]),
            ("timeprofile", 1, ITEM["name"]),
            ("identifier", None, ""),  # to be taken away, and forgotten otherwise
        ]
        assert panel["lacking"] == 3
        (panel,) = (await server.call("GET", f"{OWN}/panels/lobby?items=lacking&first=1&limit=1")).json["panels"]
        assert (len(panel["items"]), panel["lacking"]) == (1, 3)
        (panel,) = (await server.call("GET", f"{OWN}/panels/lobby")).json["panels"]
        assert len(panel["items"]) == 4, "scripts are answered as before"
        for wrong in ("items=some", "items=lacking&limit=0", "items=lacking&first=x"):
            assert (await server.call("GET", f"{OWN}/panels/lobby?{wrong}")).status == 400


async def test_items_that_are_bound_alike_are_counted() -> None:
    fleet = MemoryFleet()
    async with api_server(fleet=fleet) as server:
        items = [{**ITEM, "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}"} for number in range(30)]
        await server.upsert(*items)
        fleet.bound = {items[0]["link_id"]: tuple(PANELS)}
        body = (await server.call("GET", f"{OWN}/bindings?effective=1&grouped=1")).json
    by_file, own = body["groups"]
    assert body["total"] == 2
    counted = {"panels": ["lobby"], "bound_to": 1, "source": "file", "time_profiles": 29, "identifiers": 0}
    assert by_file == {**counted, "link_ids": [item["link_id"] for item in items[1:21]]}
    assert (own["panels"], own["bound_to"], own["source"]) == (PANELS[:20], 1000, "override")


@pytest.mark.parametrize("path", ["bindings?grouped=1", "bindings?effective=1&grouped=yes", "lines?limit=0", "lines?minutes=2"])
async def test_what_is_not_meant_is_refused(path: str) -> None:
    async with api_server() as server:
        assert (await server.call("GET", f"{OWN}/{path}")).status == 400


async def test_a_browser_gets_long_answers_compressed_whatever_the_method_and_machines_as_they_are() -> None:
    async with api_server(fleet=LargeFleet()) as server:
        session = server.session
        browser = {"Authorization": BASIC, "Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin", "Origin": server.url}
        for headers, compressed in ((browser, True), ({"Authorization": BASIC, "Accept-Encoding": "gzip"}, False)):
            async with session.post(f"{server.url}{OWN}/plan", json={"list_items": [ITEM]}, headers=headers) as answer:
                assert (answer.headers.get("Content-Encoding") == "gzip") is compressed
                sent = int(answer.headers["Content-Length"])
                assert (sent < len(await answer.read()) / 10) is compressed


def test_a_line_is_found_by_its_name_or_a_panel_s() -> None:
    assert [LineChoice(find=find).takes("line-a", ["Wing"]) for find in ("", "win", "line-", "x")] == [True, True, True, False]
    assert [LineChoice(line=line).takes("line-a", []) for line in (None, "line-a", "line")] == [True, True, False]
    assert LineChoice(first=2, limit=3).places == slice(2, 5)
    assert LineChoice(first=2).places == slice(2, None)
