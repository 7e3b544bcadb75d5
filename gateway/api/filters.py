"""The filter and order expressions of the vendor's lists.

::

    expression := term { "or" term }            name eq 'X' and date_from gt 1540819271
    term       := factor { "and" factor }       not (date_to lt 5 or name nq "Y")
    factor     := "not" factor | "(" expression ")" | field operator value
    operator   := eq | nq | gt | lt | ge | le
    value      := integer | 'string' | "string"     (a quote inside a string is written twice)
    order      := field [asc|desc] { "," field [asc|desc] }

Words may be in any letter case. A field without a direction of its own takes that of the next field that has one; none: asc.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.api.errors import shown

Predicate = Callable[[Any], bool]
"""A test of an item as a list reads it."""

_DEEPEST = 32
_ALL_OPERATORS = ("eq", "nq", "gt", "lt", "ge", "le")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "eq": operator.eq,
        "nq": operator.ne,
        "gt": operator.gt,
        "lt": operator.lt,
        "ge": operator.ge,
        "le": operator.le,
    }
)


@dataclass(frozen=True, slots=True)
class FieldType:
    """`read` takes it from an item; `normal`: the form in which it is compared with what a client says."""

    data_type: str
    value_type: type
    operators: tuple[str, ...]
    read: Callable[[Any], Any]
    normal: Callable[[Any], Any] = lambda said: said

    @classmethod
    def of_text(cls, read: Callable[[Any], str], normal: Callable[[str], str] = str) -> FieldType:
        return cls("string", str, ("eq", "nq"), read, normal)

    @classmethod
    def of_number(cls, read: Callable[[Any], int], data_type: str = "integer") -> FieldType:
        return cls(data_type, int, _ALL_OPERATORS, read)


Fields = Mapping[str, FieldType]


@dataclass(frozen=True, slots=True)
class Choice:
    """What items of a list are chosen by: `fields` in filters and orders, `ids` only as parameters of their own."""

    fields: Fields
    ids: Fields = field(default_factory=dict)

    @property
    def names(self) -> Fields:
        return {**self.fields, **self.ids}


FIELDS: Fields = MappingProxyType(
    {
        "name": FieldType.of_text(operator.attrgetter("name")),
        "date_from": FieldType.of_number(operator.attrgetter("date_from"), "timestamp"),
        "date_to": FieldType.of_number(operator.attrgetter("date_to"), "timestamp"),
    }
)
"""The fields of a time profile."""


class ExpressionError(ValueError):
    """The text is not an expression of this grammar; the message says where."""


def comparison(field: FieldType, operation: str, value: object) -> Predicate:
    """`operation`: one of the field's; `value`: of its type."""
    compare, wanted, read = _COMPARE[operation], field.normal(value), field.read
    return lambda item: compare(read(item), wanted)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?[0-9]{1,18}(?![\w.]))|(?P<word>[A-Za-z_]\w*)|(?P<mark>[(),])"""
    r"""|'(?P<single>(?:[^']|'')*)'|"(?P<double>(?:[^"]|"")*)")"""
)


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ExpressionError(f"expected a word, a number or a string at position {at}, got {shown(text[at:])}")
        yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        at = found.end()
    yield _Token("end", "", end)


class _Parser:
    """A recursive-descent parser of one expression."""

    def __init__(self, text: str, fields: Fields) -> None:
        self._tokens = tuple(_tokens(text))
        self._fields = fields
        self._next = 0

    def filter(self) -> Predicate:
        parsed = self._expression(0)
        self._end()
        return parsed

    def order(self) -> tuple[OrderKey, ...]:
        keys = [self._order_key()]
        while self._mark(","):
            keys.append(self._order_key())
        self._end()
        return _with_directions(keys)

    def _expression(self, depth: int) -> Predicate:
        terms = [self._term(depth)]
        while self._word("or"):
            terms.append(self._term(depth))
        return terms[0] if len(terms) == 1 else lambda profile: any(term(profile) for term in terms)

    def _term(self, depth: int) -> Predicate:
        factors = [self._factor(depth)]
        while self._word("and"):
            factors.append(self._factor(depth))
        return factors[0] if len(factors) == 1 else lambda profile: all(factor(profile) for factor in factors)

    def _factor(self, depth: int) -> Predicate:
        if depth > _DEEPEST:
            raise ExpressionError(f"expected nesting of at most {_DEEPEST}, got more")
        if self._word("not"):
            negated = self._factor(depth + 1)
            return lambda profile: not negated(profile)
        if self._mark("("):
            inner = self._expression(depth + 1)
            if not self._mark(")"):
                raise self._unexpected("`)`")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        name, field = self._field()
        written = self._take("word", "an operator").text
        operation = written.lower()
        if operation not in field.operators:
            operators = ", ".join(field.operators)
            raise ExpressionError(f"expected one of {operators} to compare {name}, got {shown(written)}")
        return comparison(field, operation, self._value(name, field))

    def _field(self) -> tuple[str, FieldType]:
        token = self._take("word", "a field")
        field = self._fields.get(token.text.lower())
        if field is None:
            raise ExpressionError(f"expected one of the fields {', '.join(self._fields)}, got {shown(token.text)}")
        return token.text.lower(), field

    def _value(self, name: str, field: FieldType) -> object:
        token = self._tokens[self._next]
        if field.value_type is int:
            return int(self._take("number", f"an integer for {name}").text)
        if token.kind not in ("single", "double"):
            raise self._unexpected(f"a string in quotes for {name}")
        self._next += 1
        quote = "'" if token.kind == "single" else '"'
        return token.text.replace(quote * 2, quote)

    def _order_key(self) -> tuple[str, bool | None]:
        name, _ = self._field()
        if self._word("desc"):
            return name, True
        return name, False if self._word("asc") else None

    def _word(self, wanted: str) -> bool:
        token = self._tokens[self._next]
        return self._skip(token.kind == "word" and token.text.lower() == wanted)

    def _mark(self, wanted: str) -> bool:
        token = self._tokens[self._next]
        return self._skip(token.kind == "mark" and token.text == wanted)

    def _skip(self, met: bool) -> bool:
        self._next += met
        return met

    def _take(self, kind: str, wanted: str) -> _Token:
        token = self._tokens[self._next]
        if token.kind != kind:
            raise self._unexpected(wanted)
        self._next += 1
        return token

    def _end(self) -> None:
        if self._tokens[self._next].kind != "end":
            raise self._unexpected("the end")

    def _unexpected(self, wanted: str) -> ExpressionError:
        token = self._tokens[self._next]
        seen = shown(token.text) if token.text else "the end"
        return ExpressionError(f"expected {wanted} at position {token.at}, got {seen}")


class OrderKey(NamedTuple):
    field: str
    descending: bool


def _with_directions(keys: list[tuple[str, bool | None]]) -> tuple[OrderKey, ...]:
    settled: list[OrderKey] = []
    direction = False
    for name, own in reversed(keys):
        direction = direction if own is None else own
        settled.append(OrderKey(name, direction))
    return tuple(reversed(settled))


def parse_filter(text: str, fields: Fields = FIELDS) -> Predicate:
    """Raises ExpressionError."""
    return _Parser(text, fields).filter()


def parse_order(text: str, fields: Fields = FIELDS) -> tuple[OrderKey, ...]:
    """The fields of an order, each once, at its first place. Raises ExpressionError."""
    keys = {key.field: key for key in reversed(_Parser(text, fields).order())}
    return tuple(reversed(keys.values()))
