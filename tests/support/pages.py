"""The project's pages as tests read them: links, anchors, blocks of commands, words in code spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("gateway", "drivers", "config", "simulators", "tests")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: the language of its fence, the nearest heading above it, its text."""

    language: str
    heading: str
    text: str


@dataclass(frozen=True)
class Page:
    path: Path
    text: str
    headings: tuple[str, ...]
    blocks: tuple[Block, ...]
    prose: str
    """The text without its blocks."""

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def anchors(self) -> frozenset[str]:
        return frozenset(map(anchor, self.headings))

    def links(self) -> tuple[str, ...]:
        return tuple(_LINK.findall(self.prose))

    def spans(self) -> frozenset[str]:
        """What stands in back quotes outside the blocks."""
        return frozenset(_SPAN.findall(self.prose))


def anchor(heading: str) -> str:
    """The fragment by which a rendered page is linked to at a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.replace(" ", "-")


def pages() -> tuple[Page, ...]:
    """Those of the top level and of the folders."""
    found = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
    return tuple(read(path) for path in sorted(found))


def read(path: Path) -> Page:
    text = path.read_text("utf-8")
    headings: list[str] = []
    blocks: list[Block] = []
    prose: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("```"):
            blocks.append(Block(line[3:].strip(), headings[-1] if headings else "", "\n".join(_fenced(lines)) + "\n"))
            continue
        if line.startswith("#"):
            headings.append(line.lstrip("#").strip())
        prose.append(line)
    return Page(path, text, tuple(headings), tuple(blocks), "\n".join(prose))


def _fenced(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("```"):
            return
        yield line
