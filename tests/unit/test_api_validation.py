"""Properties of the validation: the first mistake in the table's order, never anything but an item or a clear refusal."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.errors import ApiError
from gateway.api.validation import parse, read_item
from gateway.fleet.views import RequestItem
from tests.support.api_server import vector

EXAMPLES = int(os.environ.get("API_EXAMPLES", "300"))

Path = tuple[str, ...]

TEXTS = {
    "Wrong repeat_type",
    "Wrong format enum name",
    "Wrong repeat_point_type enum name",
    "Wrong repeat_options enum name",
    "Wrong repeat_looper range",
    "Set in WeekOptions can't be empty",
    "Wrong year range",
    "Set in YearOptions can't be empty",
    "Wrong DayOfMonth range",
    "Wrong months range",
    "Set in dayNumbers can't be empty",
    "Wrong JSON body",
}
"""What the vendor's page lists, the two forms with a key name aside."""

FORMAT: Path = ("repeat_options", "repeat_format")
CUSTOM: Path = (*FORMAT, "repeat_custom")
TABLE: tuple[Path, ...] = (
    ("link_id",),
    ("name",),
    ("time_options",),
    ("time_options", "is_all_day"),
    ("time_options", "date_from"),
    ("time_options", "date_to"),
    ("repeat_options",),
    ("repeat_options", "repeat_enable"),
    FORMAT,
    (*FORMAT, "repeat_type"),
    (*FORMAT, "repeat_end"),
    (*FORMAT, "repeat_end", "format"),
    (*FORMAT, "repeat_end", "date"),
    CUSTOM,
    (*CUSTOM, "repeat_point_type"),
    (*CUSTOM, "repeat_looper"),
    (*CUSTOM, "repeat_options", "format"),
    (*CUSTOM, "repeat_options", "range"),
    (*CUSTOM, "repeat_options", "range", "week_order"),
    (*CUSTOM, "repeat_options", "range", "day_type"),
)
"""Keys in the order of the vendor's table."""


def full_item() -> dict[str, Any]:
    """Every key of the table counts in it."""
    item: dict[str, Any] = copy.deepcopy(vector("examples.json")["list_items"][2])
    item["repeat_options"]["repeat_format"]["repeat_type"] = "custom"
    second_monday = {"format": "parameterizedDay", "range": {"week_order": "second", "day_type": "MON"}}
    custom = {"repeat_point_type": "month", "repeat_looper": 2, "repeat_options": second_monday}
    item["repeat_options"]["repeat_format"]["repeat_custom"] = custom
    return item


def at(item: dict[str, Any], path: Path) -> Any:
    found: Any = item
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def break_at(item: dict[str, Any], path: Path, remove: bool) -> None:
    holder = at(item, path[:-1])
    if not isinstance(holder, dict) or path[-1] not in holder:
        return  # a broken holder has taken it along
    if remove:
        del holder[path[-1]]
    else:
        holder[path[-1]] = 7.5


def refused(item: object) -> ApiError | None:
    try:
        read_item(item, {}, "list_items[0]")
    except ApiError as error:
        return error
    return None


def test_the_full_item_is_accepted() -> None:
    assert refused(full_item()) is None
    assert all(at(full_item(), path) is not None for path in TABLE)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(st.sampled_from(TABLE), st.booleans(), min_size=1, max_size=5))
def test_the_first_mistake_in_the_tables_order_is_told(broken: dict[Path, bool]) -> None:
    item = full_item()
    for path in sorted(broken, key=TABLE.index):
        break_at(item, path, broken[path])
    first = min(broken, key=TABLE.index)
    error = refused(item)
    assert error is not None
    assert error.detail is not None
    assert error.detail.startswith(f"list_items[0].{'.'.join(first)}: ")
    said = f"no value for `{first[-1]}`" if broken[first] else f"value `{first[-1]}` was of the wrong type"
    assert error.vendor == f"Wrong JSON body: {said}"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-5, 40),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(
        ["day", "week", "month", "year", "custom", "never", "date", "MON", "first", "dayNumbers", "parameterizedDay"]
    ),
)
KEYS = st.sampled_from(sorted({path[-1] for path in TABLE} | {"months", "range", "date"}))
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
PLACES = (*TABLE, (*CUSTOM, "repeat_options"), (*CUSTOM, "repeat_options", "months"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(range(10)),
    st.dictionaries(st.sampled_from(PLACES), ANYTHING, min_size=1, max_size=4),
    st.sampled_from([None, "week", "month", "year"]),
)
def test_any_mixture_is_an_item_or_a_clear_refusal(number: int, changes: dict[Path, object], point_type: str | None) -> None:
    item = copy.deepcopy(vector("examples.json")["list_items"][number])
    for path, value in changes.items():
        holder = at(item, path[:-1])
        if isinstance(holder, dict):
            holder[path[-1]] = value
    holder = at(item, CUSTOM)
    if isinstance(holder, dict) and point_type:
        holder["repeat_point_type"] = point_type
    try:
        kept = read_item(item, {}, "list_items[0]")
    except ApiError as error:
        assert_clear(error)
    else:
        assert_steady(kept)


def assert_clear(error: ApiError) -> None:
    assert error.status == 400
    assert error.detail is not None
    assert error.detail.startswith("list_items[0]")
    assert error.vendor is not None
    assert error.vendor in TEXTS or error.vendor.startswith(("Wrong JSON body: no value for `", "Wrong JSON body: value `"))


def assert_steady(kept: RequestItem) -> None:
    """What is listed, sent again, is the same profile and is listed the same."""
    json.loads(kept.body, parse_constant=lambda word: (_ for _ in ()).throw(AssertionError(word)))
    assert read_item(parse(kept.body.encode()), {}, "list_items[0]") == kept


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20))
def test_any_json_is_an_item_or_a_clear_refusal(value: object) -> None:
    error = refused(value)
    assert error is not None
    assert_clear(error)
