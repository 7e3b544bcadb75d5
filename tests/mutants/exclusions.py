"""What is not mutated, and why: a mutant that no user could suffer from says nothing about the tests."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

_LOGGERS = frozenset({"log", "logging", "warnings"})
_SILENT_KEYWORDS = frozenset({"name", "strict", "daemon", "extra", "exc_info", "maxsize"})
_DECLARATIONS = frozenset({"__slots__", "__all__", "__match_args__"})


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Nodes that are left alone, with all below them."""

    reason: str
    matches: Callable[[ast.AST], bool]


def _is_log(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and _name(node.func.value).strip("_").lower() in _LOGGERS
    )


def _is_choice_of_logging(node: ast.AST) -> bool:
    """An `if` that decides about nothing but log records."""
    body = node.body if isinstance(node, ast.If) and not node.orelse else []
    return bool(body) and all(isinstance(each, ast.Expr) and _is_log(each.value) for each in body)


def _is_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"


def _is_protocol(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(_name(base) == "Protocol" for base in node.bases)


def _is_declaration(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(_name(target) in _DECLARATIONS for target in node.targets)


def _is_representation(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in {"__repr__", "__str__"}


def _is_turn(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node) == "asyncio.sleep(0)"


def _is_duration(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _is_tuning(node: ast.AST) -> bool:
    named = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    size = isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Mult | ast.LShift)
    return any((name := _name(each)).isupper() and (size or name.endswith(("_S", "_MS", "_BYTES"))) for each in named)


def _is_bound_of_powers(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(_name(each).endswith("DOUBLINGS") for each in node.targets)


def _is_part_of_digest(node: ast.AST) -> bool:
    """A slice of `….hexdigest()`."""
    called = node.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) else None
    return isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute) and called.func.attr == "hexdigest"


EXCLUSIONS = (
    Exclusion("assertions narrow types for the type checker; nothing is promised by them", lambda n: isinstance(n, ast.Assert)),
    Exclusion("words for people: messages are compared where they matter", lambda n: isinstance(n, ast.JoinedStr)),
    Exclusion("log records: their wording and presence are no behaviour", _is_log),
    Exclusion("whether there is a log record: the same", _is_choice_of_logging),
    Exclusion("only the type checker runs it", _is_checking),
    Exclusion("a protocol has no behaviour of its own", _is_protocol),
    Exclusion("declarations for the interpreter and the importer", _is_declaration),
    Exclusion("for people at a debugger", _is_representation),
    Exclusion("gives other tasks a turn: another order of work, the same result", _is_turn),
    Exclusion("fractions of a second, and seconds as such: a little longer breaks no promise", _is_duration),
    Exclusion("tuning values: a second or a byte more breaks no promise", _is_tuning),
    Exclusion("how often a pause doubles: a longest pause ends it before, this only keeps the power small", _is_bound_of_powers),
    Exclusion("how much of a digest is kept: another length tells the same things apart", _is_part_of_digest),
    Exclusion("SQLite as Debian builds it reads a URI, said or not", lambda n: isinstance(n, ast.keyword) and n.arg == "uri"),
    Exclusion(
        "names of tasks and threads, cache sizes and self-checks of calls",
        lambda n: isinstance(n, ast.keyword) and n.arg in _SILENT_KEYWORDS,
    ),
)

UNVISITED = frozenset({"annotation", "returns", "decorator_list", "bases", "type_params", "ctx"})
"""Fields of nodes with types and decorators in them: the type checker's business."""


def excluded(node: ast.AST) -> bool:
    return any(exclusion.matches(node) for exclusion in EXCLUSIONS)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
