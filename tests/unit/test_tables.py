"""Tables on a terminal: what does not fit is folded between words, and nothing of it is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.tables import columns

ROWS = [("item", "panels", "by"), ("Work week", "lobby, garage, stairs, north-door", "the configuration"), ("Night", None, "x")]
CELLS = st.one_of(st.none(), st.integers(0, 10**9), st.text("ab -,", max_size=30).map(str.strip))


def test_where_no_terminal_shows_it_every_row_is_one_line() -> None:
    assert columns(ROWS, None).splitlines() == [
        "item       panels                             by",
        "Work week  lobby, garage, stairs, north-door  the configuration",
        "Night      -                                  x",
    ]


def test_what_is_a_little_too_wide_moves_closer_before_anything_is_folded() -> None:
    assert columns(ROWS, 61).splitlines()[1] == "Work week lobby, garage, stairs, north-door the configuration"


def test_a_wide_cell_goes_on_below_itself() -> None:
    assert columns(ROWS, 50).splitlines() == [
        "item       panels                by",
        "Work week  lobby, garage,        the configuration",
        "           stairs, north-door",
        "Night      -                     x",
    ]


def test_the_indent_of_a_unit_below_its_line_stays() -> None:
    assert columns([("line", "seen"), ("  entrance", "an hour ago")], 18).splitlines() == [
        "line        seen",
        "  entrance  an",
        "            hour",
        "            ago",
    ]


def test_columns_stay_one_below_the_other_where_letters_are_wide_or_have_marks() -> None:
    rows = [("who", "door"), ("山田太郎", "lobby"), ("e\u0301mile", "gate"), ("Anna", "attic")]
    assert columns(rows, None).splitlines() == ["who       door", "山田太郎  lobby", "e\u0301mile     gate", "Anna      attic"]
    rows = [("who", "door"), ("山田 太郎", "lobby"), ("Anna\u00a0Maria Li", "the north gate")]
    assert columns(rows, 12).splitlines() == [
        "who    door",
        "山田   lobby",
        "太郎",
        "Anna   the",
        "Maria  north",
        "Li     gate",
    ]


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5), st.integers(0, 80))
def test_no_word_is_lost_and_lines_fit_where_words_allow_it(rows: list[tuple[object, ...]], most: int) -> None:
    words = sorted(word for row in rows for cell in row for word in ("-" if cell is None else str(cell)).split())
    text = columns(rows, most)
    assert sorted(text.split()) == words
    longest = [max((len(word) for row in rows for word in str(row[column] or "-").split()), default=0) for column in range(3)]
    assert max(map(len, text.split("\n"))) <= max(most, sum(longest) + 2)
