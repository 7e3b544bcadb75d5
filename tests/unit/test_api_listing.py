"""The list of time profiles: pages, order, filter expressions."""

from __future__ import annotations

import operator
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.filters import ExpressionError, parse_filter, parse_order
from gateway.schedules.time_profile import TimeProfile
from tests.support.api_server import ApiServer, api_server, vector

LIST = "/api/v1/access/timeprofile/items/link"
EXAMPLES = int(os.environ.get("API_EXAMPLES", "150"))


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        template = vector("examples.json")["list_items"][0]
        items = [
            {
                **template,
                "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}",
                "name": f"Profile {number % 3}",
                "time_options": {"is_all_day": False, "date_from": 1000 - number, "date_to": 2000},
            }
            for number in range(25)
        ]
        await running.upsert(*items)
        yield running


async def numbers(server: ApiServer, query: str = "") -> list[int]:
    answer = await server.call("GET", LIST + query)
    assert answer.status == 200, answer.text
    return [int(item["link_id"][-12:]) for item in answer.json["list_items"]]


async def test_pages_in_order_of_creation(server: ApiServer) -> None:
    assert await numbers(server) == list(range(10))
    assert await numbers(server, "?page_number=3") == list(range(20, 25))
    assert await numbers(server, "?limit=100") == list(range(25))
    assert await numbers(server, "?limit=7&page_number=2") == list(range(7, 14))


async def test_past_the_end_is_an_empty_list(server: ApiServer) -> None:
    assert await numbers(server, "?page_number=4") == []
    assert await numbers(server, f"?page_number={'9' * 18}&limit={'9' * 18}") == []


async def test_the_envelope(server: ApiServer) -> None:
    query = "?limit=7&page_number=2&order_by=name%20desc&filter=" + quote("name nq 'Profile 1'")
    option = (await server.call("GET", LIST + query)).json["list_option"]
    assert option["pagination"] == {"total_items": 17, "items_limit": 7, "total_pages": 3, "current_page": 2}
    assert option["filter"]["available_filtering"] is True
    assert option["filter"]["is_filtered"] is True
    assert option["filter"]["available_fields"][0] == {
        "field_name": "name",
        "data_type": "string",
        "compare_operators": ["eq", "nq"],
        "options": [],
    }
    assert [field["field_name"] for field in option["filter"]["available_fields"]] == ["name", "date_from", "date_to"]
    assert option["sort"] == {"is_sorted": True, "order": "desc", "available_fields": ["name", "date_from", "date_to"]}
    plain = (await server.call("GET", LIST)).json["list_option"]
    assert (plain["filter"]["is_filtered"], plain["sort"]["is_sorted"], plain["sort"]["order"]) == (False, False, "asc")


async def test_an_empty_list() -> None:
    async with api_server() as server:
        answer = (await server.call("GET", LIST)).json
    assert answer["list_items"] == []
    assert answer["list_option"]["pagination"] == {"total_items": 0, "items_limit": 10, "total_pages": 0, "current_page": 1}


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=-5", "limit"),
        ("limit=ten", "limit"),
        ("limit=1e3", "limit"),
        ("limit=%D9%A1", "limit"),
        ("page_number=0", "page_number"),
        (f"page_number={'9' * 5000}", "page_number"),
        ("order_by=link_id", "order_by"),
        ("order_by=name,", "order_by"),
        ("filter=name", "filter"),
    ],
)
async def test_bad_queries(server: ApiServer, query: str, place: str) -> None:
    answer = await server.call("GET", f"{LIST}?{query}")
    assert (answer.status, answer.json["error"]) == (400, "Wrong JSON body")
    assert answer.json["detail"].startswith(f"{place}: ")


async def test_what_names_neither_a_field_nor_an_id_is_ignored(server: ApiServer) -> None:
    assert await numbers(server, "?_=17&locale=en&verbose=1&limit=3&filter=&order_by=&filter_field=&sort_type=") == [0, 1, 2]


