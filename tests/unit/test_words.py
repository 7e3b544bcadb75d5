"""The words check finds what it is there for; `make lint` tries the tree by it."""

from __future__ import annotations

import pytest

from tests.words import AFTER_THE_PASS, RULES, found, page_texts, python_texts

EVERY = (*RULES, *AFTER_THE_PASS)


def words(source: str) -> list[tuple[str, str]]:
    return [(finding.place, finding.words) for finding in found(python_texts(source), EVERY, "a.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Of every panel its image."""\n', [("a.py:1", "Of")]),
        ('X = 1\n"""So often one link_id may be refused."""\n', [("a.py:2", "So often"), ("a.py:2", "So often")]),
        ('def f():\n    """Fine.\n\n    The object that is wanted.\n    """\n', [("a.py:4", "is wanted")]),
        ('raise ValueError("a JSON object is wanted")\n', [("a.py:1", "is wanted")]),
        ('raise ValueError(f"{place}: numbers are wanted")\n', [("a.py:1", "are wanted")]),
        ("x = 1  # an opening in vain\n", [("a.py:1", "in vain")]),
        ('"""Text of every panel."""\nwanted = {"of": "Of"}\n', []),
        ('def f():\n    """Until `stop`."""\n', [("a.py:2", "Until")]),
        ('raise ValueError("the panel cannot say a start")\n', [("a.py:1", "cannot say")]),
        ('raise ValueError(f"{text} expected, {held} written")\n', [("a.py:1", "expected,")]),
        ('raise ValueError(f"FF01 expected, {held} written")\n', [("a.py:1", "1 expected,")]),
        ("x = 1  # a clock that is trusted no more\n", [("a.py:1", "trusted no more")]),
        ('"""It moves the clock by no more than a step, and is no more than a name."""\n', []),
    ],
)
def test_a_word_is_found_where_it_stands(source: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(words(source)) == sorted(expected)


def test_a_docstring_of_a_test_may_begin_as_it_likes() -> None:
    until = python_texts('"""Until `stop`."""\n')
    assert list(found(until, EVERY, "tests/unit/test_a.py")) == []


def test_a_page_may_name_a_word_in_a_list_of_words_to_avoid() -> None:
    page = "| write | not |\n|---|---|\n| expected an array | an array is wanted |\n\nAn array is wanted, `is wanted`.\n"
    assert [finding.place for finding in found(page_texts(page), EVERY, "A.md")] == ["A.md:5"]


def test_a_block_of_code_on_a_page_is_left_out() -> None:
    assert list(found(page_texts("```sh\nawk '# in vain'\n```\n"), EVERY, "A.md")) == []
