"""What there is to say of a configuration: mistakes, which refuse it, and warnings, which do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic import AfterValidator, BaseModel
from pydantic_core import ErrorDetails

from config.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Finding:
    """`place` is a key path (`lines[0].panels[2].unit`), `what` says what is there, `line` is where that stands in the file.

    `elsewhere`: not the file's text is to blame but something that it names and that is not there now. It may be there later.
    """

    place: str
    what: str
    line: int | None = None
    elsewhere: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.line is None else f"{self.place}: {self.what} (line {self.line})"


def matching(pattern: str, expected: str) -> AfterValidator:
    """A validator for `Annotated[str, ...]`: the whole text matches, or the mistake says what is expected."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


_LONGEST = 40

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "path_type": "text",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "dataclass_type": "a table",
    "model_attributes_type": "a table",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number from {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number up to {le:g}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "union_tag_invalid": "one of {expected_tags}",
}
"""What is expected, by the type of pydantic's error, with the names of its context."""
_LENGTHS = {
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "at most {max_length} characters",
}
_TYPES = ((bool, "true or false"), (int | float, "a number"), (str, "text"), (list | tuple, "a list"))
DATE = "date or time"
"""The only key of the table by which a date of a TOML file is told apart from text."""


def location_of(error: ErrorDetails) -> tuple[int | str, ...]:
    """Where one of pydantic's errors is: for a table whose alternatives have a name, at the key of that name."""
    named = error.get("ctx", {}).get("discriminator")
    return error["loc"] if named is None else (*error["loc"], named.strip("'"))


def in_words(error: ErrorDetails, root: type[BaseModel]) -> str:
    """What one of pydantic's errors in a table of the form `root` says: what is expected, and what is there.

    What is there in place of a text is not quoted: it may be meant for a password.
    """
    kind = error["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown key{_near_key(root, error['loc'])}"
    if kind in ("missing", "union_tag_not_found"):
        return "is missing"
    if kind not in _EXPECTED and kind not in _LENGTHS:
        said = error["msg"].removeprefix("Value error, ")
        return said[:1].lower() + said[1:]
    context = error.get("ctx", {})
    if kind in _LENGTHS:
        return f"expected {_LENGTHS[kind].format(**context)}, got {len(error['input'])}"
    given = context.get("tag", error["input"])
    quoted = kind != "string_type" and isinstance(given, str | int | float)
    return f"expected {_EXPECTED[kind].format(**context)}, got {_quoted(given) if quoted else _type_of(given)}"


def _quoted(value: str | int | float) -> str:
    """The value as it is written in the file, shortened."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _type_of(value: object) -> str:
    if isinstance(value, dict):
        return f"a {DATE}" if value.keys() == {DATE} else "a table"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "something else")


def _near_key(root: type[BaseModel], location: Sequence[int | str]) -> str:
    """The known key that an unknown one may stand for, by its place."""
    tables: list[type] = [root]
    for part in location[:-1]:
        forms = {name: form for table in tables for name, form in _forms_of(table).items()}
        if part in forms:
            tables = list(_tables_in(forms[str(part)]))
        elif tagged := [table for table in tables if _is_tagged(table, part)]:
            tables = tagged
    return did_you_mean(str(location[-1]), {name for table in tables for name in _forms_of(table)})


def _forms_of(table: type) -> Mapping[str, Any]:
    """The forms of a table's keys; a table is a pydantic model or a dataclass."""
    if issubclass(table, BaseModel):
        return {name: field.annotation for name, field in table.model_fields.items()}
    return get_type_hints(table)


def _is_tagged(table: type, tag: object) -> bool:
    """Whether the table is the alternative that the value `tag` of its `kind` or `layout` stands for."""
    return any(tag in get_args(form) for form in _forms_of(table).values())


def _tables_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        yield annotation
    for part in get_args(annotation):
        yield from _tables_in(part)
