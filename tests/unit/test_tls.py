"""TLS: who is answered, what a reload changes, and what a bad certificate does not."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from config.loader import ConfigurationError, load_settings
from config.tls import read_pair
from drivers.clock import SystemClock
from gateway.api.server import HEADER_S
from gateway.app import Gateway
from tests.support.api_server import BASIC

PAIRS = Path(__file__).parents[1] / "vectors" / "tls"
PANELS = "/gateway/v1/panels"
LINK = "/api/v1/access/timeprofile/items/link"


def put_pair(folder: Path, certificate: str, key: str | None = None) -> None:
    shutil.copy(PAIRS / f"{certificate}.pem", folder / "site.pem")
    shutil.copy(PAIRS / f"{key or certificate}.key", folder / "site.key")


def trusting(certificate: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=PAIRS / f"{certificate}.pem")


@dataclass
class Served:
    gateway: Gateway
    folder: Path
    url: str

    async def status(
        self, path: str = PANELS, *, trusts: str = "first", url: str | None = None, body: bytes | None = None
    ) -> int:
        """The status of a call on a connection of its own."""
        async with aiohttp.ClientSession() as session:
            method, headers = "GET" if body is None else "POST", {"Authorization": BASIC} if body is None else {}
            sent = session.request(method, (url or self.url) + path, ssl=trusting(trusts), headers=headers, data=body)
            async with sent as response:
                return response.status


@asynccontextmanager
async def served(folder: Path, http: Sequence[str] = ()) -> AsyncIterator[Served]:
    put_pair(folder, "first")
    text = ["[http]", "port = 0", *http, "[http.tls]", 'certificate = "site.pem"', 'key = "site.key"']
    file = folder / "site.toml"
    file.write_text("\n".join([*text, "[[users]]", 'name = "admin"', 'password = "123456"']), encoding="utf-8")
    gateway = Gateway(load_settings(file), file, SystemClock())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(gateway.stop)
        yield Served(gateway, folder, await gateway.start())


async def test_the_surface_is_served_by_tls_to_who_trusts_the_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as site:
        assert site.url.startswith("https://127.0.0.1:")
        assert await site.status() == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await site.status(trusts="second")
        assert await site.status(LINK, body=bytes(900_000)) == 401, "the answer comes though the body was not read"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_older_tls_is_not_agreed_on() -> None:
    context = read_pair(PAIRS / "first.pem", PAIRS / "first.key").context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("pair", "ends"),
    [("first", datetime(2126, 11, 3, 15, 48, 32, tzinfo=UTC)), ("second", datetime(2048, 10, 22, 16, 10, 53, tzinfo=UTC))],
    ids=["after 2049", "before"],
)
def test_the_end_of_a_certificate_is_read_in_both_of_its_forms(pair: str, ends: datetime) -> None:
    assert read_pair(PAIRS / f"{pair}.pem", PAIRS / f"{pair}.key").expires_at == ends.timestamp()


async def test_plain_http_at_the_port_of_tls_is_not_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        place = urlsplit(site.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in await reader.read()
        writer.close()
        assert await site.status() == 200


async def test_a_page_that_is_logged_in_by_tls_sends_its_cookie_by_tls_only(tmp_path: Path) -> None:
    async with served(tmp_path) as site, aiohttp.ClientSession() as session:
        body, headers = {"name": "admin", "password": "123456"}, {"Origin": site.url}
        sent = session.post(f"{site.url}/gateway/v1/session", ssl=trusting("first"), json=body, headers=headers)
        async with sent as response:
            cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-panel-gateway=")
    assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize(("allow", "expected"), [("", 200), ('allow = ["192.0.2.0/24"]', 403), ('allow = ["127.0.0.1"]', 200)])
async def test_plain_http_is_for_this_machine_or_for_whom_the_file_allows(tmp_path: Path, allow: str, expected: int) -> None:
    async with served(tmp_path, ["plain_port = 0", allow]) as site:
        _, plain = site.gateway.urls
        for path in (PANELS, "/healthz"):
            assert await site.status(path, url=plain) == expected
            assert await site.status(path) == 200


async def test_a_reload_changes_the_certificate_and_drops_no_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as site, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:

        async def on_the_same_connection() -> int:
            async with session.get(site.url + PANELS, ssl=before, headers={"Authorization": BASIC}) as response:
                return response.status

        before = trusting("first")
        assert await on_the_same_connection() == 200
        put_pair(site.folder, "second")
        report = await site.gateway.reload()
        assert (report.applied, report.changes) == (True, ("certificate changed",))
        assert await on_the_same_connection() == 200
        assert await site.status(trusts="second") == 200
        assert (await site.gateway.reload()).changes == ()


async def test_a_bad_pair_fails_the_reload_and_the_one_of_before_stays(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        put_pair(site.folder, "second", "first")
        report = await site.gateway.reload()
        assert not report.applied
        assert len(report.mistakes) == 1
        assert report.mistakes[0].startswith("http.tls.key: ")
        assert await site.status() == 200


async def test_connections_that_say_nothing_count_before_they_agree_on_tls(tmp_path: Path) -> None:
    """The library's own way counts a connection after its handshake only: silent ones would be without number."""
    async with served(tmp_path, ["max_connections = 32"]) as site, AsyncExitStack() as stack:
        place, ended = urlsplit(site.url), asyncio.Queue[int]()

        async def silent(number: int) -> None:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            stack.callback(writer.close)
            with suppress(ConnectionError):
                await reader.read()
            ended.put_nowait(number)

        waiting = [asyncio.create_task(silent(number)) for number in range(60)]
        async with asyncio.timeout(HEADER_S / 2):  # before they have taken too long
            for _ in range(60 - 32):
                await ended.get()
            assert await site.status() == 200
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("gone.pem", "first.key", "http.tls.certificate: cannot read"),
        ("first.pem", "gone.key", "http.tls.key: cannot read"),
        ("first.pem", ".", "http.tls.key: cannot read"),
        ("first.pem", "second.key", "http.tls.key: "),
        ("first.key", "first.key", "http.tls: "),
        ("first.pem", "encrypted.key", "http.tls.key: "),
    ],
)
def test_a_pair_that_is_none_is_told_with_its_place(tmp_path: Path, certificate: str, key: str, said: str) -> None:
    for name in ("first.pem", "first.key", "second.key"):
        shutil.copy(PAIRS / name, tmp_path)
    (tmp_path / "encrypted.key").write_text(ENCRYPTED)
    file = tmp_path / "site.toml"
    file.write_text(f'[http.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file)
    (mistake,) = refused.value.mistakes
    assert mistake.startswith(said)
    assert not refused.value.is_final, "the files may be right later"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nplain_port = 8081\n", "http.plain_port: stands beside [http.tls]"),
        ('[http]\nallow = ["10.0.0.1/8"]\n', "http.allow[0]: "),
        ('[http.tls]\ncertificate = "first.pem"\n', "http.tls.key: is missing"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, text: str, said: str) -> None:
    shutil.copy(PAIRS / "first.pem", tmp_path)
    (tmp_path / "site.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path / "site.toml")
    assert [mistake.startswith(said) for mistake in refused.value.mistakes] == [True]
