"""Thirteen situations of an operator's year, played through the installed command on a terminal: what stands there is compared
with a file of `tests/vectors/situations`, to be read by a person who sees nothing else. All are played in the same minute.

`SITUATIONS=write pytest tests/integration/test_situations.py` writes the files anew; a commit that does names the reason.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import Sync
from simulators.open_access_panel import OpenAccessPanel
from tests.contract.test_store_sqlite import own_file_system
from tests.support.host_time import ClockAhead, clock_off_by, kernel_that_says
from tests.support.processes import run
from tests.support.skips import tool
from tests.support.terminal import on_a_terminal
from tests.support.working_day import EXAMPLES, PERSON, WORK_WEEK, Day, day

FILES = Path(__file__).parents[1] / "vectors" / "situations"
BEGIN = 1_831_464_185.0
"""Friday, 2028-01-14 14:03:05 at the site."""
EMPTY_BATTERY = 946_684_805.0
"""2000-01-01 00:00:05 UTC."""
RELEASED_AT = 1_795_737_600.0
"""2026-11-27: what is shown does not change with the release."""
_MASKS = (
    (r"\b\d+ (?:s|min|h|d) ago", "AGE ago"),
    (r"\b\d+ ms (?:ahead of|behind)", "N ms off"),
    (r"\b\d+ ms\b", "N ms"),
    (r"127\.0\.0\.1:\d+", "HOST:PORT"),
    (r"(\d\d:\d\d):\d\d UTC", r"\1:SS UTC"),
    (r"written \d+ times; \d+", "written N times; N"),  # one write or two, as it happens that items go together
    (r"\b[0-9A-F]{16}\b", "SERIAL"),
)


@dataclass
class Played:
    """A situation as it is played: at most two commands, and what stood on the terminal."""

    site: Day
    environment: Mapping[str, str]
    """What gives a process the time of the situation."""
    shown: list[str]

    async def __call__(self, *arguments: str, status: int = 0) -> None:
        typed = (arguments[0], "--config", str(self.site.folder / "site.toml"), *arguments[1:])
        ended, text = await asyncio.to_thread(on_a_terminal, *typed, environment=self.environment)
        words = " ".join(f"'{each}'" if " " in each else each for each in ("panel-gateway", *arguments))
        self.shown.append(f"$ {words}\n{text}")
        assert ended == status, text

    def text(self) -> str:
        said = "\n".join(self.shown).replace(str(self.site.folder), "FOLDER")
        for pattern, mask in _MASKS:
            said = re.sub(pattern, mask, said)
        return re.sub(r"(?<=\S) {2,}", "  ", said)


async def holds_all(site: Day) -> None:
    assert (await site("apply", site.request({"list_items": [WORK_WEEK, PERSON]}), "--wait"))[0] == 0


async def away(site: Day, panel: str) -> None:
    site.off(panel)
    await site("sync", panel)
    await site.until(panel, "away")


async def panel_lost(site: Day, play: Played) -> None:
    await holds_all(site)
    await away(site, "lobby")
    await site("apply", site.request({"link_ids": [PERSON["link_id"]]}))
    await play("doctor")
    await play("status", "lobby")


async def replaced_by_a_blank_unit(site: Day, play: Played) -> None:
    await holds_all(site)
    await away(site, "lobby")
    site.simulated.panels["lobby"].replace()
    site.on("lobby")
    await site("sync", "lobby", "--wait")
    await play("doctor")


async def replaced_by_another_model(site: Day, play: Played) -> None:
    await holds_all(site)
    site.simulated.swap("lobby", "meeting-room")
    for panel in ("lobby", "meeting-room"):
        await site("sync", panel)
        await site.until(panel, "wrong_device")
    await play("doctor")


async def moved_to_another_line(site: Day, play: Played) -> None:
    await holds_all(site)
    await away(site, "garage")
    site.simulated.swap("lobby", "garage")
    site.on("garage")
    await site("sync", "lobby")
    await site.until("lobby", "identity_changed", "away")
    await play("status", "lobby")


async def a_new_panel(site: Day, play: Played) -> None:
    await holds_all(site)
    await play("diff", str(site.folder / "whole.toml"))
    shutil.copy(site.folder / "whole.toml", site.folder / "site.toml")
    await play("reload")


async def a_profile_wrongly_bound(site: Day, play: Played) -> None:
    await holds_all(site)
    await site("bindings", "set", "Work week", "meeting-room")
    await play("bindings")
    await play("bindings", "set", "Work week", "lobby")


async def who_then(site: Day, play: Played) -> None:
    await holds_all(site)
    await play("who", "front", "2028-01-17 17:30")
    await play("when", "Sherlock Holmes", "front", "--days", "7")


async def why_refused(site: Day, play: Played) -> None:
    monthly = EXAMPLES[5]
    await site("apply", site.request({"list_items": [monthly]}))
    await site("bindings", "set", monthly["name"], "meeting-room")
    await site.until("meeting-room", "refused")
    await play("doctor")
    await play("explain", monthly["name"], "meeting-room", "2028-02-02 10:00")


async def changed_by_hand(site: Day, play: Played) -> None:
    await holds_all(site)
    lobby = site.simulated.panels["lobby"]
    assert isinstance(lobby, OpenAccessPanel)
    memory, later = lobby._memory.schedules, lobby.schedule_words(0)[14] + 60
    memory.committed[14] = memory.acting[14] = later
    await site("sync", "lobby", "--wait")
    await play("doctor")


async def clock_wrong(site: Day, play: Played) -> None:
    """The battery of the host's clock is empty."""
    await site.stop()
    site.clock = ClockAhead(EMPTY_BATTERY, Sync.UNSYNCHRONISED)
    await site.start()
    await play("doctor")
    await play("trust-clock", "--yes", status=1)


