"""What the surface says of the host's clock, and how somebody vouches for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from gateway.fleet.host_clock import ClockTooEarly, ClockWasSet
from tests.support.api_server import ApiServer, api_server
from tests.support.zone_files import zone_with_rules

OWN = "/gateway/v1"
SHOWN = {
    "trusted": True,
    "source": "host",
    "since": 1_793_484_000,
    "reason": None,
    "warnings": [
        {
            "code": "never_synchronised",
            "severity": "warning",
            "text": "the system clock has never been seen synchronised: it is trusted",
        }
    ],
    "at": 1_793_484_000.5,
    "up_s": 1000.25,
}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


@pytest.mark.parametrize("path", ["clock", "panels", "panels/lobby"])
async def test_whoever_looks_at_the_panels_sees_whether_the_clock_is_believed(server: ApiServer, path: str) -> None:
    assert (await server.call("GET", f"{OWN}/{path}")).json["clock"] == SHOWN


async def test_somebody_vouches_for_the_clock_that_he_saw(server: ApiServer) -> None:
    answer = await server.call("POST", f"{OWN}/clock/trust?at=1793484000.5&up_s=1000.25")
    assert (answer.status, answer.json) == (200, {"clock": SHOWN})
    assert server.fleet.vouched == [(1_793_484_000.5, 1000.25)]


@pytest.mark.parametrize("query", ["", "?at=1", "?at=now&up_s=1", "?at=nan&up_s=1", "?at=1&up_s=inf", "?at=1&up_s="])
async def test_nobody_vouches_blindly(server: ApiServer, query: str) -> None:
    answer = await server.call("POST", f"{OWN}/clock/trust{query}")
    assert answer.status == 400
    assert server.fleet.vouched == []


@pytest.mark.parametrize(
    ("broken", "code"),
    [(ClockTooEarly("before the release"), "clock_before_release"), (ClockWasSet("was set"), "clock_was_set")],
)
async def test_a_clock_that_nobody_can_vouch_for(server: ApiServer, broken: Exception, code: str) -> None:
    server.fleet.broken = broken
    answer = await server.call("POST", f"{OWN}/clock/trust?at=1&up_s=2")
    assert (answer.status, answer.json) == (409, {"error": code, "detail": str(broken)})


async def test_nothing_is_explained_for_a_time_that_is_guessed(server: ApiServer) -> None:
    link_id = "91c615e3-1040-4815-8ecb-000000000001"
    server.fleet.host_clock = replace(server.fleet.host_clock, trusted=False, reason="nobody knows")
    answer = await server.call("GET", f"{OWN}/explain?link_id={link_id}")
    assert (answer.status, answer.json["error"]) == (503, "clock_not_set")
    assert (await server.call("GET", f"{OWN}/explain?link_id={link_id}&at=1795450000")).json["error"] == "unknown_link_id"


async def test_the_clock_is_nobodys_business_without_a_login(server: ApiServer) -> None:
    assert (await server.call("GET", f"{OWN}/clock", authorization=None)).status == 401
    assert (await server.call("POST", f"{OWN}/clock/trust?at=1&up_s=2", authorization=None)).status == 401
    assert server.fleet.vouched == []


async def test_a_client_that_sets_its_clock_by_the_gateway_is_not_an_hour_off_after_a_change_of_law(server: ApiServer) -> None:
    """The zone has its old name, and no summer time any more."""
    server.fleet.read_as = replace(server.fleet.read_as, zone=zone_with_rules("Europe/Kyiv", "Africa/Lagos"))
    told = (await server.call("GET", "/api/v1/device/time")).json
    assert (told["timezone"], told["device_timezone"]) == ("UTC+01:00", "UTC+01:00")
    assert (await server.call("GET", "/api/v1/network/timezone")).json["timezone"] == "UTC+01:00"
    assert (await server.call("GET", "/api/v1/network/dst")).json["enable"] is False


@pytest.mark.parametrize(
    "at", [1_793_484_000, 1_806_195_600, 1_807_000_000, 1_824_944_400], ids=["winter", "spring", "april", "autumn"]
)
async def test_a_zone_with_summer_time_has_it_all_year(server: ApiServer, at: int) -> None:
    """Half a year after the first weeks of summer time it is summer time, too: that says nothing."""
    server.fleet.read_as = replace(server.fleet.read_as, zone=ZoneInfo("Europe/Kyiv"))
    server.clock.now = at
    assert (await server.call("GET", "/api/v1/network/dst")).json["enable"] is True
