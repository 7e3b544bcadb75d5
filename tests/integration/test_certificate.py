"""A certificate that is replaced while the gateway serves: it takes the new one at a hangup, and nobody notices who is there."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.support.api_server import BASIC
from tests.support.processes import Running, run

pytestmark = pytest.mark.long

PAIRS = Path(__file__).parents[1] / "vectors" / "tls"
TEXT = """
[site]
clock_source = "host"
[http]
port = 0
[http.tls]
certificate = "site.pem"
key = "site.key"
[[users]]
name = "admin"
password = "123456"
"""
LOGIN = "/api/v1/login?username=admin&password=e10adc3949ba59abbe56e057f20f883e"


def put(folder: Path, certificate: str, key: str) -> None:
    shutil.copy(PAIRS / f"{certificate}.pem", folder / "site.pem")
    shutil.copy(PAIRS / f"{key}.key", folder / "site.key")


def trusting(name: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=PAIRS / f"{name}.pem")


async def hangup(gateway: Running, message: str) -> dict[str, Any]:
    """What the log says next of the reload."""

    def told() -> list[str]:
        return [line for line in gateway.log.read_text().splitlines() if message in line]

    before = len(told())
    gateway.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(30):
        while True:
            if len(lines := told()) > before:
                record: dict[str, Any] = json.loads(lines[-1])
                return record
            await asyncio.sleep(0.02)


async def shown(url: str) -> str:
    """Which of the certificates a new connection sees."""
    place = urlsplit(url)
    for name in ("first", "second"):
        try:
            _, writer = await asyncio.open_connection(place.hostname, place.port, ssl=trusting(name))
        except ssl.SSLCertVerificationError:
            continue
        writer.close()
        await writer.wait_closed()
        return name
    raise AssertionError("neither")


def garbled(folder: Path) -> None:
    (folder / "site.pem").write_text("-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----\n")


def cut_off(folder: Path) -> None:
    """Half of it is written when the hangup comes."""
    text = (PAIRS / "first.key").read_text()
    (folder / "site.key").write_text(text[: len(text) // 2])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "the key of another one": (lambda folder: put(folder, "first", "second"), "is not the key of"),
    "no certificate in it": (garbled, "site.pem holds no certificate in PEM"),
    "half of the key": (cut_off, "site.key holds no key in PEM"),
    "no file": (lambda folder: (folder / "site.key").unlink(), "http.tls.key: cannot read "),
}


async def test_a_hangup_takes_a_new_certificate_and_drops_nobody(tmp_path: Path) -> None:
    put(tmp_path, "first", "first")
    config = tmp_path / "site.toml"
    config.write_text(TEXT)
    connector = aiohttp.TCPConnector(limit_per_host=1)
    async with (
        run("serve", "--config", str(config), log=tmp_path / "log", ready="https://") as gateway,
        aiohttp.ClientSession(headers={"Authorization": BASIC}, connector=connector) as kept,
        aiohttp.ClientSession(headers={"Authorization": BASIC, "Accept": "text/event-stream"}) as reader,
        reader.get(f"{gateway.url}/gateway/v1/events", ssl=trusting("first"), timeout=aiohttp.ClientTimeout(60)) as stream,
    ):

        async def still_there() -> None:
            """On the connections of before."""
            async with kept.get(f"{gateway.url}{LOGIN}", ssl=before) as answer:
                assert answer.status == 200
            assert not stream.content.at_eof()

        before = trusting("first")
        await still_there()
        assert await shown(gateway.url) == "first"
        put(tmp_path, "second", "second")
        assert (await hangup(gateway, "configuration reloaded"))["changes"] == ["certificate changed"]
        assert await shown(gateway.url) == "second"
        await still_there()
        for name, (breaks, said) in BROKEN.items():
            breaks(tmp_path)
            (mistake,) = (await hangup(gateway, "configuration refused, nothing changed"))["mistakes"]
            assert said in mistake, name
            assert await shown(gateway.url) == "second", name
            await still_there()
            put(tmp_path, "second", "second")
        assert (await hangup(gateway, "configuration reloaded"))["changes"] == []
        text = await asyncio.wait_for(stream.content.readuntil(b"successful_login_api_call"), 30)
        assert b"data: " in text, "who follows the events was not dropped either"
        await still_there()
        assert await gateway.end() == 0
