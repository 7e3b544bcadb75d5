"""Nesting and values are counted before anything is parsed, however the body arrives."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.bodies import DEEPEST, MOST_VALUES, JsonSize, Room

JSON = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(['"', "\\", '\\"', "[", '{"', "]],", "\\\\"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def values(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(values, inner))


@given(JSON, st.booleans(), st.lists(st.integers(1, 7)))
def test_the_count_is_that_of_the_parsed_value(value: object, ascii_only: bool, cuts: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    size = JsonSize()
    for cut in cuts:
        size.feed(text[:cut])
        text = text[cut:]
    size.feed(text)
    assert size.deepest == depth(value)
    assert values(value) <= size.values <= values(value) + text.count(b"[]") + text.count(b"{}") + len(cuts) + 40
    assert size.broken_limit is None


def test_too_much_is_found_at_once() -> None:
    deep, wide = JsonSize(), JsonSize()
    for count in (DEEPEST, 1):
        assert deep.broken_limit is None
        deep.feed(b"[" * count)
    assert deep.broken_limit == f"JSON nested at most {DEEPEST} deep"
    wide.feed(b"[" + b"1," * MOST_VALUES)
    assert wide.broken_limit == f"JSON of at most {MOST_VALUES} values"


def test_room_is_taken_and_given_back() -> None:
    room = Room(10)
    assert room.take(6)
    assert not room.take(5)
    assert room.take(4)
    room.give_back(10)
    assert room.take(10)
