"""A store without room refuses requests and loses nothing; with room again it goes on without a restart."""

import copy
import errno
import os
from pathlib import Path
from typing import Any

from simulators.site import SimulatedSite
from tests.contract.test_store_sqlite import own_file_system
from tests.integration.test_service import WORK_WEEK, simulated
from tests.support.processes import logged_in, run


def fill(file: Path) -> None:
    with file.open("ab", buffering=0) as full:
        for block in (65536, 4096, 512, 1):
            try:
                while True:
                    full.write(bytes(block))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _named(number: int) -> dict[str, Any]:
    item = copy.deepcopy(WORK_WEEK)
    item["link_id"] = f"91c615e3-1040-4815-8ecb-{number:012}"
    item["name"] = "x" * 1000
    return item


def _held(site: SimulatedSite) -> dict[str, object]:
    """By panel, how often its schedules were written."""
    return {name: panel.details()["commits"] for name, panel in site.panels.items()}


async def test_a_full_store_is_507_and_recovers_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    before = own_file_system(folder)
    async with simulated(tmp_path) as (config, site):
        text = config.read_text()
        config.write_text(f'[store]\npath = "{folder}/gateway.db"\n{text}')
        async with (
            run("serve", "--config", str(config), log=tmp_path / "log", before=before) as gateway,
            logged_in(gateway.url) as client,
        ):
            (entry,) = await client.upsert(_named(1))
            assert entry["success"], entry
            inside = Path(f"/proc/{gateway.process.pid}/root{folder}")
            fill(inside / "filler")
            held = _held(site)
            items = [_named(number) for number in range(2, 200)]
            path = "/api/v1/access/timeprofile/items/link"
            refused = await client.call("POST", path, {"list_items": items}, status=507)
            assert "error" in refused
            assert len(await client.profiles()) == 1
            assert _held(site) == held
            os.unlink(inside / "filler")
            (entry,) = await client.upsert(_named(2))
            assert (entry["success"], entry["extended_info"]) == (True, "created")
            await client.call("GET", "/readyz")
            assert await gateway.end() == 0
