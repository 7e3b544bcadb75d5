"""Gives the functions of a module that is imported already the code of its mutant."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType


def swap(path: Path, mutant: bytes) -> None:
    """Every function of the module at `path`, wherever it is referred to, runs `mutant` from now on.

    Raises LookupError where the two have not the same functions: then the module has to be imported anew.
    """
    new = dict(_named(compile(mutant, str(path), "exec")))
    old = dict(_named(compile(path.read_bytes(), str(path), "exec")))
    if new.keys() != old.keys():
        raise LookupError(path)
    places = {(code.co_qualname, code.co_firstlineno): name for name, code in old.items()}
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename == str(path):
            code = function.__code__
            name = places.get((code.co_qualname, code.co_firstlineno))
            if name is not None and len(new[name].co_freevars) != len(code.co_freevars):
                raise LookupError(path)
            if name is not None:
                function.__code__ = new[name]


def _named(module: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    """The functions of a module and its classes, not those inside of functions; of one name in order."""
    counts: dict[str, int] = {}
    waiting = [module]
    while waiting:
        for code in waiting.pop(0).co_consts:
            if not isinstance(code, CodeType):
                continue
            if code.co_flags & inspect.CO_OPTIMIZED:  # the body of a class has names of its own
                number = counts[code.co_qualname] = counts.get(code.co_qualname, 0) + 1
                yield (code.co_qualname, number), code
            else:
                waiting.append(code)