@pytest.mark.parametrize(
    "query",
    [
        "identifier_number=22",
        "identifier_uid=1",
        "lock=first",
        "apartment_link_id=x",
        "id=1",
        "ids=1,2",
        "guid=x",
        "clientId=5",
        "LINK-IDS=x",
        "repeat_type=day",
        "identifier_owner_name=x",
        "identifier_owner.name=x",
        "identifier_owner%5Bname%5D=x",
        "name__eq=x",
        "name%5Beq%5D=x",
        "date_from%3E=5",
        "name!=Profile%201",
        "uid!=1",
        "cardNumber=5",
        "apartment.room=5",
        "forward_number=5",
        "filters=x",
        "filter_operator=eq",
        "sort=name",
        "order=asc",
        "search=x",
        "uid=one",
        "uid=",
        "link_id=",
        "uid=1&uid=2",
        "filter_field=link_id&filter_value=x",
        "filter_field=name",
        "filter_value=x",
        "filter_field=name&filter_type=like&filter_value=x",
        "filter_field=name&filter_type=less&filter_value=x",
        "filter_field=name&filter_format=float&filter_value=x",
        "filter_field=date_from&filter_type=more&filter_value=x",
        "filter_field=name&filter_format=integer&filter_value=x",
        "sort_field=colour",
        "sort_type=up",
        "sort_field=name&order_by=name",
        "limit=1&items_limit=2",
        *(
            "filter=" + quote(text)
            for text in ('{"field":"name"}', '{"filter_field":"name"}', "{", "{}", '{"filter_field":["name"]}')
        ),
    ],
)
async def test_a_selector_that_is_not_known_is_refused_and_never_ignored(server: ApiServer, query: str) -> None:
    answer = await server.call("GET", f"{LIST}?{query}")
    assert answer.status == 400, f"everything would be shown, and deleted by who asked for one: {answer.text}"
    assert ": expected " in answer.json["detail"]


async def test_all_dialects_choose_alike_and_together(server: ApiServer) -> None:
    parts = '{"filter_field":"date_from","filter_type":"more","filter_format":"integer","filter_value":%s}'
    for said in ("990", '"990"'):
        assert await numbers(server, "?name=Profile%201&filter=" + quote(parts % said)) == [1, 4, 7]
    flat = "filter_field=date_from&filter_type=more&filter_format=integer&filter_value=990"
    assert await numbers(server, f"?{flat}&filter=" + quote("name eq 'Profile 1'")) == [1, 4, 7]
    assert await numbers(server, f"?{flat}&name=Profile%201&sort_field=date_from&sort_type=asc") == [7, 4, 1]
    assert await numbers(server, "?filter_field=name&filter_value=Profile%201&limit=2") == [1, 4]
    assert await numbers(server, "?LinkId=91C615E3-1040-4815-8ECB-000000000007") == [7]
    assert await numbers(server, "?uid=8") == [7]
    assert await numbers(server, "?uid=800&link_id=x") == []
    assert await numbers(server, "?sort_type=desc&items_limit=3&current_page=2") == [21, 20, 19]


async def test_order(server: ApiServer) -> None:
    assert await numbers(server, "?order_by=date_from") == list(range(24, 14, -1))
    assert await numbers(server, "?order_by=date_from%20desc") == list(range(10))
    assert await numbers(server, "?order_by=name&limit=12") == [0, 3, 6, 9, 12, 15, 18, 21, 24, 1, 4, 7]
    assert await numbers(server, "?order_by=name,date_from%20desc&limit=9") == [2, 5, 8, 11, 14, 17, 20, 23, 1]
    assert await numbers(server, "?order_by=name%20ASC,date_from&limit=2") == [24, 21]


