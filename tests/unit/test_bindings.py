from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from config.settings import BindingSettings
from gateway.fleet.bindings import Bindings, Targets
from gateway.fleet.target import Target, read_target
from gateway.fleet.views import UnknownPanel

ONE = "91c615e3-1040-4815-8ecb-000000000001"
TWO = "91c615e3-1040-4815-8ecb-000000000002"
PANELS = {"lobby": 8, "garage": 0, "gate": None}
GROUPS = {"doors": ("garage", "lobby"), "lift": ("lobby:7", "roof")}


def bindings(rules: Sequence[tuple[str, Sequence[str]]], overrides: Mapping[str, Sequence[str]] | None = None) -> Bindings:
    settings = [BindingSettings(link_id=link_id, panels=tuple(panels)) for link_id, panels in rules]
    return Bindings(PANELS, GROUPS, settings, overrides or {})


def targets(*names: str) -> Targets:
    found = tuple(read_target(name) for name in names)
    assert None not in found
    return tuple(target for target in found if target is not None)


def test_no_rule_binds_nothing() -> None:
    assert bindings([]).resolve(ONE) == ()


def test_a_rule_for_every_link_id() -> None:
    assert bindings([("*", ["@doors"])]).resolve(ONE) == targets("garage", "lobby")


def test_all_is_every_panel_in_the_sites_order() -> None:
    assert bindings([("*", ["@all"])]).resolve(ONE) == targets("lobby", "garage", "gate")


def test_several_rules_are_united_in_written_order() -> None:
    rules = bindings([(ONE, ["gate"]), ("*", ["garage"]), (TWO, ["lobby"]), (ONE, ["lobby", "garage"])])
    assert rules.resolve(ONE) == targets("gate", "garage", "lobby")
    assert rules.resolve(TWO) == targets("garage", "lobby")
    assert rules.resolve("another") == targets("garage")


def test_an_override_replaces_all_rules_also_by_nothing() -> None:
    rules = bindings([("*", ["@all"]), (ONE, ["gate:1"])], {ONE: ["@doors"], TWO: []})
    assert rules.resolve(ONE) == targets("garage", "lobby")
    assert rules.resolve(TWO) == ()
    assert rules.resolve("another") == targets("lobby", "garage", "gate")


def test_outputs_beside_the_panel_itself() -> None:
    rules = bindings([("*", ["gate:3", "lobby", "lobby:0", "gate:03", "gate:1"])])
    assert rules.resolve(ONE) == targets("gate:3", "lobby", "lobby:0", "gate:1")
    assert [str(target) for target in rules.resolve(ONE)] == ["gate:3", "lobby", "lobby:0", "gate:1"]


def test_names_that_the_site_lacks_are_passed_over() -> None:
    rules = bindings([("*", ["roof", "@gone", "lobby:8", "garage:0", "@lift", "gate:x", "lobby"])])
    assert rules.resolve(ONE) == targets("lobby:7", "lobby")


@pytest.mark.parametrize(
    "name", ["roof", "@gone", "roof:1", "lobby:8", "garage:0", "gate:x", "gate:", ":1", "", "@", "gate:-1", "gate:1:2"]
)
def test_checking_names_the_unknown_one(name: str) -> None:
    with pytest.raises(UnknownPanel) as caught:
        bindings([]).check(["lobby", name])
    assert caught.value.name == name


def test_checking_gives_what_is_meant() -> None:
    assert bindings([]).check(["@doors", "gate:3", "lobby"]) == targets("garage", "lobby", "gate:3")


@pytest.mark.parametrize("text", ["gate:", ":1", "", "gate:-1", "gate:1:2", "@doors", "gate:x", "gate:12345"])
def test_a_text_that_names_neither_panel_nor_output_is_no_target(text: str) -> None:
    assert read_target(text) is None


def test_a_target_is_one_value_however_its_number_is_written() -> None:
    assert read_target("gate:03") == Target("gate", 3)
    assert str(Target("gate", 3)) == "gate:3"
