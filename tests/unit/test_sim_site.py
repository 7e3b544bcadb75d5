"""Simulated lines in real time: pseudo-terminals and sockets, spoken to by an independent master."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import serial_asyncio
from pydantic import ValidationError

from config.settings import Settings, SimulatorSettings
from simulators.models import UnknownModel
from simulators.open_access_panel import OpenAccessPanel
from simulators.register_bank import RegisterBank
from simulators.site import SimulatedSite, Where
from tests.support.master import Master, unanswered

IDENTITY = (0x5041, 0x0101)


def site_settings(*lines: dict[str, Any]) -> Settings:
    return Settings.model_validate({"lines": lines}, strict=False)


def line(kind: str, port: str | int, *ids: str, model: str = "open-access-panel", **more: Any) -> dict[str, Any]:
    panels = [{"id": name, "model": model, "unit": unit} for unit, name in enumerate(ids, 1)]
    host = {} if kind == "modbus-rtu" else {"host": "127.0.0.1"}
    return {"id": f"line-{ids[0]}", "kind": kind, "port": port, "baudrate": 115200, "panels": panels, **host, **more}


@asynccontextmanager
async def master_at(where: Where, kind: str) -> AsyncIterator[Master]:
    if isinstance(where, str):
        reader, writer = await serial_asyncio.open_serial_connection(url=where, baudrate=115200)
    else:
        reader, writer = await asyncio.open_connection(*where)
    try:
        yield Master(reader, writer, tcp=kind == "modbus-tcp")
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def tcp_site(*ids: str) -> AsyncIterator[tuple[SimulatedSite, Master]]:
    """A site of one Modbus TCP line, and a master connected to it."""
    settings = site_settings(line("modbus-tcp", 0, *ids))
    async with SimulatedSite(settings) as site, master_at(site.lines[f"line-{ids[0]}"], "modbus-tcp") as master:
        yield site, master


def open_files() -> set[str]:
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


@pytest.mark.parametrize("kind", ["modbus-rtu", "modbus-tcp", "modbus-rtu-tcp"])
async def test_several_units_answer_behind_one_port(kind: str, tmp_path: Path) -> None:
    port: str | int = str(tmp_path / "rs485") if kind == "modbus-rtu" else 0
    before = open_files()
    async with SimulatedSite(site_settings(line(kind, port, "lobby", "garage"))) as site:
        async with master_at(site.lines["line-lobby"], kind) as master:
            for unit in (1, 2):
                assert await master.words(unit, 4, 0, 2) == IDENTITY
            await master.single(2, 6, 0x0220, 60)
        assert site.panels["garage"].outputs()[0]
        assert not site.panels["lobby"].outputs()[0]
        assert site.panels["garage"].traffic.writes == 1
    assert open_files() == before
    assert os.listdir(tmp_path) == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_terminal_is_linked_at_the_port_and_can_be_opened_again(tmp_path: Path) -> None:
    port = tmp_path / "rs485"
    port.symlink_to("/dev/pts/no-such-terminal")
    async with SimulatedSite(site_settings(line("modbus-rtu", str(port), "lobby"))) as site:
        assert site.lines["line-lobby"] == str(port)
        assert port.is_char_device()
        for _ in range(2):
            async with master_at(str(port), "modbus-rtu") as master:
                assert await master.words(1, 4, 0, 2) == IDENTITY
    assert not port.is_symlink()


async def test_a_second_simulator_leaves_a_line_that_is_served_alone(tmp_path: Path) -> None:
    port = tmp_path / "rs485"
    settings = site_settings(line("modbus-rtu", str(port), "lobby"))
    before = open_files()
    async with SimulatedSite(settings):
        with pytest.raises(OSError, match="another simulator serves this line") as caught:
            async with SimulatedSite(settings):
                pytest.fail("started")
        assert caught.value.filename == str(port)
        async with master_at(str(port), "modbus-rtu") as master:
            assert await master.words(1, 4, 0, 2) == IDENTITY
    assert open_files() == before
    async with SimulatedSite(settings) as site:
        assert site.lines["line-lobby"] == str(port)


async def test_a_link_to_somebody_elses_terminal_is_replaced(tmp_path: Path) -> None:
    """What a killed simulator left may name a terminal that exists again."""
    port = tmp_path / "rs485"
    ours, theirs = os.openpty()
    try:
        port.symlink_to(os.ttyname(theirs))
        settings = site_settings(line("modbus-rtu", str(port), "lobby"))
        async with SimulatedSite(settings), master_at(str(port), "modbus-rtu") as master:
            assert await master.words(1, 4, 0, 2) == IDENTITY
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_real_device_keeps_its_path(tmp_path: Path) -> None:
    port = tmp_path / "by-id"
    port.symlink_to("/dev/null")
    async with SimulatedSite(site_settings(line("modbus-rtu", str(port), "lobby"))) as site:
        assert port.resolve() == Path("/dev/null")
        assert str(site.lines["line-lobby"]).startswith("/dev/pts/")
    assert port.is_symlink()


async def test_a_file_at_the_port_is_an_error_and_nothing_stays_open(tmp_path: Path) -> None:
    port = tmp_path / "rs485"
    port.write_text("precious")
    before = open_files()
    with pytest.raises(FileExistsError):
        async with SimulatedSite(
            site_settings(line("modbus-tcp", 0, "annex"), line("modbus-rtu", str(port), "lobby")),
        ):
            pytest.fail("started")
    assert open_files() == before
    assert port.read_text() == "precious"


async def test_links_in_a_folder_and_other_tcp_ports(tmp_path: Path) -> None:
    settings = site_settings(line("modbus-rtu", "/dev/ttyUSB0", "lobby"), line("modbus-tcp", 1502, "annex"))
    async with SimulatedSite(settings, pty_dir=tmp_path, tcp_port_override={"line-annex": 0}) as site:
        assert site.lines["line-lobby"] == str(tmp_path / "line-lobby")
        where = site.lines["line-annex"]
        assert where[0] == "127.0.0.1"
        assert where[1] not in (0, 1502)


async def test_a_local_echo_line(tmp_path: Path) -> None:
    settings = site_settings(line("modbus-rtu", str(tmp_path / "rs485"), "lobby", local_echo=True))
    async with SimulatedSite(settings) as site:
        reader, writer = await serial_asyncio.open_serial_connection(url=site.lines["line-lobby"], baudrate=115200)
        writer.write(bytes.fromhex("010400000001"))
        assert await reader.readexactly(6) == bytes.fromhex("010400000001")
        writer.close()


async def test_damaged_bytes_cost_no_more_than_a_pause(tmp_path: Path) -> None:
    settings = site_settings(line("modbus-rtu", str(tmp_path / "rs485"), "lobby"))
    async with SimulatedSite(settings, paced=False) as site:
        reader, writer = await serial_asyncio.open_serial_connection(url=site.lines["line-lobby"], baudrate=115200)
        writer.write(b"\x01\x10\xff")
        master = Master(reader, writer)
        with unanswered(master):
            await master.words(1, 4, 0, 2)
        assert await master.words(1, 4, 0, 2) == IDENTITY
        writer.close()


async def test_nonsense_on_modbus_tcp_closes_the_connection() -> None:
    async with SimulatedSite(site_settings(line("modbus-tcp", 0, "annex"))) as site:
        where = site.lines["line-annex"]
        assert isinstance(where, tuple)
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_a_panel_that_is_off_is_silent_on_tcp() -> None:
    async with tcp_site("annex", "cellar") as (site, master):
        site.panels["annex"].off()
        with unanswered(master):
            await master.words(1, 4, 0, 2)
        assert await master.words(2, 4, 0, 2) == IDENTITY


async def test_swapped_units_take_what_they_hold_and_their_numbers_along(tmp_path: Path) -> None:
    """Two adapters change names: each address is answered by the other unit."""
    settings = site_settings(line("modbus-tcp", 0, "lobby", "garage"), line("modbus-tcp", 0, "vault"))
    async with (
        SimulatedSite(settings) as site,
        master_at(site.lines["line-lobby"], "modbus-tcp") as here,
        master_at(site.lines["line-vault"], "modbus-tcp") as there,
    ):
        garage, vault = await here.words(2, 4, 20, 4), await there.words(1, 4, 20, 4)
        await there.single(1, 6, 0x0220, 60)
        site.swap("garage", "vault")
        assert (await here.words(2, 4, 20, 4), await there.words(1, 4, 20, 4)) == (vault, garage)
        assert await here.bits(2, 1, 0, 1) == (1,)
        assert site.panels["vault"].outputs()[0]
        site.panels["vault"].off()
        assert await here.words(1, 4, 0, 2) == IDENTITY
        with unanswered(here):
            await here.words(2, 4, 0, 2)
        site.swap("lobby", "garage")
        assert await there.words(1, 4, 0, 2) == IDENTITY
        site.swap("vault", "lobby")


@pytest.mark.parametrize(("serial", "words"), [(5, (0, 0, 0, 5)), ("00a1B2c3D4e5F607", (0xA1, 0xB2C3, 0xD4E5, 0xF607))])
async def test_a_serial_number_from_the_configuration(serial: int | str, words: tuple[int, ...]) -> None:
    settings = line("modbus-tcp", 0, "annex")
    settings["panels"][0]["simulator"] = {"serial": serial}
    async with SimulatedSite(site_settings(settings)) as site, master_at(site.lines["line-annex"], "modbus-tcp") as master:
        assert await master.words(1, 4, 20, 4) == words
        site.panels["annex"].power_cut()
        site.panels["annex"].restore()
        assert await master.words(1, 4, 20, 4) == words


async def test_panels_have_different_numbers_that_stay() -> None:
    numbers = []
    for _ in range(2):
        async with tcp_site("annex", "cellar") as (_, master):
            numbers.append([await master.words(unit, 4, 20, 4) for unit in (1, 2)])
    assert numbers[0] == numbers[1]
    assert numbers[0][0] != numbers[0][1]


@pytest.mark.parametrize("serial", [-1, 1 << 64, "", "12345678901234567", "xyz", True, 1.5])
def test_a_number_that_no_unit_can_have_is_a_mistake_in_the_file(serial: object) -> None:
    with pytest.raises(ValidationError):
        SimulatorSettings.model_validate({"serial": serial})


async def test_a_crash_inside_is_raised_at_the_end() -> None:
    class Broken(OpenAccessPanel):
        def handle(self, pdu: bytes) -> bytes:
            raise ZeroDivisionError("a mistake in a simulator")

    async def ask_a_broken_panel() -> None:
        async with tcp_site("annex") as (site, master):
            site.responders["line-annex"].panels[1] = Broken(site.panels["annex"].settings)
            asking = asyncio.ensure_future(master.words(1, 4, 0, 2))
            with pytest.raises(ZeroDivisionError):
                await site.failed
            asking.cancel()

    with pytest.raises(ZeroDivisionError):
        await ask_a_broken_panel()


async def test_models_without_a_simulator_are_bare_registers_only_when_asked() -> None:
    settings = site_settings(line("modbus-tcp", 0, "fifth", model="a-fifth-model"))
    with pytest.raises(UnknownModel):
        async with SimulatedSite(settings):
            pytest.fail("started")
    async with SimulatedSite(settings, register_banks={"a-fifth-model"}) as site:
        async with master_at(site.lines["line-fifth"], "modbus-tcp") as master:
            await master.write(1, 0xFFF0, range(16))
            assert await master.words(1, 3, 0xFFF0, 16) == tuple(range(16))
        assert isinstance(site.panels["fifth"], RegisterBank)
