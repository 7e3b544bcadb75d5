"""The page: how soon the problems of a large site are seen, what a view transfers, and what readers of events cost."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from statistics import median

from gateway.store.events import SiteEvent
from gateway.web.pages import VIEWS
from tests.benchmarks.bench_events import gateway_in, readers_of
from tests.benchmarks.rows import Row
from tests.benchmarks.service import client_of, write_config
from tests.benchmarks.workload import SiteText
from tests.browser.chrome import Page, chromium
from tests.support.processes import run as gateway_process

_EVENTS_S = 10
_PATIENCE = 600
_SEEN = """
const done = arguments[0];
const look = () => document.querySelector(".problem") ? done(performance.now()) : requestAnimationFrame(look);
look();
"""


async def _all_away(url_of: asyncio.Future[str], panels: int, over: asyncio.Event) -> None:
    """A gateway whose panels nobody has ever answered for: each is a problem."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        config = write_config(Path(name), SiteText(panels))
        async with (
            gateway_process("serve", "--config", str(config), log=Path(name) / "log") as gateway,
            client_of(gateway) as client,
        ):
            for _ in range(_PATIENCE):
                if len((await client.call("GET", "/gateway/v1/problems"))["problems"]) >= panels:
                    break
                await asyncio.sleep(0.1)
            url_of.set_result(gateway.url)
            await over.wait()


def _seen_ms(page: Page) -> float:
    """From the request for the page until a problem is drawn. The gateway has answered all that a visit before asked."""
    page.wait("table")
    page.driver.get("about:blank")
    page.driver.get(page.url)
    return float(page.driver.execute_async_script(_SEEN))


def _transferred(page: Page, view: str) -> int:
    """Bytes, with nothing in the browser's cache."""
    page.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.driver.get("about:blank")
    page.transfers()
    page.go(f"/{view}")
    page.wait(".view > *")
    page.wait_for("live", "#account")
    time.sleep(1)  # what comes after the first drawing
    return sum(size for url, size in page.transfers() if url.startswith(page.url))


def _looked_at(url: str, panels: int, repeats: int) -> list[Row]:
    with chromium() as page:
        page.visit(url)
        page.wait(".problem")
        seen = median(_seen_ms(page) for _ in range(repeats))
        sizes = {view.name: _transferred(page, view.name) / 1000 for view in VIEWS}
    widest = max(sizes, key=lambda name: sizes[name])
    note = ", ".join(f"{name} {size:.0f}" for name, size in sizes.items())
    return [
        Row(f"the problems of {panels:,} panels are seen after", seen, "ms", goal=1000.0),
        Row(f"  all that a view of them transfers ({widest})", sizes[widest], "kB", goal=200.0, note=note),
    ]


async def _large(panels: int, repeats: int) -> list[Row]:
    url, over = asyncio.get_running_loop().create_future(), asyncio.Event()
    site = asyncio.create_task(_all_away(url, panels, over))
    await asyncio.wait({url, site}, return_when=asyncio.FIRST_COMPLETED)
    try:
        return await asyncio.to_thread(_looked_at, url.result(), panels, repeats)
    finally:
        over.set()
        await site


async def _streams(readers: int, rate: int) -> Row:
    """The share of a core that the gateway takes, storing included."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            gateway_in(Path(folder)) as (gateway, host, port),
            readers_of(host, port, readers, rate * _EVENTS_S) as process,
        ):
            began, spent = time.monotonic(), time.process_time()
            for number in range(rate * _EVENTS_S):
                event = SiteEvent(time.time(), "output_on", "gate", {"output": 1, "sent_at": time.time()})
                await gateway.journal.keep([event], {"gate": ("log", str(number))})
                await asyncio.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))
            share = 100 * (time.process_time() - spent) / (time.monotonic() - began)
            assert process.stdout is not None
            taken = json.loads(await process.stdout.readline())["taken"]
    assert {*taken} == {rate * _EVENTS_S}, "a reader missed events"
    return Row(f"{readers} streams at {rate} events a second, of a core", share, "%", goal=20.0)


def run(quick: bool) -> list[Row]:
    panels, repeats, readers = (20, 2, 5) if quick else (1000, 5, 200)
    return [*asyncio.run(_large(panels, repeats)), asyncio.run(_streams(readers, 10))]
