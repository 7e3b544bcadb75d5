"""What an operator meets when the store is gone, older than it was, damaged or on a medium that takes nothing: real processes."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import PROGRAM, Client, Running, logged_in, run

pytestmark = pytest.mark.long

CONFIG = """
[http]
port = 0
[store]
path = "store.db"
[[users]]
name = "admin"
password = "123456"
"""
REFUSED = 78
REFUSES = {"full": 507, "read-only": 503}
FILES = ("store.db", "store.db-wal", "store.db-shm", "store.db.mark")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(CONFIG)
    return path


def said(*arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def item(number: int) -> dict[str, Any]:
    return {
        "link_id": f"91c615e3-1040-4815-8ecb-{number:012d}",
        "name": f"Profile {number}",
        "time_options": {"is_all_day": False, "date_from": 1_793_602_800, "date_to": 1_793_635_200},
        "repeat_options": {"repeat_enable": False},
    }


async def filled(site: Path, *numbers: int, end: int = signal.SIGTERM) -> None:
    """A gateway that was asked for these, and ended."""
    async with run("serve", "--config", str(site), log=site.parent / "log") as gateway, logged_in(gateway.url) as client:
        for number in numbers:
            await client.upsert(item(number))
        await gateway.end(end)


async def ready(gateway: Running, client: Client) -> str:
    """What keeps it from being ready; empty: nothing."""
    async with client.session.get(gateway.url + "/readyz") as response:
        body = await response.json()
        return "" if response.status == 200 else str(body["detail"])


async def names(client: Client) -> list[str]:
    return sorted(each["name"] for each in await client.profiles())


def starts(site: Path) -> Any:
    return run("serve", "--config", str(site), log=site.parent / "log")


# lost


def empty(folder: Path) -> None:
    (folder / "store.db").write_bytes(b"")


def without_tables(folder: Path) -> None:
    (folder / "store.db").unlink()
    with closing(sqlite3.connect(folder / "store.db")) as new:
        new.execute("VACUUM")
        new.execute("PRAGMA journal_mode = WAL")


def gone(folder: Path) -> None:
    (folder / "store.db").unlink()


def only_the_log_left(folder: Path) -> None:
    for name in ("store.db", "store.db.mark"):
        (folder / name).unlink()
    (folder / "store.db-wal").write_bytes(b"x" * 4096)


def somebody_elses(folder: Path) -> None:
    (folder / "store.db").unlink()
    with closing(sqlite3.connect(folder / "store.db")) as new:
        new.execute("CREATE TABLE notes (text)")


def cut_short(folder: Path) -> None:
    with (folder / "store.db").open("r+b") as file:
        file.truncate(4096 * 3)


def newer(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "store.db")) as store:
        store.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("harm", [empty, without_tables, gone, only_the_log_left, somebody_elses, cut_short, newer])
async def test_a_lost_store_never_starts_as_an_empty_site(site: Path, harm: Any) -> None:
    await filled(site, 1)
    harm(site.parent)
    before = {each.name: each.read_bytes() for each in site.parent.iterdir() if each.name in FILES}
    status, out, err = said("serve", "--config", site)
    assert (status, out, len(err.splitlines())) == (REFUSED, "", 1), err
    assert "store.db: " in err
    if harm is not newer:
        assert "`panel-gateway restore FILE`" in err
        assert "`panel-gateway serve --new-store`" in err
    assert {each.name: each.read_bytes() for each in site.parent.iterdir() if each.name in FILES} == before
    anew = run("serve", "--new-store", "--config", str(site), log=site.parent / "log")
    async with anew as gateway, logged_in(gateway.url) as client:
        assert await names(client) == []
        assert await ready(gateway, client) == ""
        await client.upsert(item(2))
    for name, content in before.items():
        assert (site.parent / name.replace("store.db", "store.db.aside1")).read_bytes() == content
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 2"]


async def test_a_whole_store_is_not_set_aside(site: Path) -> None:
    await filled(site, 1)
    status, _, err = said("serve", "--new-store", "--config", site)
    assert status != 0
    assert "there is a whole store" in err
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 1"]


@pytest.mark.parametrize("command", ["plan", "backup"])
@pytest.mark.parametrize("harm", [empty, without_tables, gone])
async def test_who_looks_into_a_lost_store_is_not_told_that_it_is_empty(site: Path, harm: Any, command: str) -> None:
    await filled(site, 1)
    harm(site.parent)
    (site.parent / "request.json").write_text('{"list_items": []}')
    target = {"plan": "request.json", "backup": "copy.db"}[command]
    status, _, err = said(command, "--config", site, site.parent / target)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "store.db: the store is " in err


async def test_a_kill_while_the_first_store_is_made_is_no_loss(site: Path) -> None:
    (site.parent / "store.db.part").write_bytes(b"half of it")
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await ready(gateway, client) == ""


# older than it was


def log_lost(folder: Path) -> None:
    (folder / "store.db-wal").unlink()


def log_cut(folder: Path) -> None:
    with (folder / "store.db-wal").open("r+b") as file:
        file.truncate(32 + 4120)


def log_spoiled(folder: Path) -> None:
    with (folder / "store.db-wal").open("r+b") as file:
        file.seek(40)
        file.write(b"\xff" * 64)


def older_copy(folder: Path) -> None:
    shutil.copy(folder / "older.db", folder / "store.db")
    for name in ("store.db-wal", "store.db-shm"):
        (folder / name).unlink(missing_ok=True)


def another_sites(folder: Path) -> None:
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(folder / "other" / "store.db", folder / "store.db")


def mark_spoiled(folder: Path) -> None:
    (folder / "store.db.mark").write_bytes(b"\xff{")


@pytest.mark.parametrize("harm", [log_lost, log_cut, log_spoiled, older_copy, another_sites, mark_spoiled])
async def test_an_older_store_is_told_until_somebody_says_that_it_counts(site: Path, harm: Any) -> None:
    (site.parent / "other").mkdir()
    (site.parent / "other" / "site.toml").write_text(CONFIG)
    await filled(site.parent / "other" / "site.toml", 8)
    await filled(site, 1)
    assert said("backup", "--config", site, site.parent / "older.db")[0] == 0
    await filled(site, 2, 3, end=signal.SIGKILL)
    harm(site.parent)
    for _ in range(2):  # it is told again after a restart
        async with starts(site) as gateway, logged_in(gateway.url) as client:
            assert "the store is not trusted" in await ready(gateway, client)
            await client.delete(item(1)["link_id"])
            await gateway.end()
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        status, out, _ = said("trust-store", "--config", site, "--url", gateway.url)
        assert (status, await ready(gateway, client)) == (0, ""), out
        await client.upsert(item(4))
        await gateway.end()
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await ready(gateway, client) == ""
        assert "Profile 4" in await names(client)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_store_that_lost_nothing_is_believed(site: Path, end: int) -> None:
    for number in range(3):
        await filled(site, number, end=end)
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await ready(gateway, client) == ""
        assert await names(client) == ["Profile 0", "Profile 1", "Profile 2"]


async def test_a_store_of_before_there_were_marks_gets_one(site: Path) -> None:
    await filled(site, 1)
    (site.parent / "store.db.mark").unlink()
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await ready(gateway, client) == ""
        await gateway.end()
    gone(site.parent)
    assert said("serve", "--config", site)[0] == REFUSED


# copies


async def test_a_restored_store_is_the_backup_and_nothing_else(site: Path) -> None:
    await filled(site, 1)
    copy = site.parent / "copy.db"
    assert said("backup", "--config", site, copy) == (0, f"{copy}\n", "")
    await filled(site, 2, end=signal.SIGKILL)
    status, out, err = said("restore", "--config", site, copy)
    assert (status, err) == (0, "")
    assert str(site.parent / "store.db.aside1") in out
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 1"]
        assert await ready(gateway, client) == ""
        await gateway.end()
    for name in ("store.db-wal", "store.db-shm", "store.db"):
        (site.parent / name).unlink(missing_ok=True)
        if (site.parent / name.replace("store.db", "store.db.aside1")).exists():
            (site.parent / name.replace("store.db", "store.db.aside1")).rename(site.parent / name)
    (site.parent / "store.db.mark").unlink()
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 1", "Profile 2"], "what was set aside is whole"


@pytest.mark.parametrize("harm", [empty, gone, cut_short])
async def test_a_lost_store_is_restored(site: Path, harm: Any) -> None:
    await filled(site, 1)
    copy = site.parent / "copy.db"
    assert said("backup", "--config", site, copy)[0] == 0
    harm(site.parent)
    assert said("restore", "--config", site, copy)[0] == 0
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 1"]


async def test_what_is_no_backup_is_not_restored(site: Path) -> None:
    await filled(site, 1)
    folder = site.parent
    assert said("backup", "--config", site, folder / "cut.db")[0] == 0
    with (folder / "cut.db").open("r+b") as file:
        file.truncate(4096 * 3)
    (folder / "notes.txt").write_text("mine")
    (folder / "empty.db").touch()
    before = (folder / "store.db").read_bytes()
    for name in ("cut.db", "notes.txt", "empty.db", "gone.db", "store.db", "."):
        status, _, err = said("restore", "--config", site, folder / name)
        assert (status, len(err.splitlines())) == (1, 1), name
    assert (folder / "store.db").read_bytes() == before
    assert not list(folder.glob("*aside*"))


async def test_nothing_is_restored_under_a_running_gateway(site: Path) -> None:
    async with starts(site) as gateway, logged_in(gateway.url) as client:
        await client.upsert(item(1))
        assert said("backup", "--config", site, site.parent / "copy.db")[0] == 0
        for command in (("restore", "--config", site, site.parent / "copy.db"), ("serve", "--new-store", "--config", site)):
            status, _, err = said(*command)
            assert status == 1
            assert "another gateway uses this store" in err
        await client.upsert(item(2))
        assert await names(client) == ["Profile 1", "Profile 2"]


async def test_a_backup_overwrites_nothing_that_it_did_not_make(site: Path) -> None:
    await filled(site, 1)
    folder = site.parent
    for name in ("notes.txt", "kept.db", "kept.db.1"):
        (folder / name).write_text("mine")
    for arguments in (["notes.txt"], ["notes.txt", "--keep", "3"], ["kept.db", "--keep", "2"]):
        status, _, err = said("backup", "--config", site, folder / arguments[0], *arguments[1:])
        assert (status, len(err.splitlines())) == (1, 1)
    assert all((folder / name).read_text() == "mine" for name in ("notes.txt", "kept.db", "kept.db.1"))
    assert said("backup", "--config", site, folder / "notes.txt", "--force")[0] == 0
    assert (folder / "notes.txt").read_bytes().startswith(b"SQLite")
    assert [each.name for each in folder.glob("*.new")] == []


async def test_a_timer_keeps_so_many_backups(site: Path) -> None:
    folder = site.parent
    for number in range(5):
        await filled(site, number)
        assert said("backup", "--config", site, folder / "copy.db", "--keep", "3")[0] == 0
    assert sorted(each.name for each in folder.glob("copy.db*")) == ["copy.db", "copy.db.1", "copy.db.2"]
    counts = []
    for name in ("copy.db", "copy.db.1", "copy.db.2"):
        with closing(sqlite3.connect(folder / name)) as copy:
            counts += copy.execute("SELECT count(*) FROM entity").fetchone()
    assert counts == [5, 4, 3]


# damage


@pytest.mark.parametrize("seed", range(5))
async def test_a_damaged_store_is_told_in_one_sentence(site: Path, seed: int) -> None:
    await filled(site, 1)
    path, chance = site.parent / "store.db", random.Random(seed)
    spoilt = bytearray(path.read_bytes())
    for _ in range(60):
        at = chance.randrange(len(spoilt) - 64)
        spoilt[at : at + 64] = chance.randbytes(64)
    path.write_bytes(spoilt)
    status, out, err = said("serve", "--config", site)
    assert (status, out, len(err.splitlines())) == (REFUSED, "", 1), err
    assert "`panel-gateway restore FILE`" in err


# a medium that takes nothing


class Disk:
    """A file system of 1 MiB that outlives the gateways on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        words = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && echo ready && exec sleep 600', str(folder))
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            self.close()
            pytest.skip("no file system can be mounted here")
        self.inside = ("nsenter", "-t", str(self._holder.pid), "-m", f"--wdns={Path.cwd()}")

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    def sh(self, script: str) -> None:
        subprocess.run([*self.inside, "sh", "-c", f"cd '{self.folder}' && {script}"], check=True, capture_output=True)

    def refuse(self, how: str) -> None:
        self.sh("mount -o remount,ro ." if how == "read-only" else "dd if=/dev/zero of=filler bs=1k || true")

    def take(self, how: str) -> None:
        self.sh("mount -o remount,rw ." if how == "read-only" else "rm filler")

    def starts(self, site: Path) -> Any:
        return run("serve", "--config", str(site), log=site.parent / "log", before=self.inside)


