"""What an operator types, in this process: copies of a store, a plan from a store as it lies there, models and checks."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from pathlib import Path

import pytest

from drivers.contract import IDENTIFIER
from gateway.__main__ import main
from gateway.cli.service import collect_rarely
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.identifiers.own_ids import new_own_id
from gateway.ops import logs
from gateway.store.contract import DesiredChange
from gateway.store.sqlite_schema import open_read_only
from gateway.store.sqlite_store import SqliteStore
from tests.support.plain_panel import PLAIN_DAYS
from tests.support.stores import create, link

SITE = """
[site]
timezone = "Europe/Kyiv"
[store]
path = "store.db"
[[users]]
name = "admin"
password = "not shown"
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "192.0.2.1"
port = 502
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
[[bindings]]
link_id = "*"
panels = ["lobby"]
"""
VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda level: None)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    path.chmod(0o600)
    return path


def fill(path: Path, *items: int | DesiredChange) -> None:
    """Ask a store, new or not, for these items; a number stands for a profile."""
    changes = [create(item) if isinstance(item, int) else item for item in items]

    async def asked() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.put_desired(changes, {}, 1.0)
        await store.close()

    asyncio.run(asked())


def held(path: Path) -> set[str]:
    return set(open_read_only(path).desired)


def test_a_backup_is_put_back_and_what_was_there_is_kept(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, copy = site.parent / "store.db", site.parent / "copy.db"
    fill(store, 1)
    assert main(["backup", "--config", str(site), str(copy)]) == 0
    fill(store, 2)
    assert main(["restore", "--config", str(site), str(copy)]) == 0
    assert held(store) == {link(1)}
    _, told = capsys.readouterr().out.splitlines()
    aside = Path(told.rpartition("; what was there is ")[2])
    assert held(aside) == {link(1), link(2)}
    assert main(["restore", "--config", str(site), str(copy), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["store"], answer["restored_from"]) == (str(store), str(copy))
    assert held(Path(answer["set_aside"])) == {link(1)}


def test_a_backup_replaces_a_file_only_where_it_is_told_to(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(site.parent / "store.db", 1)
    notes = site.parent / "notes.txt"
    notes.write_text("not a store")
    assert main(["backup", "--config", str(site), str(notes)]) == 1
    assert capsys.readouterr().err == f"{notes}: is there already; --force replaces it\n"
    assert main(["backup", "--config", str(site), str(notes), "--keep", "2"]) == 1
    assert notes.read_text() == "not a store"
    assert main(["backup", "--config", str(site), str(notes), "--force"]) == 0
    assert held(notes) == {link(1)}


def test_copies_are_kept_as_many_as_asked_for(site: Path) -> None:
    store, copy = site.parent / "store.db", site.parent / "copy.db"
    for number in range(1, 5):
        fill(store, number)
        assert main(["backup", "--config", str(site), str(copy), "--keep", "3"]) == 0
    kept = [copy, copy.with_name("copy.db.1"), copy.with_name("copy.db.2")]
    assert [len(held(path)) for path in kept] == [4, 3, 2]
    assert not copy.with_name("copy.db.3").exists()


def test_what_is_no_backup_is_not_restored(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, notes = site.parent / "store.db", site.parent / "notes.txt"
    fill(store, 1)
    notes.write_text("not a store")
    for given in (notes, site.parent / "none.db", store, site.parent / ("x" * 300)):
        assert main(["restore", "--config", str(site), str(given)]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"{given}: ")
        assert "restore a backup" not in said
        assert held(store) == {link(1)}


def test_a_whole_store_is_not_begun_anew(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = site.parent / "store.db"
    fill(store, 1)
    assert main(["serve", "--config", str(site), "--new-store"]) == 1
    assert capsys.readouterr().err.startswith(f"{store}: there is a whole store")
    assert held(store) == {link(1)}
    assert gc.isenabled()


def test_a_gateway_that_has_started_frees_what_nobody_needs_any_more() -> None:
    before = gc.get_threshold()
    gc.disable()  # as a start does
    try:
        collect_rarely()
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.set_threshold(*before)
        gc.unfreeze()


def test_a_changed_configuration_is_told_before_it_is_put_in_place(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = site.parent / "elsewhere" / "new.toml"
    new.parent.mkdir()
    text = SITE.replace('id = "lobby"', 'id = "loft"').replace('["lobby"]', '["loft"]').replace("port = 502", "port = 503")
    new.write_text(text.replace("not shown", "nor this").replace("[store]", "[http]\nport = 99\n[store]"))
    assert main(["diff", "--config", str(site), str(new)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "http.port: 99 instead of 8080 (needs a restart)",
        "users.admin.password: another one instead of another one",
        "lines.annex.panels.lobby: goes; erase first what lobby may hold",
        "lines.annex.panels.loft: comes",
        "lines.annex.port: 503 instead of 502",
        "bindings.*.panels: without lobby, with loft",
    ]
    fill(site.parent / "store.db", 1, 2, 3, 4)
    assert main(["diff", "--config", str(site), str(new)]) == 0
    profiles = "Work week, Work week, Work week and 1 more"
    assert capsys.readouterr().out.splitlines()[-2:] == [f"lobby: no longer gets {profiles}", f"loft: gets {profiles}"]
    both = site.parent / "both.toml"
    both.write_text(SITE.replace('["lobby"]', '["lobby", "lobby:0"]'))
    assert main(["diff", "--config", str(site), str(both)]) == 0
    assert capsys.readouterr().out.splitlines() == ["bindings.*.panels: with lobby:0", f"lobby:0: gets {profiles}"]
    assert main(["diff", "--config", str(site), str(both), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "changes": ["bindings.*.panels: with lobby:0"],
        "panels": [{"panel": "lobby:0", "no_longer": [], "gets": ["Work week"] * 4}],
    }
    assert main(["diff", "--config", str(site), str(site)]) == 0
    assert capsys.readouterr().out == "nothing changes\n"
    assert main(["diff", "--config", str(site), str(site), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"changes": [], "panels": []}
    new.write_text(SITE.replace("open-access-panel", "open-acess-panel"))
    assert main(["diff", "--config", str(site), str(new)]) == 1
    assert "did you mean 'open-access-panel'?" in capsys.readouterr().err


def test_a_card_without_a_name_is_told_by_its_number_and_a_difference_without_a_store_says_so(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = Identifier(new_own_id(), "card", Number("card", "4711"), "all")
    body = {"identifier_owner": {"name": "", "type": "owner"}, "identifier_type": "card", "identifier_number": "4711"}
    new = site.parent / "new.toml"
    new.write_text(SITE.replace('["lobby"]', '["lobby:0"]'))
    assert main(["diff", "--config", str(site), str(new)]) == 0
    assert "there is no store yet" in capsys.readouterr().err
    assert main(["diff", "--config", str(site), str(new), "--json"]) == 0
    said = capsys.readouterr()
    assert (json.loads(said.out)["panels"], "there is no store yet" in said.err) == (None, True)
    fill(site.parent / "store.db", DesiredChange(card.link_id, 0, card, json.dumps(body), IDENTIFIER))
    assert main(["diff", "--config", str(site), str(new)]) == 0
    said = capsys.readouterr()
    assert (said.out.splitlines()[-1], said.err) == ("lobby: no longer gets card 4711", "")


def test_a_difference_names_a_webhook_by_its_host_since_its_url_may_be_a_secret(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.parent / "key").write_text("hunter2\n")

    def hooked(name: str, *urls: str) -> Path:
        file = site.parent / name
        hooks = [f'\n[[webhooks]]\nurl = "{url}"\nsecret_file = "key"\n' for url in urls]
        file.write_text(site.read_text() + "".join(hooks))
        return file

    old = hooked("old.toml", "https://one.example/?key=hunter2")
    new = hooked("new.toml", "https://one.example/?key=hunter3", "https://two.example/hunter2")
    assert main(["diff", "--config", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert "webhooks.one.example.url: another one instead of another one\nwebhooks.two.example: comes" in said
    assert "hunter" not in said


def test_a_plan_tells_what_a_request_would_do_and_does_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, request = site.parent / "store.db", VECTORS / "examples.json"
    fill(store, 1)
    assert main(["plan", "--config", str(site), str(request)]) == 0
    text = capsys.readouterr().out
    assert "Work week: new, every Mon-Fri 09:00-18:00 from 2026-11-02\n  lobby: exact" in text
    assert re.search(r"(?m)^lobby: \d+ words, 1 commit of annex$", text)
    assert main(["plan", "--config", str(site), str(request), "--frames", "--exit-code"]) == 0
    assert re.search(r"(?m)^  [0-9A-F]{16,}$", capsys.readouterr().out)
    assert main(["plan", "--config", str(site), "--json", "--panels", "lobby", str(request)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {panel["panel"] for panel in report["panels"]} == {"lobby"}
    assert {item["panels"][0]["outcome"] for item in report["items"]} == {"exact", "materialised"}
    assert held(store) == {link(1)}


def test_a_plan_beside_no_store_says_that_nothing_is_known_of_a_site(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--config", str(site), str(VECTORS / "examples.json")]) == 0
    said = capsys.readouterr()
    assert said.err == (
        f"{site.parent / 'store.db'}: there is no store yet, this is the plan of a site where nothing is asked for\n"
    )
    assert "Work week: new" in said.out
    fill(site.parent / "store.db")
    assert main(["plan", "--config", str(site), str(VECTORS / "examples.json")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--panels", "attic", "examples.json"], "panels: attic: no such panel, output or group"),
        (["--panels", "loby", "examples.json"], "panels: loby: no such panel, output or group; did you mean 'lobby'?"),
        (["--panels", "lobby:99", "examples.json"], "panels: lobby:99: no such panel, output or group; lobby has no such output"),
        (["none.json"], "No such file or directory"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why(
    site: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    fill(site.parent / "store.db")
    assert main(["plan", "--config", str(site), *arguments[:-1], str(VECTORS / arguments[-1])]) == 1
    assert capsys.readouterr().err == f"{VECTORS / arguments[-1]}: {told}\n"


def test_a_plan_for_no_panel_is_not_one_for_those_that_are_bound(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(site.parent / "store.db")
    assert main(["plan", "--config", str(site), "--panels", ",", str(VECTORS / "examples.json")]) == 1
    assert capsys.readouterr() == ("", "--panels: expected panels such as lobby, gate:3 or @doors, got ','\n")


def test_a_request_that_cannot_be_read_is_told_with_its_place(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = site.parent / "request.json"
    request.write_text('{"list_items": [{"link_id": 7}]}')
    fill(site.parent / "store.db")
    assert main(["plan", "--config", str(site), str(request)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{request}: list_items[0].link_id: expected ")
    assert "Wrong JSON body" not in said, "the vendor's text is for clients of the vendor"


def test_a_check_counts_and_warns(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(site)]) == 0
    warned, counted = capsys.readouterr().out.splitlines()
    assert "warning: users[0].password: stands in the file as it is typed" in warned
    assert counted == "no mistakes: 1 line, 1 panel, 1 binding rule"
    site.write_text(SITE.replace("not shown", "admin"))
    assert main(["check", "--config", str(site)]) == 0
    capsys.readouterr()
    site.write_text(SITE.replace("port = 502", "port = 502\nparity = 'even'"))
    assert main(["check", "--config", str(site), "--strict", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["mistakes"], report["lines"], report["panels"]) == ([], 1, 1)
    assert [warning.partition(":")[0] for warning in report["warnings"]] == ["users[0].password", "lines[0].parity"]
    site.write_text(SITE.replace('panels = ["lobby"]', 'panels = ["lobby", "lobby"]'))
    assert main(["check", "--config", str(site)]) == 0
    assert "bindings[0].panels: 'lobby' stands there more than once and counts once" in capsys.readouterr().out


def test_a_check_shows_which_door_is_whose_lock(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (panel,) = [line.split('"')[1] for line in SITE.splitlines() if line.startswith("  id = ")]
    numbered, nameless = ("front", "number = 3\n"), ("cellar", "sensor = 2\npulse_s = 10\n")
    doors = [
        f'[[doors]]\nid = "{name}"\npanel = "{panel}"\noutput = {output}\n{more}'
        for output, (name, more) in enumerate((numbered, nameless))
    ]
    site.write_text(SITE + "".join(doors))
    assert main(["check", "--config", str(site)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said[:3]] == [
        ["door", "number", "panel", "output", "lock", "pulse_s"],
        ["front", "3", panel, "0", "first", "5"],
        ["cellar", "-", panel, "1", "-", "10"],
    ]
    assert any(f"warning: doors[1].sensor: {panel} has no input 2" in line for line in said[3:])
    assert main(["check", "--config", str(site), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["doors"]
    assert told[0] == {"id": "front", "number": 3, "panel": panel, "output": 0, "lock": "first", "pulse_s": 5}


def test_models_are_listed_with_those_of_the_site(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site.parent / "models").mkdir()
    own = site.parent / "models" / "plain.toml"
    own.write_text(PLAIN_DAYS)
    site.write_text(SITE.replace('timezone = "Europe/Kyiv"', 'models_dir = "models"'))
    assert main(["models", "--config", str(site), "--json"]) == 0
    assert {"plain-days", "ge-a-series"} <= {row["name"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert main(["models"]) == 0
    assert "plain-days" not in capsys.readouterr().out
    assert main(["models", "check", str(own)]) == 0
    assert capsys.readouterr().out == f"{own}: no mistakes, 1 golden vector holds\n"
    own.write_text(PLAIN_DAYS.replace("021C", "021D"))
    assert main(["models", "check", str(own)]) == 1
    assert capsys.readouterr().err == f"{own}: vectors[0] (Monday 09:00-18:00): address 100: expected 021D, got 021C\n"
    assert main(["models", "check", "--json", str(own)]) == 1
    assert len(json.loads(capsys.readouterr().out)["mistakes"]) == 1
