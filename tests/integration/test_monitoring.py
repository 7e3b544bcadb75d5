"""The alerts and the dashboard that ship: each alert by its cause, every metric from a running gateway."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.integration.test_service import simulated
from tests.support.processes import logged_in, run
from tests.support.skips import tool

MONITORING = Path(__file__).parents[2] / "config" / "monitoring"
ALERTS = (MONITORING / "alerts.yml").read_text()
CASES = (MONITORING / "alerts_test.yml").read_text()
DASHBOARD = (MONITORING / "dashboard.json").read_text()


def promtool(*arguments: str) -> None:
    program = tool("promtool", "prometheus")
    done = subprocess.run([program, *arguments], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerting_rules_are_right_and_each_fires_by_its_cause_alone() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")


def test_no_alert_is_without_a_case_that_fires_it_and_one_that_does_not() -> None:
    for name in re.findall(r"alert: (\w+)", ALERTS):
        assert CASES.count(f"alertname: {name}\n        exp_alerts:\n") == 1, name
        assert CASES.count(f"alertname: {name}\n        exp_alerts: []\n") == 1, name


async def test_every_metric_of_an_alert_or_a_chart_is_told_by_a_running_gateway(tmp_path: Path) -> None:
    charts = [target["expr"] for panel in json.loads(DASHBOARD)["panels"] for target in panel["targets"]]
    wanted = set(re.findall(r"panel_gateway_\w+", " ".join((ALERTS, *charts))))
    async with (
        simulated(tmp_path) as (config, _),
        run("serve", "--config", str(config), log=tmp_path / "log") as gateway,
        logged_in(gateway.url) as client,
        client.session.get(gateway.url + "/metrics", headers=client.headers) as answer,
    ):
        families = set(re.findall(r"^# TYPE (\S+)", await answer.text(), re.MULTILINE))
    assert {re.sub("_bucket$", "", name) for name in wanted} <= families
