"""Nobody who follows a page is led astray: links lead somewhere, commands exist and run, words and keys are those of the code.

A block of shell commands under a heading that ends in "in the lab" is run against one.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import time
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from config.event_kinds import KINDS
from config.panel_model import load_models
from config.settings import (
    HttpSettings,
    LineSettings,
    PanelSettings,
    SimulatorSettings,
    SiteSettings,
    StoreSettings,
    UhppoteLineSettings,
    UhppotePanelSettings,
    WebhookSettings,
)
from drivers.bus.statistics import TrafficStatistics
from drivers.contract import Availability, ItemState, Outcome, Reason
from gateway.__main__ import main
from gateway.cli import doctor
from gateway.fleet import problems
from gateway.fleet.host_clock import ClockView
from gateway.fleet.results import PanelResult
from gateway.fleet.views import EnduranceView, ForeignSlot, ItemView, PanelView, StateWord
from gateway.journal.journal import Journal
from gateway.journal.retention import Retention
from gateway.ops import audit
from gateway.ops.metrics import Metrics
from simulators.faults import FaultRates
from tests.support.memory_store import MemoryStore
from tests.support.pages import ROOT, Page, pages
from tests.support.processes import run
from tests.support.skips import tool
from tests.support.surface_page import written

PAGES = pages()
BY_NAME = {str(page): page for page in PAGES}
GATEWAY, CONFIG, DRIVERS, SIMULATORS = (BY_NAME[f"{name}/README.md"] for name in ("gateway", "config", "drivers", "simulators"))
each_page = pytest.mark.parametrize("page", PAGES, ids=str)


@each_page
def test_every_link_leads_somewhere(page: Page) -> None:
    for link in page.links():
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.exists(), f"{page}: {link}"
        if fragment:
            assert fragment in BY_NAME[target.relative_to(ROOT).as_posix()].anchors, f"{page}: {link}"


@each_page
def test_every_path_that_is_named_exists(page: Page) -> None:
    for span in page.spans():
        path = re.fullmatch(r"(?:gateway|drivers|config|simulators|tests|unit|contract|integration)/[\w./-]+", span)
        if path is not None and not span.startswith("drivers/modbus/") and "*" not in span:
            assert (ROOT / span).exists() or (page.path.parent / span).exists(), f"{page}: {span}"


def test_the_map_of_the_tests_names_tests() -> None:
    patterns = {span for span in BY_NAME["tests/README.md"].spans() if re.fullmatch(r"test_[\w*]+", span)}
    assert len(patterns) > 30
    assert not [pattern for pattern in patterns if not list((ROOT / "tests" / "unit").glob(f"{pattern}.py"))]


@each_page
def test_every_test_that_is_run_exists(page: Page) -> None:
    written = [*page.spans(), *(block.text for block in page.blocks)]
    files = {part for text in written if "pytest " in text for part in re.findall(r"tests/[\w/{},*.]+", text)}
    assert not [file for file in files if not all(list(ROOT.glob(one)) for one in _expanded(file))]


def _expanded(pattern: str) -> list[str]:
    """The patterns that bash makes of braces: `test_{a,b}.py` is two."""
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
    return [pattern] if found is None else [f"{found[1]}{each}{found[3]}" for each in found[2].split(",")]


@each_page
def test_every_make_target_exists(page: Page) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    named = {name for span in page.spans() for name in re.findall(r"^make ([a-z]+)", span)}
    named |= {name for block in page.blocks for name in re.findall(r"(?m)^make ([a-z]+)", block.text)}
    assert named <= targets


@each_page
def test_every_command_exists(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"(?m)^  ([a-z-]+)(?:  |$)", capsys.readouterr().out))
    assert known >= {"serve", "lab", "backup"}
    written = [*page.spans(), *(block.text for block in page.blocks)]
    named = {name for text in written for name in re.findall(r"panel-gateway ([a-z]+(?:-[a-z]+)*)\b", text)}
    assert named - {"gateway"} <= known


def test_the_readme_is_short() -> None:
    assert len(BY_NAME["README.md"].text.splitlines()) < 200


async def test_the_blocks_for_the_lab_run(tmp_path: Path) -> None:
    shell, curl = tool("bash", "bash"), tool("curl", "curl")
    async with run("lab", "--port", "0", log=tmp_path / "lab.log", ready="--data") as lab:
        control = lab.output.split("control URL:", 1)[1].split()[0]
        ran = 0
        for page in PAGES:
            blocks = [block.text for block in page.blocks if block.language == "sh" and block.heading.endswith("in the lab")]
            if not blocks:
                continue
            text = "\n".join(blocks).replace("http://127.0.0.1:8080", lab.url).replace(". .venv/bin/activate\n", "")
            said = _ran(shell, curl, text, control)
            assert said.returncode == 0, f"{page}\n{said.stdout}\n{said.stderr}"
            ran += len(blocks)
    assert ran >= 5


def _ran(shell: str, curl: str, text: str, control: str) -> subprocess.CompletedProcess[str]:
    """A page's commands as one script, in which an HTTP error is a failure."""
    script = f'set -euo pipefail\ncurl() {{ {curl} --fail-with-body "$@"; }}\n{text}'
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "CONTROL": control, "LANG": "C.UTF-8"}
    return subprocess.run(
        [shell, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


CONFIGURED = [SiteSettings, LineSettings, PanelSettings, UhppoteLineSettings, UhppotePanelSettings]


@pytest.mark.parametrize("model", CONFIGURED, ids=lambda model: model.__name__)
def test_the_reference_has_every_key_of_the_configuration(model: type[BaseModel]) -> None:
    missing = set(model.model_fields) - CONFIG.spans() - {"panels"}
    assert not missing


@pytest.mark.parametrize(("section", "model"), [("http", HttpSettings), ("store", StoreSettings)])
def test_the_reference_has_every_key_of_a_section(section: str, model: type[BaseModel]) -> None:
    assert {f"{section}.{name}" for name in model.model_fields} <= CONFIG.spans()


def test_the_reference_has_every_key_of_a_webhook() -> None:
    assert WebhookSettings.model_fields.keys() <= CONFIG.spans()


def test_the_defaults_of_the_reference_are_those_of_the_code() -> None:
    for model in (SiteSettings, LineSettings, PanelSettings):
        for name, field in model.model_fields.items():
            row = re.search(rf"(?m)^\| `{name}` \| ([^|]+) \|", CONFIG.text)
            if row is not None and isinstance(field.default, bool | int | float | str | tuple):
                assert row[1].strip().strip('`"') == json.dumps(field.default).strip('"'), name


@pytest.mark.parametrize("words", [Outcome, ItemState, Reason, Availability], ids=lambda words: words.__name__)
def test_the_gateways_page_has_every_word_of_an_answer(words: type[Enum]) -> None:
    assert {word.value for word in words} <= GATEWAY.spans()


def test_the_gateways_page_has_every_state_of_a_panel() -> None:
    assert set(get_args(StateWord)) <= GATEWAY.spans()


@pytest.mark.parametrize("view", [PanelResult, PanelView, ItemView, EnduranceView, ForeignSlot], ids=lambda view: view.__name__)
def test_the_gateways_page_has_every_key_of_what_is_shown(view: type[Any]) -> None:
    assert {field.name for field in fields(view)} <= GATEWAY.spans()


async def test_the_gateways_page_has_every_metric() -> None:
    metrics = Metrics()
    store = MemoryStore()
    metrics.watch_journal(Journal(store, await store.open(), time.time, Retention(1, 1)), tuple)
    metrics.watch(tuple)
    metrics.watch_clock(lambda: ClockView(False, None, None, None, (), 0.0, 0.0))
    metrics.watch_problems(dict)
    told = re.findall(r"(?m)^# TYPE panel_gateway_(\w+?)(?:_total|_created)? ", metrics.exposition().decode())
    assert {"pushes", "line_up", "clock_warning"} <= set(told) <= GATEWAY.spans()


def test_the_gateways_page_has_every_problem() -> None:
    codes = set(re.findall(r'(?:roblem|made)\(\s*"(\w+)"', inspect.getsource(problems) + inspect.getsource(doctor)))
    assert codes >= {"panel_away", "line_unavailable", "store_refused"}
    assert codes <= GATEWAY.spans()


def test_the_gateways_page_has_every_kind_of_event() -> None:
    assert KINDS.keys() <= GATEWAY.spans()


@pytest.mark.parametrize("answer", sorted((ROOT / "tests" / "vectors" / "situations").iterdir()), ids=lambda path: path.stem)
def test_the_gateways_page_shows_what_commands_really_print(answer: Path) -> None:
    assert f"```text\n{answer.read_text('utf-8')}```\n" in GATEWAY.text


def test_the_gateways_page_has_every_record_of_the_audit_trail() -> None:
    records = set(re.findall(r'"([a-z\']+(?: [a-z\']+)+)"', inspect.getsource(audit)))
    assert {"panel acknowledged", "host clock not trusted", "panel cannot hold it"} <= records <= GATEWAY.spans()


def test_the_gateways_page_has_every_path() -> None:
    assert written(GATEWAY.text) == GATEWAY.text, "`python -m tests.support.surface_page` writes it anew"


def test_the_lines_page_has_every_count() -> None:
    assert {field.name for field in fields(TrafficStatistics)} <= DRIVERS.spans()


def test_the_simulators_page_has_every_fault_and_every_key() -> None:
    assert {field.name for field in fields(FaultRates)} <= SIMULATORS.spans()
    assert set(SimulatorSettings.model_fields) <= SIMULATORS.spans()


def test_the_configurations_page_has_every_model_and_option() -> None:
    for name, model in load_models(None).items():
        assert {name, *model.options} <= CONFIG.spans()
