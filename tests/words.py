"""The words this project avoids: `python -m tests.words` names every place that uses one, and what to write instead.

`--all` adds the rules that the code does not keep yet (`AFTER_THE_PASS`). Pages keep all of them.
The words themselves, with examples, are in CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("gateway", "drivers", "config", "simulators", "tests")
EXEMPT = ("tests/words.py", "tests/unit/test_words.py")
"""They name the words in order to find them."""


class Rule(NamedTuple):
    """`pattern` is looked for in every text of the kinds `where`: docstring, string, comment, page. `tests`: in tests, too."""

    pattern: re.Pattern[str]
    where: frozenset[str]
    instead: str
    tests: bool = True


class Text(NamedTuple):
    kind: str
    line: int
    text: str


class Finding(NamedTuple):
    place: str
    words: str
    instead: str


EVERYWHERE = frozenset({"docstring", "string", "comment", "page"})
PROSE = EVERYWHERE - {"string"}


def _rule(pattern: str, where: Iterable[str], instead: str, *, tests: bool = True) -> Rule:
    return Rule(re.compile(pattern), frozenset(where), instead, tests)


RULES = (
    _rule(r"\b[Oo]f an own\b", EVERYWHERE, "of its own"),
    _rule(r"\b[Hh]as got\b|\b[Hh]ave got\b", EVERYWHERE, "has, have"),
    _rule(r"\b[Ii]nformations\b|\b[Ff]eedbacks\b|\b[Ss]oftwares\b", EVERYWHERE, "the singular"),
    _rule(r"\b(?:blacklist|whitelist)\b", EVERYWHERE, "blocked, allowed"),
    _rule(r"\A\s*(?:Of|So often|So long|So many)\b", {"docstring", "comment", "page"}, "begin with the noun that is described"),
    _rule(r"\b[Ss]o (?:often|many)\b(?! that\b)", EVERYWHERE, "this many, at most N, after N refusals"),
    _rule(r"\b(?:is|are) wanted\b", EVERYWHERE, "expected a …; a … is required"),
    _rule(r"\b[Ii]n vain\b", EVERYWHERE, "without effect, stale, unanswered"),
    _rule(r"\b[Ii]s to be had\b", EVERYWHERE, "is available"),
    _rule(r"\b[Ff]or ever\b", EVERYWHERE, "forever; without a limit"),
    _rule(r"\b[Aa] stranger\b", PROSE, "a … of an unknown layout, another master"),
    _rule(r"\b[Ww]hoever\b", EVERYWHERE, "the client, the caller, the person: say who"),
    _rule(r"\b[Ss]aid no\b|\b[Ss]ays no\b", EVERYWHERE, "refused, rejected"),
    _rule(r"\b[Ss]hall\b", EVERYWHERE, "must, has to, is asked to"),
    _rule(r"\A\s*(?:As|By|With|Without|Those|Until)\b", {"docstring"}, "begin with the noun or the verb", tests=False),
    _rule(r"\b(?:can|cannot) say\b", EVERYWHERE, "can express (a panel, a word, a period)"),
    _rule(r"\b(?:is|are|was|were) told as\b", EVERYWHERE, "is reported as"),
    _rule(r"\bsomething else than\b", EVERYWHERE, "something other than"),
    _rule(
        r"\b(?:has|have|had|is|are|was|were|counts?|needed|trusted|work) no more(?=[.,;:]|\Z| and\b| or\b)",
        EVERYWHERE,
        "no longer",
    ),
    _rule(r"\b(?:[Hh]e|[Hh]is|[Hh]im)\b", EVERYWHERE, "they, their, them; the client, the operator"),
    _rule(r"\bnot any more\b", EVERYWHERE, "no longer"),
    _rule(r"\bwants? to be\b", EVERYWHERE, "has to be"),
    _rule(r"\b(?:writes?|make|may|again) of itself\b", EVERYWHERE, "on its own"),
    _rule(r"(?:\A|[A-Z0-9]) expected, ", {"string"}, "expected X, got Y"),
    _rule(r"\b[Ii]nput should be\b(?! \Z)|\bField required\b|\bExtra inputs\b", {"string"}, "expected X, got Y", tests=False),
    _rule(r"\b(?:store|clock) is (?:not )?believed\b", {"string", "page"}, "trusted"),
    _rule(r"\b(?:TODO|FIXME|XXX)\b", EVERYWHERE, "do it, or an issue"),
)
"""Kept everywhere."""

AFTER_THE_PASS: tuple[Rule, ...] = ()
"""Kept by the pages; the code keeps them once a pass over it has moved them to RULES."""


def mistakes(code: Iterable[Rule], pages: Iterable[Rule]) -> Iterator[Finding]:
    """Every finding: `code` rules in Python files, `pages` rules in Markdown pages."""
    by_suffix = {".py": tuple(code), ".md": tuple(pages)}
    for path in _files():
        place = path.relative_to(ROOT).as_posix()
        if place in EXEMPT:
            continue
        source = path.read_text("utf-8")
        texts = python_texts(source) if path.suffix == ".py" else page_texts(source)
        yield from found(texts, by_suffix[path.suffix], place)


def _files() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for folder in FOLDERS:
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md"})


def found(texts: Iterable[Text], rules: Iterable[Rule], place: str) -> Iterator[Finding]:
    """What `rules` find in `texts`, which stand in the file `place`."""
    rules = tuple(rule for rule in rules if rule.tests or not place.startswith("tests/"))
    for kind, line, text in texts:
        for rule in rules:
            match = rule.pattern.search(text) if kind in rule.where else None
            if match is not None:
                at = line + text.count("\n", 0, match.start())
                yield Finding(f"{place}:{at}", match[0].strip(), rule.instead)


def python_texts(source: str) -> Iterator[Text]:
    """Docstrings (those of attributes too), other string constants, and comments."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text("docstring" if id(node) in docstrings else "string", node.lineno, node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text("comment", token.start[0], token.string.lstrip("# "))


def page_texts(source: str) -> Iterator[Text]:
    """The lines of a page outside its code blocks; a table whose head says "not" lists words to avoid and is left out."""
    fenced = listing = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        listing = line.startswith("|") and (listing or line.rstrip().endswith("| not |"))
        if not fenced and not listing:
            yield Text("page", number, re.sub(r"`[^`]*`", "``", line))


def main(arguments: list[str]) -> int:
    """Print every finding; 1 if there are any."""
    pages = (*RULES, *AFTER_THE_PASS)
    everything = list(mistakes(pages if "--all" in arguments else RULES, pages))
    for place, words, instead in everything:
        print(f'{place}: "{words}" - {instead}')
    return 1 if everything else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
