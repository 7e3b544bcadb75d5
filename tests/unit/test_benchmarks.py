"""The benchmarks' own parts, without running any."""

from pathlib import Path

import pytest

from config.loader import load_settings
from tests.benchmarks.__main__ import MODULES, entry
from tests.benchmarks.counts import Counts, compared, counts_of
from tests.benchmarks.kill9 import Desired
from tests.benchmarks.rows import Row, table
from tests.benchmarks.workload import SiteText, item, link_id
from tests.benchmarks.yardsticks import requests


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_the_one_entry(name: str) -> None:
    assert callable(entry(name))


def test_a_goal_is_for_the_ratio_where_there_is_a_yardstick() -> None:
    assert Row("a", 30, "ms", "b", 20, 2.0).met
    assert not Row("a", 50, "ms", "b", 20, 2.0).met
    assert Row("a", 6, "x", goal=5, at_least=True).met
    assert not Row("a", 4, "x", goal=5, at_least=True).met
    assert Row("a", 4, "x").met is None
    shown = table([Row("a", 50, "ms", "b", 20, 2.0, note="why")]).splitlines()
    assert "2.50" in shown[1]
    assert "MISSED" in shown[1]
    assert shown[2].strip() == "why"


def test_a_site_is_a_configuration_that_loads(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(SiteText(3, [(link_id(1), ["p0", "p2"])], latency_ms=20).toml({"p1": 4000}))
    settings = load_settings(config)
    assert [line.port for line in settings.lines] == [1, 4000, 3]
    assert settings.bindings[0].panels == ("p0", "p2")
    assert settings.lines[0].panels[0].simulator.latency_ms == 20


def test_recorded_frames_become_the_requests_that_they_were() -> None:
    pdus = ["01 0000 0008", "02 0000 0008", "03 1000 0040", "04 0000 0001", "06 0202 0005", "10 0200 0002 04 DEAD 0000"]
    for pdu, request in zip(map(bytes.fromhex, pdus), requests(map(bytes.fromhex, pdus)), strict=True):
        assert bytes((request.function_code,)) + request.encode() == pdu


def test_the_ledger_of_kills_finds_what_must_not_be() -> None:
    link = link_id(1)
    free = {"p0": dict[int, tuple[int, ...]]()}

    def desired() -> Desired:
        made = Desired()
        made.asked[link].answered, made.asked[link].settled = 800, frozenset({"p0"})
        return made

    words = [1, *(int(link.replace("-", "")[at : at + 4], 16) for at in range(0, 32, 4)), *[0] * 5, 800]
    held = {"p0": {5: tuple(words)}}
    good = desired()
    good.look({link: 800}, {"p0": {link: [5]}}, held)
    assert good.lies == []
    lost, doubled, untrue, twice = desired(), desired(), desired(), desired()
    lost.look({}, {}, held)
    doubled.look({link: 800}, {"p0": {link: [5], link_id(2): [5]}}, held)
    untrue.look({link: 800}, {}, free)
    twice.look({link: 800}, {}, {"p0": {5: tuple(words), 6: tuple(words)}})
    assert all(len(each.lies) == 1 for each in (lost, doubled, untrue, twice))
    cut = desired()
    cut.asked[link].open = [900]
    cut.look({link: 900}, {}, held)
    assert cut.lies == []
    assert (cut.asked[link].answered, cut.asked[link].settled) == (900, frozenset())
    assert item(1, 80)["link_id"] == link


def test_a_count_that_grew_is_named_and_a_smaller_one_is_none_of_it() -> None:
    before = {"a": Counts(5, 100, 1), "b": Counts(5, 100, 1)}
    assert compared({"a": Counts(4, 100, 1), "b": Counts(5, 100, 1)}, before) == []
    assert compared({"a": Counts(6, 90, 2), "c": Counts(1, 1, 0)}, before) == [
        "a: more frames and commits",
        "c: nothing is committed (--write)",
    ]


def test_reading_a_log_of_events_is_not_counted_for_a_request() -> None:
    pdus = map(bytes.fromhex, ("04 0012 0006", "06 100E 0438", "10 0200 0002 04 C0DE 0001", "03 7000 0078"))
    assert counts_of({"p0": [(0.0, pdu) for pdu in pdus]}) == Counts(2, 5 + 10, 1)
