"""A panel of a protocol that the gateway was not made for: brought along by a test, driven through the HTTP port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.settings import BindingSettings, HttpSettings, PanelSettings, Settings, SiteSettings, StoreSettings, UserSettings
from drivers.clock import SystemClock
from drivers.factory import build_line
from gateway.app import Gateway
from tests.support.processes import Client, logged_in
from tests.support.toy_protocol import ToyLineSettings, build_any_line, read

EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())
WORK_WEEK: dict[str, Any] = EXAMPLES["list_items"][8]
LINK = WORK_WEEK["link_id"]


class ToyPanel:
    """The far end. `lose`: replies still to be lost; `silent`: it takes nothing any more; `busy`: times it still says so."""

    def __init__(self) -> None:
        self.slots: dict[str, str] = {}
        self.asked: list[str] = []
        self.lose = self.busy = 0
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            unit, verb, text = line.decode().rstrip("\n").split(" ", 2)
            self.asked.append(verb)
            reply = None if self.silent else self._reply(verb, text)
            if reply is not None and not (verb == "put" and self._lost()):
                writer.write(f"{unit} {reply}\n".encode())
        writer.close()

    def _lost(self) -> bool:
        self.lose -= 1
        return self.lose >= 0

    def _reply(self, verb: str, text: str) -> str:
        if verb == "put" and self.busy:
            self.busy -= 1
            return "busy"
        number, _, slot = text.partition(" ")
        if verb == "put":
            self.slots[number] = slot
        elif verb == "drop":
            del self.slots[number]
        return {"who": "ok TOY-1", "list": f"ok {json.dumps(self.slots)}"}.get(verb, "ok")


@asynccontextmanager
async def gateway_with(panel: ToyPanel, folder: Path) -> AsyncIterator[Client]:
    server = await asyncio.start_server(panel.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = Settings(
        site=SiteSettings(timezone="Europe/Kyiv"),
        http=HttpSettings(port=0),
        store=StoreSettings(path=folder / "gateway.db"),
        users=(UserSettings(name="admin", password="123456"),),
        bindings=(BindingSettings(link_id="*", panels=("toy",)),),
    )
    panels = (PanelSettings(id="toy", model="toy", unit=9),)
    line = ToyLineSettings(id="far", host="127.0.0.1", port=port, timeout_ms=500, probe_share=0.5, panels=panels)
    gateway = Gateway(settings.model_copy(update={"lines": (line,)}), None, SystemClock(), build=build_any_line)
    try:
        url = await gateway.start()
        async with logged_in(url) as client:
            yield client
    finally:
        await gateway.stop()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(("busy", "lose"), [(0, 0), (2, 0), (0, 1)], ids=["at once", "busy twice", "a reply lost"])
async def test_a_profile_reaches_a_panel_of_another_protocol_and_leaves_it(tmp_path: Path, busy: int, lose: int) -> None:
    panel = ToyPanel()
    panel.busy, panel.lose = busy, lose
    async with gateway_with(panel, tmp_path) as client:
        ((told,),) = [entry["panels"] for entry in await client.upsert(WORK_WEEK)]
        assert (told["panel"], told["success"], told["outcome"]) == ("toy", True, "exact")
        (slot,) = map(read, panel.slots.values())
        assert slot.link_ids == (LINK,)
        assert panel.asked.count("put") == 1 + busy, "what was cut is read back"
        (line,) = (await client.call("GET", "/gateway/v1/lines"))["lines"]
        assert (line["kind"], line["units"][0]["panel"], line["timeouts"]) == ("toy", "toy", lose)
        assert line["retries"] == busy
        (gone,) = await client.delete(LINK)
        assert (gone["success"], panel.slots) == (True, {})


async def test_a_silent_panel_of_another_protocol_is_quarantined_and_found_again(tmp_path: Path) -> None:
    panel = ToyPanel()
    async with gateway_with(panel, tmp_path) as client:
        panel.silent = True
        (told,) = await client.upsert(WORK_WEEK)
        assert (told["success"], panel.slots) == (False, {})
        panel.silent = False
        async with asyncio.timeout(30):
            while not panel.slots:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def test_a_line_of_an_unknown_protocol_is_told_so() -> None:
    with pytest.raises(TypeError, match="no protocol for lines of kind toy"):
        build_line(ToyLineSettings(id="far", host="127.0.0.1", port=1), SystemClock())
