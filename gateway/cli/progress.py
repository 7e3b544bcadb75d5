"""How far long work is, for the person at the terminal who waits for it. Nothing is written where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_WIDTH = 24


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while the block runs. What it yields is told how much of `total` is done."""
    if total < 1 or not sys.stderr.isatty():
        yield lambda done: None
        return
    with click.progressbar(length=total, label=what, file=sys.stderr, width=_WIDTH, show_pos=True, show_eta=False) as bar:

        def reached(done: int) -> None:
            bar.update(max(0, min(done, total) - bar.pos))

        yield reached
