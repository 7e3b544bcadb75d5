"""The matrix of a large site in a browser, scrolled from end to end: how much of it is in the page, and how long scripts take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from statistics import median
from typing import Any

from drivers.contract import ItemState, Reason
from gateway.fleet.matrix import Cell, Column
from gateway.fleet.target import Target
from tests.benchmarks.rows import Row
from tests.benchmarks.workload import item
from tests.browser.chrome import Page, chromium
from tests.support.api_server import api_server

_HELD = Cell(True, True, ItemState.EXACT, None, None, None, None)
_LATE = Cell(True, False, ItemState.PENDING, Reason.NO_REPLY, "no answer", None, None)
_MOST_NODES, _MOST_TASK_MS = 5000.0, 200.0
_TIMES = 5
_SCROLL = """
const done = arguments[arguments.length - 1];
const grid = document.querySelector(".grid");
const tasks = [];
const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
observer.observe({ type: "longtask" });
const nodes = () => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
  let count = 1;
  while (walker.nextNode()) count++;
  return count;
};
const places = [];
const [across, down] = [grid.scrollWidth - grid.clientWidth, grid.scrollHeight - grid.clientHeight];
for (let left = 0; left < across; left += 300) places.push([left, 0]);
for (let top = 0; top < down; top += 90) places.push([across, top]);
for (let left = across; left > 0; left -= 4000) places.push([left, down], [0, 0], [across, down / 2]);
let most = 0;
const step = () => {
  most = Math.max(most, nodes());
  const place = places.shift();
  if (!place) return setTimeout(() => done({ most, longest: Math.max(0, ...tasks) }), 500);
  [grid.scrollLeft, grid.scrollTop] = place;
  requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""


@contextmanager
def _site(panels: int, items: int) -> Iterator[str]:
    """The URL of a gateway whose fleet is in memory, in a thread of its own: a browser's driver blocks."""
    url: Future[str] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def live() -> None:
        async with api_server(pages=True) as server:
            server.fleet.columns = [Column(Target(f"panel-{number:04d}"), away=number % 50 == 0) for number in range(panels)]
            server.fleet.cells = {number: _LATE if number % 50 == 0 else _HELD for number in range(panels)}
            await server.upsert(*map(item, range(items)))
            url.set_result(server.url)
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()), name="site")
    thread.start()
    try:
        yield url.result(60)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _scrolled(page: Page) -> dict[str, Any]:
    page.go("/matrix")
    page.wait(".gridcell")
    found: dict[str, Any] = page.driver.execute_async_script(_SCROLL)
    return found


def run(quick: bool) -> list[Row]:
    panels, items = (50, 20) if quick else (1000, 100)
    with _site(panels, items) as url, chromium() as page:
        page.driver.set_script_timeout(120)
        page.visit(url)
        seen = [_scrolled(page)]
        sent = sum(size for _, size in page.transfers())
        seen += [_scrolled(page) for _ in range(0 if quick else _TIMES - 1)]
    longest = [float(each["longest"]) for each in seen]
    told = ", ".join(f"{each:.0f}" for each in longest)
    what = f"matrix of {panels:,} panels x {items} items, scrolled from end to end"
    return [
        Row(f"{what}: nodes in the page at most", float(max(each["most"] for each in seen)), "nodes", goal=_MOST_NODES),
        Row(
            "  the longest task of its scripts",
            median(longest),
            "ms",
            goal=_MOST_TASK_MS,
            note=f"each time: {told}; 0: under 50 ms",
        ),
        Row("  bytes over the network, with login and overview", sent / 1000, "kB", goal=200.0),
    ]
