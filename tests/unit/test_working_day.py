"""What an operator types in a working day, and what the gateway and its panels say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.applying import apply
from gateway.cli.client import running
from gateway.cli.options import Asked
from simulators.open_access_panel import OpenAccessPanel
from tests.support.terminal import on_a_terminal
from tests.support.working_day import EXAMPLES, PERSON, WORK_WEEK, Day, day

KINDS_OF_READING = "access_granted_by_valid_identifier,access_denied_by_not_valid_identifier"
SHORTER = {**WORK_WEEK, "time_options": {**WORK_WEEK["time_options"], "date_to": WORK_WEEK["time_options"]["date_to"] - 3600}}


@pytest.fixture
async def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Day]:
    async with day(tmp_path, capsys, monkeypatch) as site:
        yield site


async def test_a_request_file_is_planned_done_and_explained_in_words(typed: Day) -> None:
    both = typed.request({"list_items": [PERSON, WORK_WEEK]})
    assert (await typed("apply", both, "--wait"))[:2] == (
        0,
        "Work week: created, taken by 1 of 1 panel\nSherlock Holmes: created, taken by 1 of 1 panel\n",
    )
    changed = typed.request({"list_items": [SHORTER]})
    status, out, _ = await typed("plan", changed)
    assert (status, out.splitlines()[0]) == (0, "Work week: closes 17:00 instead of 18:00")
    status, out, _ = await typed("explain", "work week", "lobby", "mon", "17:30")
    assert (status, " as asked it is open\n  lobby: holds what was asked, open" in out) == (0, True)
    assert (await typed("apply", changed))[0] == 0
    status, out, _ = await typed("explain", "12345678", "lobby", "mon", "17:30")
    assert out.startswith("Sherlock Holmes (card 12345678) at Monday ")
    assert "  lobby: holds what was asked, closed" in out
    status, _, err = await typed("explain", "Sherlok Holmes")
    assert (status, err) == (1, "Sherlok Holmes: no time profile or person is called that; did you mean 'Sherlock Holmes'?\n")
    status, _, err = await typed("explain", "work week", "lobby", "frday", "18:30")
    assert (status, "did you mean 'friday'?" in err) == (1, True)
    assert "no panel" not in err


async def test_deletions_of_a_file_are_done_and_what_is_unknown_is_said(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, PERSON]})))[0] == 0
    gone = typed.request({"link_ids": [PERSON["link_id"], WORK_WEEK["link_id"]]})
    status, out, _ = await typed("apply", gone)
    assert (status, out.splitlines()) == (
        0,
        ["Sherlock Holmes (card 12345678): deleted, taken by 1 of 1 panel", "Work week: deleted, taken by 1 of 1 panel"],
    )
    status, out, _ = await typed("apply", gone)
    assert status == 1
    assert [line.partition(": ")[2] for line in out.splitlines()] == ["not there, nothing is deleted"] * 2


def unexpected(_: float) -> None:
    raise AssertionError("somebody waits for a panel that is away")


async def test_who_waits_for_a_change_waits_for_no_panel_that_is_away(typed: Day) -> None:
    typed.off("lobby")
    asked = Asked(typed.folder / "site.toml", None, as_json=False)
    request = Path(typed.request({"list_items": [WORK_WEEK]}))
    assert (await typed("sync", "lobby"))[0] == 0
    await typed.until("lobby", "away")
    assert await asyncio.to_thread(apply, asked, request, wait=True, pause=unexpected) == 1
    said = typed.capsys.readouterr()
    assert said.out.splitlines()[0] == "Work week: created, taken by 0 of 1 panel"
    assert said.out.splitlines()[1] == "  lobby: pending, quarantined: no reply"
    assert said.err == "lobby is away: the gateway goes on trying\n"
    typed.on("lobby")
    await typed.until("lobby", "in_sync")
    assert (await typed("apply", str(request), "--wait"))[:2] == (0, "Work week: updated, taken by 1 of 1 panel\n")


async def test_who_waits_is_not_told_of_a_person_as_taken_where_the_panel_lacks_the_time_profile(typed: Day) -> None:
    both = {"list_items": [WORK_WEEK, PERSON]}
    assert (await typed("apply", typed.request(both), "--wait"))[0] == 0
    typed.off("lobby")
    assert (await typed("apply", typed.request({"link_ids": [WORK_WEEK["link_id"]]})))[0] == 1
    await typed.until("lobby", "away")
    status, out, _ = await typed("apply", typed.request(both), "--wait")
    assert (status, out.count("taken by 0 of 1 panel"), out.count("  lobby: pending, ")) == (1, 2, 2)


async def test_who_waits_for_a_deletion_is_told_of_a_panel_that_has_left_with_what_is_deleted(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK]}), "--wait"))[0] == 0
    typed.off("lobby")
    config = typed.folder / "site.toml"
    config.write_text(config.read_text().replace('"lobby"', '"loft"'))
    assert (await typed("reload"))[0] == 0
    status, out, err = await typed("apply", typed.request({"link_ids": [WORK_WEEK["link_id"]]}), "--wait")
    assert (status, out.partition("\n")[0]) == (1, "Work week: deleted, taken by 0 of 2 panels"), err
    assert "\n  lobby: pending, departed: lobby is no longer configured" in out
    again = await typed("apply", typed.request({"link_ids": [WORK_WEEK["link_id"]]}))
    assert again[1].splitlines()[0] == out.splitlines()[0], "it is still called by its name"


async def test_a_panel_with_many_people_lets_them_in_again_right_after_it_was_erased(typed: Day) -> None:
    """Each slot that goes is a write to its storage."""
    link_id = str(PERSON["link_id"])
    people = [{**PERSON, "link_id": f"{link_id[:-2]}{number:02}", "identifier_number": str(number)} for number in range(1, 31)]
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, *people]}), "--wait"))[0] == 0
    status, out, err = await typed("reinit", "lobby", "--yes", "--wait")
    assert (status, out) == (0, "lobby: reinit done, it holds 31 of 31 items\n"), err


async def test_a_deletion_is_planned_with_what_no_longer_opens_and_who_loses_it(typed: Day) -> None:
    week, holmes, other = WORK_WEEK["link_id"], str(PERSON["link_id"]), EXAMPLES[0]
    watson = {
        **PERSON,
        "link_id": f"{holmes[:-1]}2",
        "identifier_number": "7",
        "identifier_owner": {"name": "Watson", "type": "owner"},
        "time_profiles": {"link_ids": [week, other["link_id"]]},
    }
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, other, PERSON, watson]}), "--wait"))[0] == 0
    gone = typed.request({"link_ids": [week, week.upper()]})
    status, out, _ = await typed("plan", gone, "--exit-code")
    *said, empty, cost = out.splitlines()
    assert (status, said, empty) == (
        0,
        [
            "Work week: deleted",
            "  lobby: no longer grants Mon-Fri 09:00-18:00, from 2026-11-02",
            "  Sherlock Holmes has no time profile left and opens nothing",
            f"  Watson keeps {other['name']}",
        ],
        "",
    )
    assert cost.startswith("lobby: ")
    assert cost.endswith(" words, 1 commit of annex")
    report = json.loads((await typed("plan", gone, "--json"))[1])
    (item,) = report["items"]
    assert (item["link_id"], item["change"], item["kind"]) == (week, "deleted", "timeprofile")
    assert [(each["panel"], each["outcome"]) for each in item["panels"]] == [("lobby", "removed")]
    assert report["panels"][0]["frames"]
    # The store learns what the panel holds a moment after its answer; until then a plan takes the panel to be empty.
    async with asyncio.timeout(30):
        while True:
            _, out, _ = await typed("plan", typed.request({"link_ids": [holmes]}))
            if "command" in out:
                break
            await asyncio.sleep(0.05)
    assert out.splitlines() == [
        "Sherlock Holmes: deleted",
        "  lobby: no longer grants Mon-Fri 09:00-18:00, from 2026-11-02",
        "",
        "lobby: 1 command of annex",
    ]
    _, out, _ = await typed("plan", typed.request({"list_items": [SHORTER], "link_ids": [watson["link_id"]]}))
    assert out.splitlines()[:3] == ["Work week: closes 17:00 instead of 18:00", "  lobby: exact", "Watson: deleted"]
    assert (await typed("people"))[1].count("card ") == 2  # nothing was deleted


async def test_what_would_not_be_kept_or_is_not_there_is_planned_as_such(typed: Day) -> None:
    both = typed.request({"list_items": [PERSON, WORK_WEEK]})
    status, out, _ = await typed("plan", both)  # the person names a profile of the same file, as it may be applied
    assert (status, "through Work week" in out) == (0, True)
    assert (await typed("apply", both, "--wait"))[0] == 0
    stranger = f"{str(PERSON['link_id'])[:-1]}2"
    taken = {**PERSON, "link_id": stranger}
    status, out, _ = await typed("plan", typed.request({"list_items": [taken]}))
    assert (status, out.splitlines()[0]) == (1, "Sherlock Holmes: not taken, another person has this number")
    homeless = {**PERSON, "time_profiles": {"link_ids": [WORK_WEEK["link_id"], stranger]}}
    for command in ("plan", "apply"):
        status, out, _ = await typed(command, typed.request({"list_items": [homeless]}))
        said = f"not taken, it names a time profile that is not there: {stranger}"
        assert (status, out.splitlines()[0]) == (1, f"Sherlock Holmes: {said}"), command
    missing = typed.request({"link_ids": [stranger]})
    status, out, _ = await typed("plan", missing)
    assert (status, out.splitlines()[0]) == (1, f"{stranger}: not there, nothing is deleted")
    assert (await typed("plan", missing, "--exit-code"))[0] == 3
    status, _, err = await typed("plan", missing, "--panels", "lobby")
    assert (status, "panels: not beside `link_ids`" in err) == (1, True)
    assert (await typed("plan", typed.request({"link_ids": []})))[1].endswith(": nothing is asked for\n")


async def test_a_file_of_which_one_part_is_wrong_is_not_applied_in_part(typed: Day) -> None:
    for link_ids, told in ((["x"], "link_ids[0]: expected a UUID"), ([WORK_WEEK["link_id"]], "link_ids[0]: expected none that")):
        status, _, err = await typed("apply", typed.request({"list_items": [WORK_WEEK], "link_ids": link_ids}))
        assert (status, told in err, len(err.splitlines())) == (1, True, 1)
    assert (await typed("profiles"))[1].splitlines()[1:] == []


async def test_what_there_is_is_listed_as_people_call_it(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, PERSON]})))[0] == 0
    status, out, _ = await typed("profiles")
    assert (status, out.splitlines()[1].startswith("Work week     every Mon-Fri 09:00-18:00 from 2026-11-02  ")) == (0, True)
    status, out, _ = await typed("people", "--json")
    assert (status, [each["uid"] for each in json.loads(out)["list_items"]]) == (0, [1])
    status, out, _ = await typed("people", "show", "sherlock")
    assert {"through: Work week", "number: card 12345678"} <= set(out.splitlines())
    status, out, _ = await typed("profiles", "show", "Work week")
    assert {"named by: Sherlock Holmes (card 12345678)", "open: every Mon-Fri 09:00-18:00 from 2026-11-02"} <= set(
        out.splitlines()
    )
    eve = {
        **PERSON,
        "link_id": "91c615e3-1040-4815-8ecb-000000000102",
        "identifier_number": "7",
        "identifier_owner": {"name": "Eve\n\x1b[2J", "type": "owner"},
    }
    assert "Eve\\u000a\\u001b[2J: created" in (await typed("apply", typed.request({"list_items": [eve]})))[1]
    status, out, _ = await typed("people")
    assert [line.split("  ")[0] for line in out.splitlines()] == ["person", "Sherlock Holmes", "Eve\\u000a\\u001b[2J"]
    status, out, _ = await typed("lines")
    assert [line.split()[0] for line in out.splitlines()] == ["line", "annex", "lobby", "meeting-room"]
    status, _, err = await typed("lines", "anex")
    assert (status, err) == (1, "anex: no such line; did you mean 'annex'?\n")


async def test_a_profile_that_is_wrongly_bound_is_seen_and_bound_anew(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK]})))[0] == 0
    _, out, _ = await typed("bindings")
    assert out.splitlines()[1].split() == ["Work", "week", "lobby", "the", "configuration"]
    status, out, _ = await typed("bindings", "set", "work week", "lobby", "meeting-room")
    assert (status, out) == (0, "Work week: bound to lobby, meeting-room in place of the configuration's rules\n")
    _, out, _ = await typed("bindings", "show", "work week")
    assert out.splitlines()[1].endswith("lobby, meeting-room  bindings set")
    status, _, err = await typed("bindings", "set", "work week", "loby")
    assert (status, "loby: no such panel, output or group; did you mean 'lobby'?" in err) == (1, True)
    status, out, _ = await typed("bindings", "unset", "work week")
    assert (status, out) == (0, "Work week: the configuration's rules count again\n")
    status, _, err = await typed("bindings", "unset", "work week")
    assert (status, err) == (1, "Work week: nothing was set for it, the configuration's rules count\n")
    status, _, err = await typed("bindings", "unset", "Wrok week")
    assert (status, "did you mean 'Work week'?" in err) == (1, True)


async def test_a_panel_named_twice_counts_once_and_items_that_are_called_alike_are_told_apart(typed: Day) -> None:
    twin = {**EXAMPLES[0], "name": WORK_WEEK["name"]}
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, twin]})))[0] == 0
    status, _, err = await typed("bindings", "set", "work week", "lobby")
    assert (status, f"Work week is {WORK_WEEK['link_id']}; Work week is {twin['link_id']}" in err) == (1, True)
    status, out, _ = await typed("bindings", "set", twin["link_id"], "lobby", "meeting-room", "lobby")
    told = f"Work week, {twin['link_id']}: bound to lobby, meeting-room in place of the configuration's rules\n"
    assert (status, out) == (0, told)
    _, out, _ = await typed("bindings")
    assert [line.split("  ")[0] for line in out.splitlines()[1:]] == [
        f"Work week, {each['link_id']}" for each in (WORK_WEEK, twin)
    ]
    assert (await typed("apply", typed.request({"link_ids": [twin["link_id"]]}), "--wait"))[0] == 0
    status, out, _ = await typed("bindings", "unset", twin["link_id"].upper())  # it outlives what it was set for
    assert (status, out.endswith(": the configuration's rules count again\n")) == (0, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "expected JSON: "),
        ("[]", "expected a JSON object with the lists `list_items`, `link_ids` or both"),
        ('{"list_items": {}}', "expected a JSON object with the lists `list_items`, `link_ids` or both\n"),
        (
            '{"list_item": []}',
            "expected a JSON object with the lists `list_items`, `link_ids` or both; did you mean 'list_items'?\n",
        ),
        ('{"list_items": [], "panels": ["lobby"]}', "panels: only `plan` takes them"),
    ],
)
async def test_a_file_that_is_no_request_is_refused_in_one_sentence(typed: Day, text: str, told: str) -> None:
    path = typed.folder / "request.json"
    path.write_text(text)
    status, _, err = await typed("apply", str(path))
    assert (status, err.startswith(f"{path}: {told}"), len(err.splitlines())) == (1, True, 1)


async def test_a_mistake_in_an_item_is_told_with_its_place(typed: Day) -> None:
    status, _, err = await typed("apply", typed.request({"list_items": [{**WORK_WEEK, "time_options": 7}]}))
    assert (status, "list_items[0].time_options" in err) == (1, True)


async def test_what_was_made_without_a_link_id_is_told_by_its_name_where_a_panel_holds_something_else(typed: Day) -> None:
    nameless = {key: value for key, value in WORK_WEEK.items() if key != "link_id"}
    gateway = running(Asked(typed.folder / "site.toml", None, as_json=False))
    await asyncio.to_thread(gateway.post, "/api/v1/access/timeprofile", nameless)
    await typed.until("lobby", "in_sync")
    lobby = typed.simulated.panels["lobby"]
    assert isinstance(lobby, OpenAccessPanel)
    memory, later = lobby._memory.schedules, lobby.schedule_words(0)[14] + 60
    memory.committed[14] = memory.acting[14] = later
    await typed("sync", "lobby", "--wait")
    for command in (["status", "lobby"], ["doctor"], ["events"], ["status", "lobby", "--json"], ["doctor", "--json"]):
        told = (await typed(*command))[1]
        assert "slot 0 was Mon-Fri 09:00-18:00, from 2026-11-02 for Work week (uid 1)" in told, command
        assert "70616e65-" not in told


async def test_what_happened_is_told_with_names_and_not_with_link_ids(typed: Day) -> None:
    monthly = EXAMPLES[5]
    both = typed.request({"list_items": [WORK_WEEK, PERSON, monthly]})
    assert (await typed("apply", both, "--wait"))[0] == 0
    await typed("bindings", "set", monthly["name"], "meeting-room")
    await typed.until("meeting-room", "refused")
    lobby = typed.simulated.panels["lobby"]
    assert isinstance(lobby, OpenAccessPanel)
    memory, later = lobby._memory.schedules, lobby.schedule_words(0)[14] + 60
    memory.committed[14] = memory.acting[14] = later
    await typed("sync", "lobby", "--wait")
    _, out, _ = await typed("events", "--kinds", "item_refused,drift_found")
    refused, drifted = out.splitlines()
    assert refused.endswith(f"  meeting-room     item refused  count 1; reasons not_representable 1; items {monthly['name']}")
    assert "  lobby            drift found  count 1; changes slot 0 was " in drifted
    for _, told, _ in (await typed("events"), await typed("doctor"), await typed("status", "lobby")):
        assert "Work week" in told
        assert WORK_WEEK["link_id"] not in told
        assert monthly["link_id"] not in told
    _, out, _ = await typed("events", "--kinds", "item_refused", "--json")
    assert json.loads(out)["items"] == [{"kind": "timeprofile", "link_id": monthly["link_id"]}]


async def test_a_card_that_was_read_is_told_with_its_person(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, PERSON]}), "--wait"))[0] == 0
    lobby = typed.simulated.panels["lobby"]
    assert isinstance(lobby, OpenAccessPanel)
    lobby.read("card", "12345678", 0)
    async with asyncio.timeout(30):
        while True:
            _, told, _ = await typed("events", "--kinds", KINDS_OF_READING)
            if told:
                break
            await asyncio.sleep(0.05)
    assert told.endswith("; identifier Sherlock Holmes (card 12345678)\n")


async def test_a_panel_that_is_away_is_told_in_the_words_of_a_person(typed: Day) -> None:
    typed.off("lobby")
    status, out, _ = await typed("apply", typed.request({"list_items": [WORK_WEEK]}))
    assert (status, "  lobby: pending, " in out) == (1, True)
    status, out, _ = await typed("status", "lobby", "--exit-code")
    assert status == 3
    assert "away since 20" in out
    assert "ERROR panel_away" in out
    assert "Work week" in out
    typed.on("lobby")
    status, out, _ = await typed("sync", "lobby", "--wait")
    assert (status, out) == (0, "lobby: sync done, it holds 1 of 1 item\n")
    status, out, _ = await typed("reinit", "lobby", "--wait")
    assert (status, out) == (0, "lobby: reinit done, it holds 1 of 1 item\n")
    await typed.until("lobby", "in_sync")


async def test_what_was_deleted_and_may_still_open_is_called_by_its_name(typed: Day) -> None:
    link_ids = [str(PERSON["link_id"]), str(WORK_WEEK["link_id"])]
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, PERSON]}), "--wait"))[0] == 0
    typed.off("lobby")
    assert (await typed("apply", typed.request({"link_ids": link_ids})))[0] == 1
    await typed.stop()
    await typed.start()  # names are no matter of memory
    await typed.until("lobby", "away")
    _, out, _ = await typed("status", "lobby")
    rows = out[out.index("\nitem ") :]
    assert "\nSherlock Holmes (card 12345678)  to be removed" in rows
    assert "\nWork week                        to be removed" in rows
    _, told, _ = await typed("doctor")
    assert "  items: Sherlock Holmes (card 12345678)" in told or "  items: Work week, Sherlock Holmes (card 12345678)" in told
    assert not [link_id for link_id in link_ids if link_id in out + told]
    typed.on("lobby")
    assert (await typed("sync", "lobby", "--wait"))[0] == 0
    assert "Sherlock Holmes" not in (await typed("status", "lobby"))[1]


async def test_who_may_come_in_when_and_where_is_asked_in_words(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK, PERSON]}), "--wait"))[0] == 0
    status, out, _ = await typed("who", "front", "mon", "9:30")
    head, _, _, row = out.splitlines()
    assert (status, head.endswith(": 1 person may open it"), row.split("  ")[0]) == (0, True, "Sherlock Holmes")
    assert "Work week" in row
    status, out, _ = await typed("who", "1", "sat", "9:30")
    assert out.splitlines()[0].endswith(": 0 people may open it")
    status, out, _ = await typed("where", "sherlock", "mon", "9:30")
    assert (status, "Front door  lobby" in out) == (0, True)
    status, out, _ = await typed("where", "Work week", "mon", "9:30")
    assert (status, "who has it may open 1 door" in out, "Front door  lobby" in out) == (0, True, True)
    status, out, _ = await typed("when", "12345678", "front", "--days", "7")
    assert (status, out.count("09:00-18:00"), "lobby: exact" in out) == (0, 5, True)
    status, _, err = await typed("who", "frnt")
    assert (status, err) == (1, "frnt: no such door; did you mean 'front'?\n")


async def test_a_door_is_opened_held_and_released_and_an_away_panel_opens_nothing(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK]}), "--wait"))[0] == 0
    for arguments, done in (
        (["open", "front"], "Front door: opened, acknowledged by lobby\n"),
        (["hold", "Front door", "60"], "Front door: held open for 60 s, acknowledged by lobby\n"),
    ):
        assert (await typed(*arguments))[:2] == (0, done)
    _, out, _ = await typed("doors")
    assert out.splitlines()[1].split()[:6] == ["front", "Front", "door", "1", "lobby:0", "held"]
    assert (await typed("release", "front"))[:2] == (0, "Front door: released, acknowledged by lobby\n")
    told: list[str] = []
    async with asyncio.timeout(30):
        while told != ["door_held_open"]:  # events are kept in batches
            status, out, _ = await typed("events", "--kinds", "door_held_open", "--json")
            told = [json.loads(line)["kind"] for line in out.splitlines()]
    status, out, _ = await typed("events", "--last", "50")
    assert (status, "door held open" in out) == (0, True)
    typed.off("lobby")
    status, _, err = await typed("open", "front")
    assert (status, len(err.splitlines())) == (1, 1)


@pytest.mark.long
async def test_what_erases_a_panel_is_asked_about_on_a_terminal(typed: Day) -> None:
    assert (await typed("apply", typed.request({"list_items": [WORK_WEEK]}), "--wait"))[0] == 0
    config = str(typed.folder / "site.toml")
    question = "lobby is erased, and lets nobody in until 1 item is written again. Go on? [y/N]"
    for answer, ended, said in (("n", 1, "lobby: left as it is"), ("y", 0, "lobby: reinit asked for")):
        status, shown = await asyncio.to_thread(
            on_a_terminal, "reinit", "lobby", "--config", config, answers=[(question, answer)]
        )
        assert (status, said in shown) == (ended, True)
    status, shown = await asyncio.to_thread(on_a_terminal, "reinit", "lobby", "--yes", "--config", config)
    assert (status, shown) == (0, "lobby: reinit asked for\n")
