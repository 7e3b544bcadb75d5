from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import ItemOutcome, PanelImage
from gateway.schedules.time_profile import TimeProfile
from gateway.store import codec
from gateway.store.contract import ObservedPanel
from tests.support.stores import link, observed, profile

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIMES: dict[str, Any] = {"seen_at": st.none() | FINITE, "acknowledged_at": st.none() | FINITE, "compiled_at": FINITE}
FIELDS: dict[str, Any] = {field.name: ... for field in fields(ObservedPanel)} | TIMES
SIMPLE = settings(max_examples=int(os.environ.get("CODEC_EXAMPLES", "25")), deadline=None)

CASES: list[tuple[codec.Codec[Any], st.SearchStrategy[Any]]] = [
    (codec.TIME_PROFILE, st.from_type(TimeProfile)),
    (codec.PANEL_IMAGE, st.from_type(PanelImage)),
    (codec.ITEM_OUTCOME, st.from_type(ItemOutcome)),
    (codec.OBSERVED_PANEL, st.builds(ObservedPanel, **FIELDS)),
]


@pytest.mark.parametrize(("form", "values"), CASES, ids=["profile", "image", "outcome", "panel"])
def test_every_value_comes_back(form: codec.Codec[Any], values: st.SearchStrategy[Any]) -> None:
    @SIMPLE
    @given(values)
    def comes_back(value: Any) -> None:
        text = form.encode(value)
        again = form.decode(text)
        assert again == value
        assert repr(again) == repr(value) or form.encode(again) == text
        assert text.isascii()

    comes_back()


@SIMPLE
@given(st.text(st.characters(categories=None)))
def test_any_text_comes_back(text: str) -> None:
    assert codec.PANELS.decode(codec.PANELS.encode((text,))) == (text,)


def test_defaults_are_left_away() -> None:
    assert codec.OBSERVED_PANEL.encode(ObservedPanel()) == "{}"
    assert codec.OBSERVED_PANEL.decode("{}") == ObservedPanel()


def test_the_stored_form_of_a_profile() -> None:
    """Files of earlier versions hold it: a change here needs a migration."""
    assert json.loads(codec.TIME_PROFILE.encode(profile(link(1)))) == {
        "link_id": link(1),
        "name": "Work week",
        "is_all_day": False,
        "date_from": 1_793_602_800,
        "date_to": 1_793_635_200,
        "repeat": {
            "frequency": "month",
            "interval": 2,
            "custom": True,
            "months": [1, 7],
            "nth": {"order": -1, "day_type": "DAY_OFF"},
        },
    }


def test_the_stored_form_of_an_observation() -> None:
    image = {
        "slots": [[0, {"link_ids": [link(4)], "periods": [{"days": 31, "start": 480, "end": 1020}]}]],
        "allocation": {link(4): [0]},
        "generations": {link(4): 1},
        "outcomes": {link(4): {"outcome": "exact"}},
    }
    assert json.loads(codec.OBSERVED_PANEL.encode(observed(4, dirty=True)))["known"] == {"images": [image, image]}
    assert json.loads(codec.OBSERVED_PANEL.encode(observed(4))) == {
        "known": {"image": image},
        "outcomes": {link(4): {"outcome": "exact"}},
        "failures": {link(9): 2},
        "capacity": {"max_schedules": 64},
        "reset_count": 3,
        "uptime_s": 100,
        "seen_at": 1.5,
        "drifts": 1,
        "resets": 2,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"later": 1}', "ObservedPanel.later: unknown field"),
        (
            '{"known": {"image": {"slots": [[1, {"link_ids": [], "colour": 1}]]}}}',
            "ObservedPanel.known.image.slots.colour: unknown field",
        ),
        ('{"known": {"image": {"slots": [[1, {}]]}}}', "link_ids"),
        ('{"known": {"image": {"slots": [["1", {"link_ids": []}]]}}}', "int wanted"),
        ('{"known": {"image": {"slots": [[1]]}}}', "2 values wanted"),
        ('{"known": {"images": [], "others": 1}}', "ObservedPanel.known.others: bool wanted"),
        ('{"known": {"image": {}, "images": []}}', "ObservedPanel.known: unknown field"),
        ('{"drifts": true}', "int wanted"),
        ('{"seen_at": "1"}', "a number wanted"),
        ('{"known": {"images": {}}}', "an array wanted"),
        ('{"outcomes": {"x": {"outcome": "splendid"}}}', "unknown value 'splendid'"),
        ('{"outcomes": {"x": {"outcome": ["exact"]}}}', "unknown value"),
        ("[]", "an object wanted"),
        ("{", "ObservedPanel: "),
        ("", "ObservedPanel: "),
    ],
)
def test_what_this_program_does_not_write_is_refused(text: str, said: str) -> None:
    with pytest.raises(codec.CodecError, match="ObservedPanel") as caught:
        codec.OBSERVED_PANEL.decode(text)
    assert said in str(caught.value)


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(codec.CodecError):
        codec.OBSERVED_PANEL.encode(ObservedPanel(seen_at=float("nan")))
