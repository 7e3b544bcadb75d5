from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from config.settings import BindingSettings
from gateway.fleet.bindings import Bindings, Target, by_panel
from gateway.fleet.views import UnknownPanel

ONE = "91c615e3-1040-4815-8ecb-000000000001"
TWO = "91c615e3-1040-4815-8ecb-000000000002"
PANELS = {"lobby": 8, "garage": 0, "gate": None}
GROUPS = {"doors": ("garage", "lobby"), "lift": ("lobby:7", "roof")}


def bindings(rules: Sequence[tuple[str, Sequence[str]]], overrides: Mapping[str, Sequence[str]] | None = None) -> Bindings:
    settings = [BindingSettings(link_id=link_id, panels=tuple(panels)) for link_id, panels in rules]
    return Bindings(PANELS, GROUPS, settings, overrides or {})


def test_no_rule_binds_nothing() -> None:
    assert bindings([]).resolve(ONE) == ()


def test_a_rule_for_every_link_id() -> None:
    assert bindings([("*", ["@doors"])]).resolve(ONE) == ("garage", "lobby")


def test_all_is_every_panel_in_the_sites_order() -> None:
    assert bindings([("*", ["@all"])]).resolve(ONE) == ("lobby", "garage", "gate")


def test_several_rules_are_united_in_written_order() -> None:
    rules = bindings([(ONE, ["gate"]), ("*", ["garage"]), (TWO, ["lobby"]), (ONE, ["lobby", "garage"])])
    assert rules.resolve(ONE) == ("gate", "garage", "lobby")
    assert rules.resolve(TWO) == ("garage", "lobby")
    assert rules.resolve("another") == ("garage",)


def test_an_override_replaces_all_rules_also_by_nothing() -> None:
    rules = bindings([("*", ["@all"]), (ONE, ["gate:1"])], {ONE: ["@doors"], TWO: []})
    assert rules.resolve(ONE) == ("garage", "lobby")
    assert rules.resolve(TWO) == ()
    assert rules.resolve("another") == ("lobby", "garage", "gate")


def test_outputs_beside_the_panel_itself() -> None:
    rules = bindings([("*", ["gate:3", "lobby", "lobby:0", "gate:03", "gate:1"])])
    assert rules.resolve(ONE) == ("gate:3", "lobby", "lobby:0", "gate:1")
    assert rules.targets(ONE) == (Target("gate", (1, 3), whole=False), Target("lobby", (0,), whole=True))


def test_names_that_the_site_lacks_are_passed_over() -> None:
    rules = bindings([("*", ["roof", "@gone", "lobby:8", "garage:0", "@lift", "gate:x", "lobby"])])
    assert rules.resolve(ONE) == ("lobby:7", "lobby")


@pytest.mark.parametrize(
    "name", ["roof", "@gone", "roof:1", "lobby:8", "garage:0", "gate:x", "gate:", ":1", "", "@", "gate:-1", "gate:1:2"]
)
def test_checking_names_the_unknown_one(name: str) -> None:
    with pytest.raises(UnknownPanel) as caught:
        bindings([]).check(["lobby", name])
    assert caught.value.name == name


def test_checking_gives_what_is_meant() -> None:
    assert bindings([]).check(["@doors", "gate:3", "lobby"]) == ("garage", "lobby", "gate:3")


def test_by_panel_of_nothing() -> None:
    assert by_panel(()) == ()
