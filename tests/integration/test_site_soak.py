"""Some hours of a whole site in virtual time; `make soak-site` has days of it, and an hour in real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.site_history import SiteHistory
from tests.support.virtual_site import run_site

pytestmark = [pytest.mark.cpu, pytest.mark.long]


def test_no_door_opens_wider_than_asked_while_a_whole_site_fails_and_nothing_is_lost_when_it_works_again(tmp_path: Path) -> None:
    async def run() -> None:
        record = await SiteHistory(tmp_path, seed=2, hours=2).run()
        assert record.lies == []
        assert record.counts["kills"] > 0
        assert record.counts["moments open"] > 0

    run_site(run())
