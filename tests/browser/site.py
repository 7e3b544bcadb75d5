"""A site for a browser: the real gateway over simulated panels, in a thread of its own, since a browser's driver blocks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiohttp

from config.settings import (
    ApiKeySettings,
    BindingSettings,
    DoorSettings,
    HttpSettings,
    ModbusTcpLine,
    PanelSettings,
    Settings,
    SimulatorSettings,
    SiteSettings,
    StoreSettings,
    UserSettings,
)
from drivers.clock import SystemClock
from gateway.app import Gateway
from simulators.site import SimulatedSite
from tests.support.api_server import BASIC

T = TypeVar("T")
PASSWORD = "123456"
USERS = (
    UserSettings(name="admin", password=PASSWORD),
    UserSettings(name="guard", password=PASSWORD, role="operator"),
    UserSettings(name="visitor", password=PASSWORD, role="viewer"),
)
WEEK = "91c615e3-1040-4815-8ecb-000000000001"
NIGHT = "91c615e3-1040-4815-8ecb-000000000002"
PERSON = "91c615e3-1040-4815-8ecb-000000000101"
_PATIENCE_S = 60.0


def line(name: str, *panels: str, small: str = "") -> ModbusTcpLine:
    """`small`: a panel that has one schedule slot only."""
    made = [
        PanelSettings(
            id=panel,
            model="open-access-panel",
            unit=1 + number,
            simulator=SimulatorSettings(schedules=1 if panel == small else 64),
        )
        for number, panel in enumerate(panels)
    ]
    return ModbusTcpLine(id=name, kind="modbus-tcp", host="127.0.0.1", port=0, timeout_ms=100, panels=tuple(made))


def profile(link_id: str, name: str, start: int, end: int) -> dict[str, Any]:
    """Every day from `start` to `end` o'clock, UTC."""
    return {
        "link_id": link_id,
        "name": name,
        "time_options": {"is_all_day": False, "date_from": 1_793_577_600 + 3600 * start, "date_to": 1_793_577_600 + 3600 * end},
        "repeat_options": {"repeat_enable": True, "repeat_format": {"repeat_type": "day", "repeat_end": {"format": "never"}}},
    }


def person(link_id: str, name: str, card: str, *profiles: str) -> dict[str, Any]:
    return {
        "link_id": link_id,
        "identifier_owner": {"name": name, "type": "owner"},
        "identifier_type": "card",
        "identifier_number": card,
        "lock": "first",
        "time_profiles": {"link_ids": list(profiles)},
    }


@dataclass
class PageSite:
    """`url`: of the gateway. What tests ask of it is done in its thread."""

    settings: Settings
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    url: str = ""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The body of a JSON answer, whatever its status; by Basic credentials."""

        async def ask() -> Any:
            headers = {"Authorization": BASIC}
            async with aiohttp.request(method, self.url + path, json=body, headers=headers) as answer:
                text = await answer.text()
                return json.loads(text) if answer.content_type == "application/json" else text

        return self.run(ask())

    def ask_for(self, kind: str, *items: dict[str, Any]) -> Any:
        """`kind`: `timeprofile` or `identifier`."""
        return self.call("POST", f"/api/v1/access/{kind}/items/link", {"list_items": list(items)})

    def switch(self, *panels: str, on: bool) -> None:
        async def done() -> None:
            for panel in panels:
                (self.simulated.panels[panel].on if on else self.simulated.panels[panel].off)()

        self.run(done())

    def until(self, is_so: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
        """Wait until the panels, by id, are as `is_so` says."""

        async def wait() -> None:
            async with asyncio.timeout(_PATIENCE_S), aiohttp.ClientSession(headers={"Authorization": BASIC}) as session:
                while True:
                    async with session.get(f"{self.url}/gateway/v1/panels") as answer:
                        panels = {panel["id"]: panel for panel in (await answer.json())["panels"]}
                    if is_so(panels):
                        return
                    await asyncio.sleep(0.05)

        self.run(wait())

    async def _live(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        with TemporaryDirectory() as folder:
            async with SimulatedSite(self.settings) as self.simulated:
                gateway = Gateway(self._wired(Path(folder)), None, SystemClock(), released_at=0)
                try:
                    self.url = await gateway.start()
                    self.gateway = gateway
                    started.set()
                    await self._stop.wait()
                finally:
                    await gateway.stop()

    def _wired(self, folder: Path) -> Settings:
        places = {name: place for name, place in self.simulated.lines.items() if isinstance(place, tuple)}
        lines = tuple(
            each.model_copy(update={"host": places[each.id][0], "port": places[each.id][1]}) for each in self.settings.lines
        )
        return self.settings.model_copy(update={"lines": lines, "store": StoreSettings(path=folder / "gateway.db")})

    @contextmanager
    def living(self) -> Iterator[PageSite]:
        started = threading.Event()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                self.loop.run_until_complete(self._live(started))
            except BaseException as error:
                failed.append(error)
                raise
            finally:
                started.set()
                self.loop.close()

        thread = threading.Thread(target=work, name="site")
        thread.start()
        started.wait()
        assert not failed, failed
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self._stop.set)
            thread.join()


def page_site(
    *lines: ModbusTcpLine,
    doors: Sequence[DoorSettings] = (),
    users: Sequence[UserSettings] = USERS,
    api_keys: Sequence[ApiKeySettings] = (),
    name: str = "Site",
    hosts: Sequence[str] = (),
) -> PageSite:
    """Everything is bound to every panel."""
    settings = Settings(
        site=SiteSettings(name=name, timezone="UTC", clock_source="host"),
        http=HttpSettings(port=0, hosts=tuple(hosts)),
        users=tuple(users),
        api_keys=tuple(api_keys),
        lines=lines,
        bindings=(BindingSettings(link_id="*", panels=("@all",)),) if lines else (),
        doors=tuple(doors),
    )
    return PageSite(settings)
