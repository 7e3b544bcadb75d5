"""What an operator reads afterwards: who asked for what, what was found on a panel, from what a clock was set to what."""

from __future__ import annotations

import asyncio
import getpass
import json
from pathlib import Path
from typing import Any

import aiohttp

from simulators.open_access_panel import OpenAccessPanel
from tests.integration.test_service import WORK_WEEK, simulated
from tests.support.processes import PROGRAM, logged_in, run
from tests.unit.test_fleet_simulated import until

LINK: str = WORK_WEEK["link_id"]


def audited(log: Path, message: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [record for record in records if record["message"] == message]


async def command(*words: str, config: Path) -> tuple[int, str]:
    asked = await asyncio.create_subprocess_exec(
        *PROGRAM, *words, "--config", str(config), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asked.communicate()
    assert asked.returncode is not None
    return asked.returncode, said.decode()


async def test_the_trail_names_who_asked_and_whence_and_what_was_found_and_set(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with simulated(tmp_path) as (config, site):
        text = config.read_text()
        text = text.replace("[[users]]", '[[users]]\nname = "night"\npassword = "654321"\n[[users]]', 1)
        config.write_text(text.replace("port = 0", 'port = 0\ntrusted_proxies = ["127.0.0.1"]', 1))
        lobby = site.panels["lobby"]
        assert isinstance(lobby, OpenAccessPanel)
        async with run("serve", "--config", str(config), log=log) as gateway, logged_in(gateway.url) as client:
            client.headers["X-Forwarded-For"] = "192.0.2.7"
            await client.upsert(WORK_WEEK)
            await client.until_in_sync()
            basic = {"Authorization": aiohttp.encode_basic_auth("night", "654321")}
            url = f"{gateway.url}/gateway/v1/bindings/{LINK}"
            async with client.session.put(url, json={"panels": ["lobby"]}, headers=basic) as answer:
                assert answer.status == 200
            (asked,) = audited(log, "profile asked")
            assert (asked["user"], asked["address"]) == ("admin", "192.0.2.7")
            (bound,) = audited(log, "binding set")
            assert (bound["user"], bound["address"]) == ("night", "127.0.0.1")
            assert not any("user" in each for each in audited(log, "panel acknowledged")), "the gateway does that"

            words = [*lobby.schedule_words(0)]
            words[14] += 60
            lobby._memory.schedules.committed[14] = lobby._memory.schedules.acting[14] = words[14]
            lobby.oscillator.jump(-7200)
            assert (await command("sync", "lobby", config=config))[0] == 0
            await client.until_in_sync("lobby")
            await until(lambda: bool(audited(log, "panel drifted")) and len(audited(log, "panel clock set")) >= 4)
            (drifted,) = audited(log, "panel drifted")
            assert drifted["changes"] == [
                f"slot 0 was Mon-Fri 09:00-18:00, from 2026-11-02 for {LINK},"
                f" is Mon-Fri 09:00-19:00, from 2026-11-02 for {LINK}, and its check word contradicts it"
            ]
            status, said = await command("status", config=config)
            assert status == 0
            assert "is Mon-Fri 09:00-19:00" in said
            moved = audited(log, "panel clock set")[-1]
            assert moved["before"] != moved["now"]
            assert moved["before"][:10] >= "2000-01-01"
            first = audited(log, "panel clock set")[0]
            assert first["before"] == "unset"

            config.write_text(config.read_text().replace("port = 0", "port = 1", 1))
            assert (await command("reload", config=config))[0] == 1
            (refused,) = audited(log, "configuration refused, nothing changed")
            assert (refused["user"], refused["address"]) == (getpass.getuser(), "local")
            (synced,) = audited(log, "operator command")
            assert (synced["user"], synced["address"]) == (getpass.getuser(), "local")
            await client.delete(LINK)
            assert [each["user"] for each in audited(log, "deletion asked")] == ["admin"]
            assert await gateway.end() == 0
