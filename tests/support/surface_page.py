"""The table of everything that is served, as the gateway's page has it: `python -m tests.support.surface_page` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.api.own_routes import own_routes
from gateway.api.route import Route
from gateway.api.vendor_routes import vendor_routes

PAGE = Path(__file__).parents[2] / "gateway" / "README.md"
BEGIN, END = "<!-- {name}: made by `python -m tests.support.surface_page` -->", "<!-- end of {name} -->"


def tables() -> dict[str, str]:
    """By the name of the place in the page."""
    return {"panel API": _table(vendor_routes()), "own surface": _table(own_routes(metrics=True))}


def _table(routes: Iterable[Route]) -> str:
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for route in routes:
        needs = route.needs.said if route.needs else "none"
        paths = rows.setdefault((route.does, needs), {}).setdefault(route.method, [])
        paths.append(f"`{_shown(route.path)}`")
    lines = [f"| {'; '.join(_said(methods))} | {does} | {needs} |" for (does, needs), methods in rows.items()]
    return "\n".join(("| method and path | what it does | least role |", "|---|---|---|", *lines))


def _said(methods: dict[str, list[str]]) -> Iterator[str]:
    """Methods that have the same paths stand together."""
    together: dict[str, list[str]] = {}
    for method, paths in methods.items():
        together.setdefault(", ".join(paths), []).append(f"`{method}`")
    yield from (f"{', '.join(names)} {paths}" for paths, names in together.items())


def _shown(path: str) -> str:
    return path.replace("{uid:[0-9]+}", "{uid}")


def written(page: str) -> str:
    """The page with its tables as they are now."""
    for name, table in tables().items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
