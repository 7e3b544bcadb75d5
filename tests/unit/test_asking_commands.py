"""What an operator types to a running gateway, both in this process: the answers of every command that asks."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from config.api_keys import key_hash, new_key
from config.loader import load_settings
from config.nearest import there_are
from drivers.clock import SystemClock
from gateway.__main__ import main
from gateway.app import Gateway
from gateway.cli import status
from gateway.ops import logs
from tests.support.processes import PROGRAM
from tests.support.stores import link

VECTORS = Path(__file__).parents[1] / "vectors"
TLS = VECTORS / "tls"
SITE = """
[http]
port = 0
[store]
path = "store.db"
[[users]]
name = "admin"
password = "right one"
[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = 9
  [[lines.panels]]
  id = "door"
  model = "open-access-panel"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


@asynccontextmanager
async def serving(site: Path) -> AsyncIterator[str]:
    gateway = Gateway(load_settings(site), site, SystemClock())
    try:
        yield await gateway.start()
    finally:
        await gateway.stop()


class Typed:
    """Types a command against `site`; its status, and what it said."""

    def __init__(self, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._site, self._capsys = site, capsys

    async def __call__(self, command: str, *arguments: str) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, [command, "--config", str(self._site), *arguments])
        said = self._capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def typed(site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setattr(logs, "configure", lambda level: None)  # the gateway's records would be the command's words
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # handlers of earlier tests would tell of their closed streams
    return Typed(site, capsys)


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_the_status_of_a_panel_that_cannot_be_reached(site: Path, typed: Typed) -> None:
    async with serving(site) as url:
        status, out, _ = await typed("status")
        head, row, *_ = out.splitlines()
        assert (status, head.split()[:3], row.split()[:2]) == (0, ["panel", "line", "state"], ["door", "annex"])
        status, out, _ = await typed("status", "door", "--json", "--url", url)
        assert (status, [panel["id"] for panel in json.loads(out)["panels"]]) == (0, ["door"])
        status, _, err = await typed("status", "attic")
        assert (status, err) == (1, f"{site.parent}/store.db: attic: no such panel, output or group (there are door)\n")
        status, _, err = await typed("status", "dor")
        assert err.endswith("dor: no such panel, output or group; did you mean 'door'?\n")
        assert (await typed("status", "--exit-code"))[0] == 3


PROFILE = {
    "link_id": "91c615e3-1040-4815-8ecb-000000000009",
    "name": "Work week",
    "time_options": {"is_all_day": False, "date_from": 1793610000, "date_to": 1793642400},
    "repeat_options": {"repeat_enable": True, "repeat_format": {"repeat_type": "day", "repeat_end": {"format": "never"}}},
}
DOORS = """
[[doors]]
id = "front"
name = "Front door"
panel = "door"
output = 0
"""


async def test_who_moves_a_door_in_vain_is_told_what_became_of_it_and_where_to_look(site: Path, typed: Typed) -> None:
    write(site, SITE + DOORS)
    async with serving(site):
        for command, done in (("open", "opened"), ("hold", "held open"), ("release", "released")):
            status, out, err = await typed(command, "front", *(["5"] if command == "hold" else []))
            assert (status, out, err.startswith(f"Front door: not {done}, nothing was sent: ")) == (1, "", True), err
            assert err.endswith("; `panel-gateway status door` shows more\n")


async def test_a_name_that_nothing_has_is_answered_with_those_that_there_are(site: Path, typed: Typed) -> None:
    async with serving(site):
        assert there_are(map(str, range(12))).endswith(" 9 and 2 more)")
        assert (await typed("lines", "attic"))[2] == "attic: no such line (there are annex)\n"
        assert (await typed("lines", "door"))[2] == "door: no such line; it is a panel of the line annex\n"
    write(site, SITE + "".join(f'[[doors]]\nid = "way-{n}"\npanel = "door"\noutput = {n}\n' for n in range(8)))
    async with serving(site):
        assert (await typed("who", "attic"))[2].endswith(" (there are way-0, way-1, way-2, way-3, way-4, way-5, way-6, way-7)\n")


async def test_what_a_panel_has_nothing_to_do_with_or_was_never_seen_to_hold_is_not_explained_as_held(
    site: Path, typed: Typed, tmp_path: Path
) -> None:
    write(site, SITE + '  [[lines.panels]]\n  id = "spare"\n  model = "open-access-panel"\n  unit = 2\n')
    request = tmp_path / "request.json"
    write(request, json.dumps({"list_items": [PROFILE]}))
    async with serving(site):
        await typed("apply", str(request))
        await typed("bindings", "set", "Work week", "door")
        assert (await typed("people", "show", "work"))[2] == "work: no person is called that, but a time profile is\n"
        for panel, said in (
            ("door", "open by its table (what the panel holds is not known)"),
            ("spare", "not bound to this panel"),
        ):
            status, out, _ = await typed("explain", "Work week", panel, "2026-11-30 09:30")
            assert (status, out.splitlines()[1:]) == (0, [f"  {panel}: {said}"])


async def test_a_time_profile_of_an_output_opens_no_door_at_another_output_of_the_panel(
    site: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = {"number": None, "panel": "gate", "state": "closed", "held_by": None, "last_event_at": None}
    held = {"panel": "gate:3", "compiled": True, "held": True, "differs_at": None, "message": None}
    unseen, closed = {**held, "panel": "gate:5", "held": None}, {**held, "panel": "gate:6", "held": False}
    answers = {
        "/gateway/v1/doors": {"doors": [{**door, "id": f"gate-{n}", "name": f"Gate {n}", "output": n} for n in (0, 3, 5, 6)]},
        "/gateway/v1/explain": {"asked": True, "panels": [held, unseen, closed]},
        "/api/v1/access/timeprofile/items/list": {"list_items": [{**PROFILE, "uid": 1, "identifiers": {"uid_items": []}}]},
        "/api/v1/access/identifier/items/list": {"list_items": []},
        "/gateway/v1/deleted": {"items": []},
    }

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode().partition("?")[0]
        body = json.dumps(answers[path])
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()
        await writer.wait_closed()

    monkeypatch.setenv("PANEL_GATEWAY_API_KEY", "any")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        status, out, _ = await typed("where", "Work week", "--url", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (status, out.splitlines()[-2].split()) == (0, ["Gate", "3", "gate"])
    assert out.splitlines()[-1].split(None, 3) == ["Gate", "5", "gate", "it is not known what the panel holds"]
    assert "may open 2 doors\n" in out


SECRETS = """
[[users]]
name = "night"
password_file = "password"
[[webhooks]]
url = "http://127.0.0.1:9/x"
secret_file = "secret"
[manager]
is_enabled = true
url = "http://127.0.0.1:9"
password_file = "of-manager"
[http.tls]
certificate = "first.pem"
key = "first.key"
"""


async def test_a_doctor_names_each_file_of_a_secret_that_is_gone_or_holds_none_until_it_is_back(site: Path, typed: Typed) -> None:
    files = [site.parent / name for name in ("password", "secret", "of-manager")]
    for file in files:
        write(file, "a secret\n")
    for name in ("first.pem", "first.key"):
        shutil.copy(TLS / name, site.parent)
    write(site, SITE + SECRETS)

    async def found() -> list[str]:
        _, out, _ = await typed("doctor", "--json")
        return [each["text"] for each in json.loads(out)["problems"] if each["code"] == "secret_not_readable"]

    async with serving(site):
        assert await found() == []
        files[0].unlink()
        write(files[1], "\n")
        files[2].unlink()
        files[2].mkdir()
        write(site.parent / "first.key", "")
        (text,) = await found()
        for said in (
            f"users[1].password_file: there is no file {files[0]}; it must hold the password, on one line",
            f"webhooks[0].secret_file: {files[1]} must hold one line, the secret",
            f"manager.password_file: {files[2]} is not readable: Is a directory",
            f"http.tls.key: {site.parent / 'first.key'} is empty",
        ):
            assert said in text
        files[2].rmdir()
        for file in files:
            write(file, "another secret\n")
        shutil.copy(TLS / "first.key", site.parent)
        assert await found() == []


async def test_a_doctor_tells_what_is_wrong_and_what_to_do(site: Path, typed: Typed) -> None:
    async with serving(site):
        found: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while "panel_away" not in found:
                status, out, _ = await typed("doctor", "--json", "--exit-code")
                found = {problem["code"]: problem for problem in json.loads(out)["problems"]}
        assert (status, found["panel_away"]["panel"], found["panel_away"]["line"]) == (3, "door", "annex")
        assert "(no connection to 127.0.0.1 port 9: Connection refused)" in found["panel_away"]["text"]
        status, out, _ = await typed("doctor")
        assert status == 0
        assert out.startswith("ERROR panel_away, since ")
        assert "  $ panel-gateway status door\n" in out
    status, out, _ = await typed("doctor", "--exit-code")
    assert (status, out.splitlines()[0]) == (3, "ERROR gateway_not_running")
    (site.parent / "store.db").write_text("no store")
    assert (await typed("doctor"))[1].splitlines()[0] == "ERROR store_refused"


async def test_each_verb_is_passed_on_or_refused_with_its_reason(site: Path, typed: Typed) -> None:
    async with serving(site):
        for verb in ("sync", "reinit", "retry", "erase"):
            assert await typed(verb, "door") == (0, f"door: {verb} asked for\n", "")
        status, out, _ = await typed("sync", "door", "--json")
        assert (status, json.loads(out)) == (0, {"panel": "door", "action": "sync"})
        for verb, arguments in (("accept", ["door"]), ("accept", ["door", "--slots"]), ("forget", ["door"])):
            status, out, err = await typed(verb, *arguments)
            assert (status, out, err.splitlines()[0].startswith(f"{site.parent}/store.db: ")) == (1, "", True)


class Terminal(io.StringIO):
    """Somebody types at it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("verb", ["erase", "reinit"])
async def test_who_types_at_a_terminal_is_asked_before_a_panel_lets_nobody_in(
    site: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    async with serving(site):
        for answer in ("n\n", "\n", "yess\n", ""):
            monkeypatch.setattr(sys, "stdin", Terminal(answer))
            status, out, err = await typed(verb, "door")
            assert (status, out, err.splitlines()[-1].endswith("door: left as it is")) == (1, "", True)
        monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
        status, out, err = await typed(verb, "door")
        assert (status, out) == (0, f"door: {verb} asked for\n")
        assert "door is erased, and lets nobody in" in err
        monkeypatch.setattr(sys, "stdin", Terminal(""))
        assert await typed(verb, "door", "--yes") == (0, f"door: {verb} asked for\n", "")


async def deny(url: str, number: int) -> None:
    """An event for who follows: nobody is let in at a door."""
    user = {"Authorization": aiohttp.encode_basic_auth("admin", "right one")}
    async with aiohttp.ClientSession(headers=user, raise_for_status=True) as session:
        await session.get(f"{url}/api/v1/access/general/lock/open/remote/denied/{number}")


@pytest.mark.long
@pytest.mark.parametrize(("end", "status"), [("interrupt", 130), ("reader", 1), ("gateway", 1)])
async def test_who_follows_events_sees_the_latest_and_each_as_it_happens_until_an_end(
    site: Path, tmp_path: Path, end: str, status: int
) -> None:
    asked = ("events", "--follow", "--json", "--kinds", "access_denied_by_remote_server_api_call", "--last", "1")
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as told, (tmp_path / "log").open("wb") as log:
        async with serving(site) as url, asyncio.timeout(30):
            for number in (1, 2):
                await deny(url, number)
            command = (*PROGRAM, *asked, "--config", str(site), "--url", url)
            heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background is begun without
            following = await asyncio.create_subprocess_exec(*command, stdout=writing, stderr=log, preexec_fn=heeding)
            os.close(writing)
            assert json.loads(await asyncio.to_thread(told.readline))["lock"] == 2
            await deny(url, 3)
            assert json.loads(await asyncio.to_thread(told.readline))["lock"] == 3
            if end == "interrupt":
                following.send_signal(signal.SIGINT)
            elif end == "reader":
                told.close()
                await deny(url, 4)
            if end != "gateway":
                assert await following.wait() == status
        assert await following.wait() == status
    complaints = [line.partition("//")[2].partition(": ")[2] for line in (tmp_path / "log").read_text().splitlines()]
    assert complaints == (["the gateway tells no more events"] if end == "gateway" else [])


async def test_bytes_of_a_terminal_that_are_no_text_are_a_name_that_nothing_has(site: Path, typed: Typed) -> None:
    async with serving(site):
        for command in (["status", "\udcff"], ["sync", "\udcff"], ["explain", "\udcff"], ["events", "--kinds", "\udcff"]):
            status, out, err = await typed(*command)
            assert (status, out, len(err.splitlines())) == (1, "", 1), command


ODD_ANSWERS: Mapping[str, tuple[str, str]] = {
    "{}": ("200 OK", "does not understand the answer (panels: Field required): another release runs there"),
    "[]": ("200 OK", "does not understand the answer (the answer: Input should be a dictionary"),
    "null": ("200 OK", "does not understand the answer (the answer: Input should be a dictionary"),
    '{"panels": [{"id": 7}]}': ("200 OK", "does not understand the answer (panels.0.id: Input should be a valid string)"),
    "[" * 100_000: ("200 OK", "no gateway answers there (nested too deeply)"),
    "<html>": ("502 Bad Gateway", ": status 502"),
}


@pytest.mark.parametrize("body", ODD_ANSWERS, ids=lambda body: str(body[:6]))
async def test_an_answer_of_another_release_or_another_server_is_told_as_one(
    body: str, site: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told = ODD_ANSWERS[body]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {code}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()
        await writer.wait_closed()

    monkeypatch.setenv("PANEL_GATEWAY_API_KEY", "any")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        status, out, err = await typed("status", "--url", url)
    assert (status, out, len(err.splitlines()), told in err, err.startswith(url)) == (1, "", 1, True, True), err


async def test_a_defect_of_a_command_is_told_as_one_and_blamed_on_no_other_release(
    site: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(site):
        monkeypatch.delattr(status, "moment")
        ended, out, err = await typed("status")
    told = err.splitlines()[-1]
    assert (ended, out, "Traceback" in err) == (1, "", False)
    assert "has a defect, please report it: NameError" in told
    assert "status.py line " in told


async def test_a_reload_tells_what_changed_or_every_mistake(site: Path, typed: Typed) -> None:
    async with serving(site):
        assert await typed("reload") == (0, "nothing changed\n", "")
        write(site, SITE + "  timeout_ms = 200\n")
        assert await typed("reload") == (0, "panel door changed\n", "")
        status, out, _ = await typed("reload", "--json")
        assert (status, json.loads(out)["changes"]) == (0, [])


async def test_a_clock_is_vouched_for_only_by_somebody_who_says_so(
    site: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(site):
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
        status, _, err = await typed("trust-clock")
        assert (status, err.splitlines()[-1]) == (1, "this asks a question: run it on a terminal, or with --yes")
        status, out, _ = await typed("trust-clock", "--yes")
        assert (status, out.startswith("trusted until the host boots or its clock is set: ")) == (0, True)
        status, out, _ = await typed("trust-clock", "--yes", "--json")
        assert (status, json.loads(out)["clock"]["source"]) == (0, "operator")


async def test_who_restores_under_a_running_gateway_is_told_to_stop_it(site: Path, typed: Typed, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.db")
    async with serving(site):
        assert (await typed("backup", copy))[0] == 0
        status, out, err = await typed("restore", copy)
    assert (status, out, err.endswith(": stop it first (systemctl stop panel-gateway)\n")) == (1, "", True), err


async def test_a_store_that_is_trusted_anyway_may_be_trusted_again(site: Path, typed: Typed) -> None:
    async with serving(site) as url:
        assert await typed("trust-store", "--url", url) == (0, f"the store of {url}: trusted from now on\n", "")
        assert await typed("trust-store") == (0, f"{site.parent}/store.db: trusted from now on\n", "")
        status, out, err = await typed("trust-store", "--json")
        assert (status, json.loads(out)["trusted"], err) == (0, True, "")


async def test_a_plan_at_a_url_goes_by_what_the_gateway_there_knows(site: Path, typed: Typed, tmp_path: Path) -> None:
    """It names what a plan by that gateway's store names, also where that store is not there, and knows which panel is away."""
    bound = SITE + '[[bindings]]\nlink_id = "*"\npanels = ["door"]\n'
    write(site, bound)
    hours = json.loads((VECTORS / "examples.json").read_bytes())["list_items"][0]
    other = {**hours, "link_id": link(2), "name": "Cleaning"}
    card = {"link_id": link(3), "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"}, "identifier_type": "card"}
    card |= {"identifier_number": "4711", "lock": "first", "time_profiles": {"link_ids": [hours["link_id"], link(2)]}}
    later = {"time_options": {**hours["time_options"], "date_to": hours["time_options"]["date_to"] - 3600}}
    requests = {
        "made": {"list_items": [hours, other, card]},
        "changed": {"list_items": [{**hours, **later}, card, {**card, "link_id": link(4), "identifier_number": "4712"}]},
        "deleted": {"link_ids": [hours["link_id"], link(9)]},
    }
    for name, body in requests.items():
        write(tmp_path / name, json.dumps(body))
    async with serving(site) as url:
        assert (await typed("plan", str(tmp_path / "made"), "--url", url))[1].startswith(f"{hours['name']}: new, ")
        assert (await typed("apply", str(tmp_path / "made")))[0] == 1, "the panel is away"
        changed = await typed("plan", str(tmp_path / "changed"), "--url", url)
        assert changed == await typed("plan", str(tmp_path / "changed"))
        assert " instead of " in changed[1].splitlines()[0]
        said = await typed("plan", str(tmp_path / "deleted"), "--url", url)
        assert said[1].splitlines()[1].startswith("  door: pending (bus_unavailable; no connection to 127.0.0.1 port 9: ")
        assert said[1].splitlines()[2:] == (await typed("plan", str(tmp_path / "deleted")))[1].splitlines()[2:]
        assert said[1].splitlines()[2] == "  Sherlock Holmes keeps Cleaning"
        write(site, bound.replace('"store.db"', '"elsewhere.db"'))
        assert await typed("plan", str(tmp_path / "deleted"), "--url", url) == said
        status, out, _ = await typed("plan", str(tmp_path / "deleted"), "--url", url, "--json")
        assert (status, [each["change"] for each in json.loads(out)["items"]]) == (1, ["deleted", "entity_not_found"])
        status, out, err = await typed("plan", str(tmp_path / "made"), "--url", url, "--panels", "dor")
        assert (status, out, err) == (
            1,
            "",
            f"{url}: panels: dor: no such panel, output or group; did you mean 'door'?\n",
        )
        write(tmp_path / "wrong", '{"link_ids": [7]}')
        status, _, err = await typed("plan", str(tmp_path / "wrong"), "--url", url)
        assert (status, err.startswith(f"{tmp_path / 'wrong'}: link_ids[0]: ")) == (1, True)
    assert (await typed("plan", str(tmp_path / "made"), "--url", url))[0] == 1


async def test_a_wrong_password_and_an_absent_gateway_are_told(site: Path, typed: Typed) -> None:
    async with serving(site) as url:
        write(site, SITE.replace("right one", "wrong one"))
        status, _, err = await typed("status", "--url", url)
        assert (status, err.startswith(f"{url}: ")) == (1, True)
        write(site, SITE.replace('name = "admin"\npassword = "right one"', "").replace("[[users]]", ""))
        assert await typed("status", "--url", url) == (1, "", "users: the configuration has no user to log in as\n")
    status, _, err = await typed("reload")
    assert (status, err.startswith(f"{site.parent}/store.db: no gateway of this store answers (")) == (1, True)


async def test_a_command_asks_by_tls_and_only_whom_it_trusts(site: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    with site.open("a") as file:
        file.write(f'[http.tls]\ncertificate = "{TLS}/first.pem"\nkey = "{TLS}/first.key"\n')
        file.write(f'[[api_keys]]\nname = "script"\nhash = "{key_hash(key)}"\nrole = "viewer"\n')
    monkeypatch.setenv("PANEL_GATEWAY_API_KEY", key)
    async with serving(site) as url:
        status, out, _ = await typed("status", "--json", "--url", url, "--ca", f"{TLS}/first.pem")
        assert (status, json.loads(out)["panels"][0]["id"]) == (0, "door")
        for more in ((), ("--ca", f"{TLS}/second.pem")):
            status, _, err = await typed("status", "--url", url, *more)
            assert (status, "its certificate is not trusted: " in err) == (1, True)
        status, _, err = await typed("status", "--url", url, "--ca", f"{TLS}/first.key")
        assert (status, err) == (1, f"--ca: {TLS}/first.key holds no certificate in PEM\n")
        status, _, err = await typed("reload", "--url", url, "--ca", f"{TLS}/first.pem")
        assert (status, err) == (1, f"{url}: Administrator rights required\n")
