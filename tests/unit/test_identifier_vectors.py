"""From a client's identifier to the words of a panel, by hand: tests/vectors/identifiers.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.contract import ItemOutcome, ItemState, PanelImage, Slot
from drivers.modbus.panel.layouts.open_access_identifiers import identifier_words
from gateway.api.items import read_identifier
from gateway.compiler.identifiers import BoundIdentifier, with_identifiers
from gateway.compiler.options import CompileOptions
from gateway.fleet.views import RequestItem
from gateway.identifiers.identifier import Identifier
from gateway.schedules.time_profile import Readings
from tests.support.fleet_site import link
from tests.unit.compiler_oracle import record

VECTORS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent.parent / "vectors" / "identifiers.toml").read_text("utf-8"))[
    "identifier"
]
PROFILES = (link(1), link(2))
HELD = PanelImage(
    slots={0: Slot((PROFILES[0],)), 3: Slot((PROFILES[1],))},
    allocation={PROFILES[0]: (0,), PROFILES[1]: (3,)},
    generations=dict.fromkeys(PROFILES, 1),
    outcomes=dict.fromkeys(PROFILES, ItemOutcome(ItemState.EXACT)),
)


def body(vector: dict[str, Any]) -> dict[str, Any]:
    valid: dict[str, Any] = {}
    if "from" in vector:
        valid["time"] = {"is_permanent": False, "from": vector["from"], "to": vector["to"]}
    if "max_passes" in vector:
        valid["passes"] = {"is_permanent": False, "max_passes": vector["max_passes"]}
    named = {"time_profiles": {"link_ids": list(PROFILES)}} if "profiles" in vector else {}
    return {
        "link_id": link(9),
        "identifier_owner": {"name": "somebody", "type": "guest"},
        "identifier_type": vector["type"],
        "identifier_number": vector["number"],
        "lock": vector["lock"],
        "valid": valid,
        **named,
    }


@pytest.mark.parametrize("vector", VECTORS, ids=[each["what"] for each in VECTORS])
def test_what_a_client_sends_becomes_these_words(vector: dict[str, Any]) -> None:
    item = read_identifier(body(vector), {}, "list_items[0]")
    assert isinstance(item, RequestItem)
    assert isinstance(item.content, Identifier)
    closed = frozenset(PROFILES) if vector.get("profiles") == 0 else frozenset[str]()
    bound = BoundIdentifier(item.content, 1, closed)
    options = CompileOptions(Readings(ZoneInfo("UTC")))
    image = with_identifiers(HELD, [bound], record("open-access-panel"), {}, options, HELD)
    found = {number: identifier_words(number, slot) for number, slot in image.identifiers.items()}
    words = vector.get("words")
    assert found == ({} if words is None else {0: tuple(int(word, 16) for word in words.split())})
    outcome = image.outcomes[bound.key]
    assert outcome.outcome is ItemState.EXACT
    if vector.get("max_passes", 0) > 65_534:
        assert f"65534 entries of {vector['max_passes']}" in (outcome.message or "")