async def test_filters(server: ApiServer) -> None:
    assert await numbers(server, "?filter=" + quote("name eq 'Profile 1' and date_from gt 990")) == [1, 4, 7]
    assert await numbers(server, "?filter=" + quote('name eq "Profile 1" AND NOT date_from GT 995')) == [7, 10, 13, 16, 19, 22]
    assert await numbers(server, "?filter=" + quote("date_from eq 1000 or date_from le 977")) == [0, 23, 24]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("name", False), ("name asc", False), ("name,date_to desc", True), ("name asc, date_to desc", False)],
)
def test_a_direction_counts_for_the_fields_before_it(text: str, expected: bool) -> None:
    assert parse_order(text)[0] == ("name", expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name eq",
        "name eq X",
        "name eq 5",
        "name eq 'X",
        "name gt 'X'",
        "date_from eq '5'",
        "date_from eq 5.5",
        "date_from eq 5x",
        "date_from eq 9999999999999999999",
        "date_from = 5",
        "link_id eq 'x'",
        "(name eq 'X'",
        "name eq 'X')",
        "name eq 'X' name eq 'X'",
        "name eq 'X' and",
        "not",
        "and",
        "name eq 'X' or or name eq 'X'",
        "name eq 'X', name eq 'X'",
        "(" * 4000 + "name eq 'X'" + ")" * 4000,
        "not " * 2000 + "name eq 'X'",
        "'" * 4001,
        "\x00",
    ],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_filter(text)


def test_a_long_chain_is_an_expression() -> None:
    wanted = parse_filter(" or ".join(f"date_from eq {number}" for number in range(400)))
    assert [wanted(_profile("x", at, 0)) for at in (0, 399, 400)] == [True, True, False]


def _profile(name: str, date_from: int, date_to: int) -> TimeProfile:
    return TimeProfile("91c615e3-1040-4815-8ecb-000000000001", name, False, date_from, date_to)


@dataclass(frozen=True)
class Written:
    """An expression's text and what it means, made side by side."""

    text: str
    means: Callable[[TimeProfile], bool]


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "nq": operator.ne,
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
}
NAMES = st.text(st.sampled_from("aB 'é\"()"), max_size=3)
SMALL = st.integers(-3, 3)


@st.composite
def comparisons(draw: st.DrawFn) -> Written:
    field = draw(st.sampled_from(["name", "date_from", "date_to"]))
    word = draw(st.sampled_from(["eq", "nq"] if field == "name" else list(OPERATORS)))
    value: object
    if field == "name":
        value, mark = draw(NAMES), draw(st.sampled_from("'\""))
        shown = mark + str(value).replace(mark, mark * 2) + mark
    else:
        value = draw(SMALL)
        shown = str(value)
    compare = OPERATORS[word]
    written = draw(st.sampled_from([word, word.upper()]))
    return Written(f"{field} {written} {shown}", lambda profile: compare(getattr(profile, field), value))


def _both(one: Written, other: Written) -> Written:
    return Written(f"({one.text}) and ({other.text})", lambda profile: one.means(profile) and other.means(profile))


def _either(one: Written, other: Written) -> Written:
    return Written(f"({one.text}) or ({other.text})", lambda profile: one.means(profile) or other.means(profile))


def _mixed(one: Written, other: Written, third: Written) -> Written:
    """`and` binds closer than `or`, `not` closer than both."""
    return Written(
        f"not({one.text}) or ({other.text}) and ({third.text})",
        lambda profile: not one.means(profile) or (other.means(profile) and third.means(profile)),
    )


def _grow(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    return st.one_of(st.builds(_both, inner, inner), st.builds(_either, inner, inner), st.builds(_mixed, inner, inner, inner))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.recursive(comparisons(), _grow, max_leaves=8), st.builds(_profile, NAMES, SMALL, SMALL))
def test_an_expression_means_what_it_was_written_to_mean(written: Written, profile: TimeProfile) -> None:
    assert parse_filter(written.text)(profile) == written.means(profile)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_any_text_is_an_expression_or_an_expression_error(seed: int, length: int) -> None:
    words = [
        "name",
        "date_to",
        "eq",
        "nq",
        "lt",
        "and",
        "or",
        "not",
        "(",
        ")",
        "'",
        '"',
        "5",
        "''",
        ",",
        "é",
        "''''",
        " ",
        "desc",
    ]
    text = " ".join(random.Random(seed).choices(words, k=length))  # the words matter, not how they are drawn
    with suppress(ExpressionError):
        assert parse_filter(text)(_profile("name", 5, 5)) in (True, False)
