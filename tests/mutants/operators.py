"""Source text -> its mutants. Pure; each operator is a small function from one node to the texts that may replace it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.mutants.exclusions import UNVISITED, excluded

_FLIPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_REVERSALS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLS = {"all": "any", "any": "all", "min": "max", "max": "min"}
_INSTANTS = frozenset({"now", "wall", "monotonic", "time", "due"})
_NO_NUMBERS = (ast.JoinedStr, ast.List, ast.Tuple)
_STATEMENTS = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Raise, ast.Delete)


@dataclass(frozen=True, slots=True)
class Change:
    """Bytes `start` to `end` of a source replaced by `text`; `before` and `after` for people.

    `lines`: of what is replaced; `around`: of the statement it stands in, without the statements inside that.
    `at_import`: it runs when the module is imported, not when a function is called.
    """

    operator: str
    start: int
    end: int
    text: str
    before: str
    after: str
    lines: tuple[int, int]
    around: tuple[int, int]
    at_import: bool

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


@dataclass(frozen=True, slots=True)
class _Place:
    function: ast.AST | None = None
    statement: ast.stmt | None = None


Found = tuple[str, ast.AST, ast.AST | None]
"""Operator, the node that is replaced, and what by; None: `pass`."""


def changes_of(source: bytes) -> list[Change]:
    """Every mutant of a module, in the order of the text."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = {
        (change.start, change.end, change.text): change
        for operator, node, by, place in _walk(ast.parse(source), _Place())
        if (change := _change(operator, node, by, place, starts)).text != source[change.start : change.end].decode()
    }
    return sorted(found.values(), key=lambda change: (change.start, change.end, change.text))


def _walk(node: ast.AST, place: _Place) -> Iterator[tuple[str, ast.AST, ast.AST | None, _Place]]:
    if excluded(node):
        return
    if isinstance(node, ast.stmt):
        place = _Place(place.function, node)
    for operator in OPERATORS:
        for found in operator(node, place):
            yield (*found, place)
    inner = _Place(node, place.statement) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else place
    for field, value in ast.iter_fields(node):
        if field not in UNVISITED:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _walk(child, inner if field == "body" else place)


def _change(operator: str, node: ast.AST, by: ast.AST | None, place: _Place, starts: list[int]) -> Change:
    assert isinstance(node, ast.expr | ast.stmt)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    text = "pass" if by is None else ast.unparse(by)
    wrapped = isinstance(by, ast.expr) and not isinstance(by, ast.Name | ast.Constant | ast.Dict | ast.Set | ast.Call)
    return Change(
        operator,
        starts[node.lineno - 1] + node.col_offset,
        starts[node.end_lineno - 1] + node.end_col_offset,
        f"({text})" if wrapped else text,
        _short(ast.unparse(node)),
        _short(text),
        (node.lineno, node.end_lineno),
        _header(place.statement, node),
        place.function is None,
    )


def _header(statement: ast.stmt | None, node: ast.expr | ast.stmt) -> tuple[int, int]:
    around = statement or node
    body = getattr(around, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) else around.end_lineno
    return around.lineno, max(around.lineno, last or around.lineno)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:60]} ... {line[-25:]}"


# the operators


def _comparison(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.Compare):
        instants = _is_instant(node)
        for place, each in enumerate(node.ops):
            other = copy.deepcopy(node)
            table = _REVERSALS if instants and type(each) in _REVERSALS else _FLIPS
            other.ops[place] = table[type(each)]()
            yield "comparison", node, other


def _is_instant(node: ast.AST) -> bool:
    """Two instants, or amounts of room, are equal by coincidence only: which side that falls on is nobody's promise."""
    names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    names += [each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)]
    return any(name.strip("_") in _INSTANTS or name.endswith(("_at", "_s", "_S", "_BYTES")) for name in names)


def _and_or(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.BoolOp):
        yield "and/or", node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _not(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not dropped", node, node.operand


def _call(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield "call", node.func, ast.Name(_CALLS[node.func.id])


def _arithmetic(node: ast.AST, place: _Place) -> Iterator[Found]:
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        if place.function is not None and not (_is_no_number(node.left) or _is_no_number(node.right)):
            yield "arithmetic", node, ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC and not _is_no_number(node.value):
        yield "arithmetic", node, ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)


def _is_no_number(node: ast.AST) -> bool:
    return isinstance(node, _NO_NUMBERS) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _constant(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", node, ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield "constant", node, ast.Constant(node.value + 1)


def _result(node: ast.AST, place: _Place) -> Iterator[Found]:
    if not isinstance(node, ast.Return) or node.value is None:
        return
    if isinstance(node.value, ast.Constant) and (node.value.value is None or isinstance(node.value.value, bool)):
        return
    returns = getattr(place.function, "returns", None)
    truth = isinstance(returns, ast.Name) and returns.id == "bool"
    if not truth:
        yield "result", node.value, ast.Constant(None)
    elif not _flips_elsewhere(node.value):
        yield "result", node.value, ast.UnaryOp(ast.Not(), node.value)


def _condition(node: ast.AST, _: _Place) -> Iterator[Found]:
    tests = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
    tests += node.ifs if isinstance(node, ast.comprehension) else []
    for test in tests:
        if not isinstance(test, ast.Constant) and not _flips_elsewhere(test):
            yield "condition", test, ast.UnaryOp(ast.Not(), test)


def _flips_elsewhere(test: ast.expr) -> bool:
    """Whether another operator negates it already."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return type(test.ops[0]) not in _REVERSALS or _is_instant(test)
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def _deletion(node: ast.AST, place: _Place) -> Iterator[Found]:
    """Calls, changes of what outlives the function, and `raise`. Not the first values of an object: nothing works without."""
    if place.function is None or not isinstance(node, _STATEMENTS):
        return
    if isinstance(node, ast.Expr):
        done = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(done, ast.Call) and not excluded(done):
            yield "deleted", node, None
    elif isinstance(node, ast.Raise | ast.Delete):
        yield "deleted", node, None
    elif getattr(place.function, "name", "") not in {"__init__", "__post_init__"}:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
            yield "deleted", node, None


def _jump(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.Break):
        yield "jump", node, ast.Continue()
    elif isinstance(node, ast.Continue):
        yield "jump", node, ast.Break()


def _element(node: ast.AST, _: _Place) -> Iterator[Found]:
    if isinstance(node, ast.Set) and len(node.elts) > 1:
        for place in range(len(node.elts)):
            yield "element", node, ast.Set(node.elts[:place] + node.elts[place + 1 :])
    elif isinstance(node, ast.Dict) and len(node.keys) > 1:
        for place in range(len(node.keys)):
            keys, values = list(node.keys), list(node.values)
            del keys[place], values[place]
            yield "element", node, ast.Dict(keys, values)


OPERATORS: tuple[Callable[[ast.AST, _Place], Iterator[Found]], ...] = (
    _comparison,
    _and_or,
    _not,
    _call,
    _arithmetic,
    _constant,
    _result,
    _condition,
    _deletion,
    _jump,
    _element,
)