@pytest.fixture
def disk(site: Path) -> Iterator[Disk]:
    folder = site.parent / "disk"
    folder.mkdir()
    site.write_text(CONFIG.replace('"store.db"', f'"{folder}/store.db"'))
    disk = Disk(folder)
    yield disk
    disk.close()


async def until_ready(gateway: Running, client: Client) -> None:
    async with asyncio.timeout(30):
        while True:
            if not await ready(gateway, client):
                return
            await asyncio.sleep(0.1)


async def test_a_full_disk_takes_deletions(site: Path, disk: Disk) -> None:
    async with disk.starts(site) as gateway, logged_in(gateway.url) as client:
        for number in range(20):
            await client.upsert(item(number))
        found = await client.call("GET", "/gateway/v1/problems")
        assert "store_room_low" in [problem["code"] for problem in found["problems"]], "told before anything is refused"
        disk.refuse("full")
        bulky = [item(1000 + number) for number in range(400)]
        await client.call("POST", "/api/v1/access/timeprofile/items/link", {"list_items": bulky}, status=507)
        for number in range(19):
            (said,) = await client.delete(item(number)["link_id"])
            assert (said["extended_info"], said["success"]) == ("deleted", True), said
        await gateway.end(signal.SIGKILL)
    disk.take("full")
    async with disk.starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 19"]


@pytest.mark.parametrize(("how", "end"), [("full", signal.SIGTERM), ("read-only", signal.SIGTERM), ("read-only", signal.SIGKILL)])
async def test_a_gateway_starts_on_a_medium_that_takes_nothing(site: Path, disk: Disk, how: str, end: int) -> None:
    async with disk.starts(site) as gateway, logged_in(gateway.url) as client:
        await client.upsert(item(1))
        await client.upsert(item(2))
        await gateway.end(end)
    disk.sh("rm -f store.db.reserve")
    disk.refuse(how)
    async with disk.starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 1", "Profile 2"]
        assert "the store takes no writes" in await ready(gateway, client)
        assert await client.call("POST", "/api/v1/access/timeprofile/items/link", {"list_items": [item(3)]}, status=REFUSES[how])
        (said,) = await client.delete(item(1)["link_id"])
        assert (said["extended_info"], said["success"]) == ("deleted", False), said
        assert await names(client) == ["Profile 2"]
        disk.take(how)
        await until_ready(gateway, client)
        await client.upsert(item(4))
        await gateway.end(signal.SIGKILL)
    async with disk.starts(site) as gateway, logged_in(gateway.url) as client:
        assert await names(client) == ["Profile 2", "Profile 4"]