FULL = 'cp "$0/store.db" "$0/store.db.mark" "$1" && { dd if=/dev/zero of="$1/filler" bs=4096 2>/dev/null; '
FULL += 'truncate -s -36864 "$1/filler"; shift; exec "$@"; }'
"""Copies a store to a file system and fills the rest of it but for the log's index, then runs a command."""


async def disk_full(site: Day, play: Played) -> None:
    """The gateway is a process of its own, and the small file system is full when it starts: its log has no room to give back."""
    await site.stop()
    folder = site.folder / "small"
    folder.mkdir()
    config = site.folder / "site.toml"
    config.write_text(config.read_text().replace('path = "store.db"', 'path = "small/store.db"'))
    before = (*own_file_system(folder), "sh", "-c", FULL, str(site.folder), str(folder), *kernel_that_says("synchronised"))
    serve, log = ("serve", "--config", str(config)), site.folder / "log"
    async with run(*serve, log=log, before=before, environment=play.environment) as gateway:
        await play("doctor", "--url", gateway.url)
        request = site.request({"list_items": [{**WORK_WEEK, "name": "x" * 900}]})
        await play("apply", request, "--url", gateway.url, status=1)


async def store_lost(site: Day, play: Played) -> None:
    await holds_all(site)
    await site.stop()
    (site.folder / "store.db").unlink()
    await play("doctor")
    await play("serve", status=78)


async def restore(site: Day, play: Played) -> None:
    await holds_all(site)
    copy = site.folder / "copy.db"
    await site("backup", str(copy))
    await site.stop()
    (site.folder / "store.db").write_bytes(b"")
    await play("restore", str(copy))
    await site.start()
    await site.until("lobby", "in_sync")
    await play("doctor")


SITUATIONS: dict[str, tuple[Callable[[Day, Played], Awaitable[None]], dict[str, Any]]] = {
    "01-panel-lost": (panel_lost, {}),
    "02-replaced-by-a-blank-unit": (replaced_by_a_blank_unit, {}),
    "03-replaced-by-another-model": (replaced_by_another_model, {}),
    "04-moved-to-another-line": (moved_to_another_line, {"cellar": True}),
    "05-a-new-panel": (a_new_panel, {}),
    "06-a-profile-wrongly-bound": (a_profile_wrongly_bound, {}),
    "07-who-then": (who_then, {}),
    "08-why-refused": (why_refused, {}),
    "09-changed-by-hand": (changed_by_hand, {}),
    "10-clock-wrong": (clock_wrong, {}),
    "11-disk-full": (disk_full, {}),
    "12-store-lost": (store_lost, {}),
    "13-restore": (restore, {}),
}


@pytest.mark.long
@pytest.mark.parametrize("name", SITUATIONS)
async def test_what_stands_on_the_terminal(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    situation, options = SITUATIONS[name]
    right = ClockAhead(BEGIN)
    told = {"clock": right, "wall": right.wall, "released_at": RELEASED_AT, **options}
    environment = clock_off_by(f"{right.ahead_s:+.3f}", tool("faketime", "faketime"))
    async with day(tmp_path, capsys, monkeypatch, **told) as site:
        play = Played(site, environment, [])
        await situation(site, play)
        assert 1 <= len(play.shown) <= 2
        compared(name, play.text())


def compared(name: str, text: str) -> None:
    golden = FILES / f"{name}.txt"
    if os.environ.get("SITUATIONS") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
