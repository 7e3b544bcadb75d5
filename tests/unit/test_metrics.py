"""What the metrics say about panels, and that the alerts and the dashboard ask for labels that there are."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.contract import ItemState, PanelImage, Reason
from gateway.fleet import problems
from gateway.fleet.clock_trust import ClockWarning
from gateway.fleet.events import Failed
from gateway.fleet.host_clock import ClockView
from gateway.fleet.views import EnduranceView, FullLookView
from gateway.journal.journal import Journal
from gateway.journal.receivers import ReceiverView
from gateway.journal.retention import Retention
from gateway.ops.metrics import Metrics
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import START, FleetSite, item, link, one_slot_each
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_virtual
from tests.unit.test_audit import TOLD
from tests.unit.test_fleet_reconciler import on_site

MONITORING = Path(__file__).parents[2] / "config" / "monitoring"
_HOUR = 3600


def test_who_still_grants_and_for_how_long() -> None:
    async def test(site: FleetSite) -> None:
        metrics = Metrics()
        metrics.watch(site.fleet.panels)
        await site.fleet.upsert([item(1), item(2)])
        site.panels["gate"].online = False
        await site.fleet.delete([link(1)])
        await site.pass_time(100)
        lines = metrics.exposition().decode().splitlines()
        assert 'panel_gateway_still_granting{panel="lobby"} 0.0' in lines
        assert 'panel_gateway_still_granting{panel="gate"} 1.0' in lines
        (age,) = (line.split()[1] for line in lines if line.startswith('panel_gateway_revocation_age_seconds{panel="gate"}'))
        assert 100 <= float(age) < 102
        assert 'panel_gateway_storage_writes_total{panel="lobby",storage="flash"} 2.0' in lines
        site.drivers["gate"].back()
        await site.pass_time(2)
        assert 'panel_gateway_still_granting{panel="gate"} 0.0' in metrics.exposition().decode().splitlines()

    on_site(test, "lobby", "gate")


def told(metrics: Metrics, name: str) -> dict[str, float]:
    """The values of one metric by panel."""
    found = re.findall(rf'(?m)^panel_gateway_{name}\{{panel="(\w+)"\}} (\S+)$', metrics.exposition().decode())
    return {panel: float(value) for panel, value in found}


def for_six_hours(profiles: Any, capabilities: Any, allocation: Any, now: float, options: Any, held: Any = None) -> PanelImage:
    """Dates for six hours, renewed two hours before they end."""
    image = one_slot_each(profiles, capabilities, allocation, now, options, held)
    until = int(now) + 6 * _HOUR
    dates: dict[str, Any] = {"outcome": ItemState.MATERIALISED, "valid_until": until, "renew_at": until - 2 * _HOUR}
    before = PanelImage() if held is None else held
    kept = {key: said for key, said in before.outcomes.items() if said.renew_at is not None and now < said.renew_at}
    return replace(image, outcomes={key: kept.get(key) or replace(said, **dates) for key, said in image.outcomes.items()})


def test_dates_of_a_few_hours_are_late_only_where_nobody_renews_them() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel()}, compile=for_six_hours)
        metrics = Metrics()
        await site.open()
        try:
            metrics.watch(site.fleet.panels)
            await site.fleet.upsert([item(1)])
            await site.pass_time(3 * _HOUR)
            assert told(metrics, "unrenewed_until_seconds") == {}, "they end soon, and are to be renewed in an hour"
            site.panels["gate"].online = False
            await site.pass_time(1.5 * _HOUR)
            late = told(metrics, "unrenewed_until_seconds")
            assert late.keys() == {"gate"}
            assert late["gate"] == told(metrics, "valid_until_seconds")["gate"] < START + 7 * _HOUR
            assert told(metrics, "valid_until_seconds")["lobby"] > START + 9 * _HOUR
            await site.fleet.delete([link(1)])
            assert told(metrics, "unrenewed_until_seconds") == {}, "what is to be removed is not to be renewed"
        finally:
            await site.close()

    run_virtual(main())


def test_the_clock_of_a_panel_that_left_is_told_no_longer() -> None:
    async def test(site: FleetSite) -> None:
        metrics = Metrics()
        for event, *_ in TOLD:
            metrics.listen(event)
        views = [replace(view, clock_drift_ms=90_000) for view in site.fleet.panels()]
        metrics.watch(lambda: views)
        assert told(metrics, "clock_drift_ms") == {"lobby": 90_000.0}
        views.clear()
        assert told(metrics, "clock_drift_ms") == {}

    on_site(test)


async def labels_by_metric(site: FleetSite) -> dict[str, set[str]]:
    """The labels of every metric, from an exposition in which each has a sample."""
    metrics, store = Metrics(), MemoryStore()
    journal = Journal(store, await store.open(), site.clock.wall, Retention(90, 1000))
    journal.stored["events_lost"] += 1
    for event in (*(event for event, *_ in TOLD), Failed("gate", Reason.FAILED, "ValueError: odd")):
        metrics.listen(event)
    worn, looked = EnduranceView(1, 1, 1.0, 1), FullLookView(24.0, 20.0, 1)
    dates: dict[str, Any] = {"clock_drift_ms": 4, "valid_until": 5, "unrenewed_until": 5, "writes": {"flash": 3}}
    views = [replace(view, **dates, endurance=worn, full_look=looked) for view in site.fleet.panels()]
    metrics.watch(lambda: views, lambda: {"hall": 1})
    metrics.watch_clock(lambda: ClockView(True, "host", 1, None, (ClockWarning("ntp_lost", "warning", "text"),), 1.0, 1.0))
    metrics.watch_store(site.store_view)
    metrics.watch_journal(journal, lambda: [ReceiverView("manager", 1, 1.0, 1, None)])
    metrics.watch_loop(lambda: 0.0)
    metrics.watch_problems(lambda: {"panel_away": 1})
    text = metrics.exposition().decode()
    samples = re.findall(r"(?m)^(panel_gateway_\w+)(?:\{(.*)\})? \S+$", text)
    told_of = {name for name, _ in samples}
    families = [name.removesuffix("_created") for name in re.findall(r"(?m)^# TYPE (\S+)", text)]
    assert [name for name in families if not any(each.startswith(name) for each in told_of)] == []
    return {name: {"instance", "job", *re.findall(r'(\w+)="', given)} for name, given in samples}


def shown_expressions() -> list[tuple[str, str]]:
    """Each expression of an alert or a chart, with all that is said of its labels."""
    alerts = re.findall(r"(?ms)expr: '(.*?)'$(.*?)(?=- alert:|\Z)", (MONITORING / "alerts.yml").read_text())
    charts = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    legends = [(target["expr"], target["legendFormat"]) for chart in charts for target in chart["targets"]]
    return [*alerts, *legends]


def test_every_alert_and_chart_asks_for_labels_that_its_metric_has() -> None:
    async def test(site: FleetSite) -> None:
        known, wrong = await labels_by_metric(site), []
        for expression, said in shown_expressions():
            names = re.findall(r"panel_gateway_\w+", expression)
            labels = set.intersection(*(known[name] for name in names)) if names else {"instance", "job"}
            matched = {label for given in re.findall(r"\{(.*?)\}", expression) for label in re.findall(r"(\w+)[=!]", given)}
            kept = {label for given in re.findall(r"by \((.*?)\)", expression) for label in re.findall(r"\w+", given)}
            told_by = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", said))
            if (matched | kept) - labels or told_by - (kept or labels):
                wrong.append((expression, matched, kept, told_by))
        assert wrong == []

    on_site(test)


def test_the_problems_that_other_alerts_tell_of_are_named_as_they_are() -> None:
    (left_out,) = re.findall(r'code!~"(.*?)"', (MONITORING / "alerts.yml").read_text())
    assert set(left_out.split("|")) <= set(re.findall(r'"(\w+)"', inspect.getsource(problems)))
