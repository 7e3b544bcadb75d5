"""What only a whole process shows of the HTTP surface: serial numbers, odd files at a hangup, orders of nonsense."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Client, logged_in, run

SITE = '[http]\nport = 0\n[[users]]\nname = "admin"\npassword = "123456"\n'


def _config(folder: Path, text: str = SITE) -> Path:
    folder.mkdir(exist_ok=True)
    config = folder / "site.toml"
    config.write_text(text)
    return config


async def _serial(config: Path) -> str:
    async with run("serve", "--config", str(config), log=config.parent / "log") as gateway, logged_in(gateway.url) as client:
        serial: str = (await client.call("GET", "/api/info"))["device_serial_number"]
        assert await gateway.end() == 0
    return serial


async def test_every_store_has_a_serial_number_of_its_own_and_takes_it_along(tmp_path: Path) -> None:
    one, other = _config(tmp_path / "one"), _config(tmp_path / "other")
    serial = await _serial(one)
    assert str(uuid.UUID(serial)) == serial
    assert await _serial(one) == serial
    assert await _serial(other) != serial
    shutil.rmtree(tmp_path / "one")
    assert await _serial(_config(tmp_path / "one")) != serial, "a new store at the same place is another one"


def _refusals(log: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [record for record in records if record["message"] == "configuration refused, nothing changed"]


async def _refused(log: Path, seen: int) -> dict[str, Any]:
    """The refusal after `seen` others, waited for."""
    async with asyncio.timeout(30):
        while True:
            refusals = _refusals(log)
            if len(refusals) > seen:
                return refusals[seen]
            await asyncio.sleep(0.01)


async def test_a_hangup_with_an_absurd_file_is_a_mistake_with_its_place(tmp_path: Path) -> None:
    config, models = _config(tmp_path), tmp_path / "models"
    models.mkdir()
    os.mkfifo(models / "pipe.toml")
    (tmp_path / "zero").symlink_to("/dev/zero")
    absurd = {
        "a = " + "[" * 5000: "file: nested more than 32 deep, at line 1",
        "[http]\nport = " + "7" * 5001: "file: not TOML: a number that is no 64-bit integer, at line 2",
        "[http]\nport = 0x" + "7" * 5001: "http.port: no 64-bit integer",
        "\n" + ".".join(["a"] * 900) + " = 1": "file: nested more than 32 deep, at line 2",
        SITE + '[site]\nmodels_dir = "models"\n': "site.models_dir",
        '[[users]]\nname = "admin"\npassword_file = "zero"\n': "users[0].password_file",
        '[[users]]\nname = "admin"\npassword_file = "models/pipe.toml"\n': "users[0].password_file",
    }
    async with run("serve", "--config", str(config), log=tmp_path / "log") as gateway, logged_in(gateway.url) as client:
        for seen, (text, place) in enumerate(absurd.items()):
            config.write_text(text)
            gateway.process.send_signal(signal.SIGHUP)
            refused = await _refused(tmp_path / "log", seen)
            assert place in refused["mistakes"][0]
            assert (await client.call("GET", "/readyz")) == {"status": "ok"}
        assert await gateway.end() == 0


QUERIES = [
    "/gateway/v1/explain?link_id=x",
    "/gateway/v1/explain",
    "/gateway/v1/explain?link_id=91c615e3-1040-4815-8ecb-000000000001&at=1e3",
    "/api/v1/access/timeprofile/items/link?limit=0",
    "/api/v1/access/timeprofile/items/link?order_by=owner",
    "/api/v1/access/timeprofile/items/link?order_by=name,,name",
    "/api/v1/access/timeprofile/items/link?filter=name%20eq",
    "/api/v1/access/timeprofile/items/link?filter=" + "(" * 100,
    "/api/v1/access/timeprofile/items/link?filter=name%20gt%20'x'",
    "/api/v1/access/timeprofile/items/link?filter=$",
    "/gateway/v1/bindings/x",
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    line = '[[lines]]\nid = "a"\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = 9\n'
    panel = '[[lines.panels]]\nid = "gate"\nmodel = "waveshare-relay-8ch"\n'
    return _config(tmp_path, SITE + line + panel)


async def test_every_refusal_says_what_is_expected_and_what_is_seen(site: Path) -> None:
    async with run("serve", "--config", str(site), log=site.parent / "log") as gateway, logged_in(gateway.url) as client:
        for query in QUERIES:
            _clear(await client.call("GET", query, status=400))
        for body in BODIES:
            _clear(await client.call("POST", "/api/v1/access/timeprofile/items/link", body, status=400))
            _clear(await client.call("DELETE", "/api/v1/access/timeprofile/items/link", body, status=400))
        await _no_panels(client)
        assert await gateway.end() == 0


BODIES: list[Any] = [
    [],
    7,
    {},
    {"list_items": 7, "link_ids": None},
    {"list_items": [7], "link_ids": [7]},
    {"list_items": [{"link_id": "x"}], "link_ids": ["x" * 1000]},
    {"list_items": [{"link_id": "91c615e3-1040-4815-8ecb-000000000001", "name": "x" * 1001}], "link_ids": {}},
]


def _clear(answer: dict[str, Any]) -> None:
    place, separator, _ = answer["detail"].partition(": ")
    assert place
    assert separator
    assert "expected" in answer["detail"]
    assert "got" in answer["detail"]
    assert len(answer["detail"]) < 500


async def _no_panels(client: Client) -> None:
    link_id = "91c615e3-1040-4815-8ecb-000000000001"
    for name in ("gate:1e1", "gate:x", "gate:-1", "gate:%2B1", "gate:1_0", "gate:%D9%A1", "gate:", ":1", "gate:1:1", "@all"):
        await client.call("GET", f"/gateway/v1/explain?link_id={link_id}&panel={name}", status=404)
