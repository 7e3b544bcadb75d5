"""Nobody who updates finds the service refusing the file that it took before: every configuration that 0.1.0 accepts starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config.loader import load_settings
from drivers.clock import SystemClock
from gateway.app import Gateway

KEPT = Path(__file__).parents[1] / "vectors" / "configs-0.1.0"
FILES = sorted(KEPT.glob("*.toml"))


def test_they_are_many() -> None:
    assert len(FILES) >= 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_what_the_first_version_accepted_still_starts(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    shutil.copytree(KEPT, folder)
    settings = load_settings(folder / file.name)
    gateway = Gateway(
        settings, folder / file.name, SystemClock(), settings.http.model_copy(update={"host": "127.0.0.1", "port": 0})
    )
    try:
        assert (await gateway.start()).startswith("http://127.0.0.1:")
        assert not gateway.unhealthy()
        report = await gateway.reload()
        assert report.applied, report.mistakes
    finally:
        await gateway.stop()
