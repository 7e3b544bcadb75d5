"""Reading one panel's log: each event once, in order, with the person who held the slot then, and only the panel's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from drivers.contract import (
    IDENTIFIER,
    Acknowledgement,
    Availability,
    IdentifierSlot,
    ItemOutcome,
    ItemState,
    LoggedEvent,
    LoggedKind,
    LogPage,
    Outcome,
    PanelImage,
    Priority,
    Reason,
    item_key,
)
from gateway.fleet.bindings import Bindings
from gateway.fleet.desired import Desired
from gateway.fleet.panel.event_reader import FREED, EventReader
from gateway.fleet.panel.failure import Failure
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import Number
from gateway.store.contract import DesiredItem, StoreUnavailable
from gateway.store.events import SiteEvent
from tests.support.fleet_site import START, link
from tests.support.panel_parts import PanelParts
from tests.support.virtual_time import run_virtual

ADA, BOB = item_key(IDENTIFIER, link(1)), item_key(IDENTIFIER, link(2))
SILENT = Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY, "silent")
GRANTED, DENIED = "access_granted_by_valid_identifier", "access_denied_by_not_valid_identifier"


def identifier(number: int, name: str) -> DesiredItem:
    asked = Identifier(link(number), "card", Number("card", str(number)), "all")
    body = {"identifier_type": "card", "identifier_number": str(number), "identifier_owner": {"name": name}}
    return DesiredItem(link(number), number, 1, 1, asked, json.dumps(body), float(START), kind=IDENTIFIER, uid=number)


def holding(**slots: int) -> PanelImage:
    """Who has which slot: `ada=3`."""
    given = {{"ada": ADA, "bob": BOB}[name]: (slot,) for name, slot in slots.items()}
    identifiers = {slot: IdentifierSlot(space="card", number=1 if name == "ada" else 2) for name, slot in slots.items()}
    exact = ItemOutcome(ItemState.EXACT)
    return PanelImage(
        allocation=given, generations=dict.fromkeys(given, 1), outcomes=dict.fromkeys(given, exact), identifiers=identifiers
    )


class Logging(PanelParts):
    """A panel with a log, read two events a page. `kept`: what was made durable, call by call, with the place after it."""

    def __init__(self, *, fact: str | None = None, names: str = "slot", log: int = 64) -> None:
        super().__init__(capabilities={"event_log": log, "log_names": names, "max_identifiers": 8})
        self.log: list[LoggedEvent] = []
        self.serial: str | None = "A"
        self.inputs: tuple[bool, ...] = ()
        self.answers = True
        self.reads: list[tuple[int | None, Priority]] = []
        self.kept_calls: list[Sequence[SiteEvent]] = []
        self.kept_fact = fact
        self.refuse: StoreUnavailable | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.context.keep_events = self.keep
        self.context.ours = Desired(
            {item.key: item for item in (identifier(1, "Ada"), identifier(2, "Bob"))}, Bindings({}, {}, (), {})
        )
        vars(self.driver).update(read_log=self.read_log)
        identity = self.state.identity
        identity.checked, identity.serial, identity.connection = True, "A", self.driver.connection
        self.again()

    def again(self) -> None:
        """The gateway begins anew with what is durable."""
        self.reader = EventReader(
            self.state, self.context, self.kept_fact, self.store.panel_facts.get(self.state.id, {}).get(FREED)
        )

    async def keep(self, events: Sequence[SiteEvent], facts: Mapping[str, tuple[str, str]]) -> None:
        await asyncio.sleep(0.001)
        if self.refuse is not None:
            raise self.refuse
        self.kept_calls.append(events)
        (self.kept_fact,) = (text for key, text in facts.values() if key == "log")

    async def read_log(self, first: int | None, priority: Priority, deadline: float | None) -> LogPage | Acknowledgement:
        self.reads.append((first, priority))
        await asyncio.sleep(0.01)
        if first is not None:
            self.meanwhile()
        if not self.answers:
            return SILENT
        found = [] if first is None else [event for event in self.log if event.sequence >= first][:2]
        return LogPage(self.log[-1].sequence if self.log else 0, tuple(found), self.serial, self.inputs)

    def happens(self, kind: LoggedKind = LoggedKind.GRANTED, slot: int | None = 3, **more: Any) -> None:
        sequence = self.log[-1].sequence + 1 if self.log else 1
        self.log.append(LoggedEvent(sequence, kind, **{"instant": START + sequence, "slot": slot, **more}))

    def handed_on(self) -> list[SiteEvent]:
        """The events that were handed on since."""
        events = [event for call in self.kept_calls for event in call]
        self.kept_calls.clear()
        return events

    async def read(self) -> list[SiteEvent]:
        await self.reader.read()
        return self.handed_on()


def who(events: Sequence[SiteEvent]) -> list[str | None]:
    """The owners that events name."""
    return [event.facts["identifier"]["owner"] if "identifier" in event.facts else None for event in events]


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


async def met(**parts: Any) -> Logging:
    """A panel whose log was read to its end, and in whose slot 3 is Ada."""
    made = Logging(**parts)
    made.state.read(holding(ada=3), made.context.ours)
    await made.read()
    made.reads.clear()
    return made


def test_events_are_told_once_each_in_order_and_not_again_after_a_restart() -> None:
    async def main() -> None:
        made = await met()
        for _ in range(5):
            made.happens()
        assert [event.facts["sequence"] for event in await made.read()] == [1, 2, 3, 4, 5]
        assert [first for first, _ in made.reads] == [None, 1, 3, 5]
        assert {priority for _, priority in made.reads} == {Priority.BACKGROUND}
        assert await made.read() == []
        made.again()
        made.happens()
        assert [event.facts["sequence"] for event in await made.read()] == [6]

    virtually(main)


@pytest.mark.parametrize(("number", "named"), [("1", ["Ann"]), ("9", [None])], ids=["another name", "another number"])
def test_a_person_is_named_by_what_the_panel_holds_and_nobody_where_it_may_be_another_ones_number(
    number: str, named: list[str | None]
) -> None:
    """The panel still has the identifier as it was; how that was is not remembered."""

    async def main() -> None:
        made = await met()
        newer = identifier(1, "Ann")
        assert newer.identifier is not None
        content = replace(newer.identifier, number=Number("card", number))
        made.context.ours = Desired({ADA: replace(newer, generation=2, content=content)}, Bindings({}, {}, (), {}))
        made.happens()
        assert who(await made.read()) == named

    virtually(main)


def test_a_log_that_cannot_be_read_is_remembered_with_its_cause_while_the_panel_can_be_spoken_to() -> None:
    async def main() -> None:
        made = await met()

        async def unread() -> tuple[float, Failure] | None:
            await made.read()
            return made.state.log_unread

        assert await unread() is None
        made.answers = False
        first = await unread()
        assert first is not None
        since, failure = first
        assert (failure.reason, failure.message) == (Reason.NO_REPLY, "silent")
        await asyncio.sleep(60)
        assert await unread() == first
        made.driver.availability.set(Availability.QUARANTINED)
        assert await unread() is None, "that the panel is away is told then"
        made.driver.availability.set(Availability.ONLINE)
        again = await unread()
        assert again is not None
        assert again[0] >= since + 60
        made.answers = True
        assert await unread() is None

    virtually(main)


def test_a_log_of_which_a_part_is_read_each_time_is_one_that_is_read() -> None:
    async def main() -> None:
        made = await met()
        for _ in range(40):
            made.happens()

        def breaks_off() -> None:
            made.answers = len(made.reads) < 4

        made.meanwhile = breaks_off
        begun: list[float] = []
        for _ in range(5):
            made.reads.clear()
            made.answers = True
            assert await made.read()
            assert made.state.log_unread is not None
            begun.append(made.state.log_unread[0])
            await asyncio.sleep(2)
        assert begun == sorted(set(begun)), "since the last time that something was read"

    virtually(main)


def test_few_pages_are_made_durable_together() -> None:
    async def main() -> None:
        made = await met()
        for _ in range(20):
            made.happens()
        await made.reader.read()
        assert [len(call) for call in made.kept_calls] == [8, 7, 5], "the last event of each part is read along"

    virtually(main)


def test_what_the_store_does_not_take_is_read_again() -> None:
    async def main() -> None:
        made = await met()
        made.happens()
        made.refuse = StoreUnavailable("full")
        with pytest.raises(StoreUnavailable):
            await made.reader.read()
        made.refuse = None
        assert [event.facts["sequence"] for event in await made.read()] == [1]

    virtually(main)


def test_a_door_counts_as_open_or_closed_only_as_long_as_its_contact_was_read_just_now() -> None:
    async def main() -> None:
        made = await met()

        def senses() -> list[bool | None]:
            return [made.state.input(number, made.context.clock.monotonic()) for number in range(3)]

        assert senses() == [None, None, None]
        made.inputs = (True, False)
        await made.read()
        assert senses() == [True, False, None]
        made.inputs, made.serial = (False, True), "B"
        await made.read()
        assert senses() == [True, False, None], "another unit's contacts are at other doors"
        await asyncio.sleep(9.9)
        assert senses() == [True, False, None]
        await asyncio.sleep(0.2)
        assert senses() == [None, None, None]

    virtually(main)


@pytest.mark.parametrize("why", ["unknown", "stranger", "away", "connection", "log"])
def test_a_unit_that_is_not_known_to_be_the_panel_tells_nothing(why: str) -> None:
    async def main() -> None:
        made = await met(log=0 if why == "log" else 64)
        made.happens()
        if why == "unknown":
            made.state.identity.checked = False
        elif why == "stranger":
            made.state.identity.stranger = "another"
        elif why == "away":
            made.driver.feed.set(Availability.QUARANTINED)
        elif why == "connection":
            made.driver.connection += 1
        assert await made.read() == []
        assert made.reads == []

    virtually(main)


def test_the_log_of_another_unit_is_nobodys_and_the_panel_is_looked_at_anew() -> None:
    async def main() -> None:
        made = await met()
        looks: list[bool] = []
        made.reader.look_again = lambda: looks.append(True)
        made.happens()
        made.serial = "0B"
        assert await made.read() == []
        assert looks == [True]
        assert not made.state.identity.checked

    virtually(main)


@pytest.mark.parametrize("happens", ["silence", "unit", "serial"])
def test_a_page_that_another_unit_may_have_sent_is_not_taken(happens: str) -> None:
    async def main() -> None:
        made = await met()
        made.happens()

        def meanwhile() -> None:
            if happens == "silence":
                made.answers = False
            elif happens == "unit":
                made.state.identity.forget()
            else:
                made.serial = "0B"

        made.meanwhile = meanwhile
        assert await made.read() == []
        made.meanwhile, made.answers, made.serial, made.state.identity.checked = (lambda: None), True, "A", True
        assert len(await made.read()) == 1

    virtually(main)


def test_what_a_panel_logged_before_it_was_met_names_nobody() -> None:
    async def main() -> None:
        made = Logging()
        made.state.read(holding(ada=3), made.context.ours)
        made.happens()
        assert who(await made.read()) == [None]
        made.happens()
        assert who(await made.read()) == ["Ada"]

    virtually(main)


def test_another_unit_in_the_panels_place_has_a_log_of_its_own() -> None:
    async def main() -> None:
        made = await met()
        await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.GRANT)
        made.serial = made.state.identity.serial = "B"
        made.log.clear()
        made.happens()
        lost, before = await made.read()
        assert who([before]) == [None]
        assert (lost.kind, lost.facts) == ("events_lost", {"count": None, "why": "another unit keeps its own log"})
        made.happens()
        assert who(await made.read()) == ["Ada"], "hand-overs on the other unit mean nothing here"

    virtually(main)


def test_who_lost_a_slot_of_the_unit_before_is_not_named_for_a_card_of_the_next_one_after_a_restart() -> None:
    async def main() -> None:
        made = await met()
        await made.store.open()
        await made.reader.prepare(holding(ada=3), PanelImage(), Priority.REVOCATION)
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.state.read(PanelImage(), made.context.ours)
        made.serial = made.state.identity.serial = "B"
        made.state.doubt()  # the other unit was not read yet
        await made.read()
        made.state.read(PanelImage(), made.context.ours)
        await made.read()
        made.again()
        made.happens()
        assert who(await made.read()) == [None]

    virtually(main)


def test_events_that_were_overwritten_are_told_as_lost() -> None:
    async def main() -> None:
        made = await met()
        made.happens()
        await made.read()
        for _ in range(3):
            made.happens()
        del made.log[:3]
        lost, granted = await made.read()
        assert (lost.kind, lost.facts["count"], lost.panel) == ("events_lost", 2, "lobby")
        assert granted.facts["sequence"] == 4

    virtually(main)


def test_an_event_says_where_when_why_and_who() -> None:
    async def main() -> None:
        made = await met()
        made.happens(output=1)
        made.happens(LoggedKind.DENIED, slot=None, why="unknown", instant=None)
        made.happens(LoggedKind.RESTARTED, slot=None)
        granted, denied, restarted = await made.read()
        assert (granted.kind, granted.at, granted.panel) == (GRANTED, START + 1, "lobby")
        person = granted.facts["identifier"]
        assert (person["owner"], person["number"], person["uid"]) == ("Ada", "1", 1)
        assert {key: granted.facts[key] for key in ("sequence", "output", "slot")} == {"sequence": 1, "output": 1, "slot": 3}
        assert denied.facts == {"sequence": 2, "reason": "unknown", "clock": "unset"}
        assert denied.at == pytest.approx(made.clock.wall(), abs=1)
        assert (restarted.kind, restarted.facts) == ("panel_restarted", {"sequence": 3})

    virtually(main)


def test_a_panel_that_logs_numbers_tells_whose_they_are_whatever_becomes_of_slots() -> None:
    async def main() -> None:
        made = await met(names="number")
        made.happens(slot=None, card=1, instant=None, local_second=START + 7)
        made.happens(LoggedKind.DENIED, slot=None, card=2)
        made.happens(LoggedKind.DENIED, slot=None, card=99)
        ada, bob, nobody = await made.read()
        assert (who([ada]), ada.at) == (["Ada"], START + 7)
        assert "number" not in ada.facts
        assert (bob.kind, who([bob])) == (DENIED, [None])
        assert "number" not in bob.facts, "somebody has it"
        assert (nobody.kind, nobody.facts["number"]) == ("access_denied_by_unknown_card", "99")

    virtually(main)


def test_who_has_a_slot_is_known_from_what_was_given_out_until_the_panel_was_read() -> None:
    async def main() -> None:
        made = Logging()
        made.state.reserve({ADA: (3,)})
        await made.read()
        made.happens()
        assert who(await made.read()) == ["Ada"]
        made.state.read(holding(bob=3), made.context.ours)
        made.happens()
        assert who(await made.read()) == ["Bob"]

    virtually(main)


# slots that change hands


async def handed(outcome: Outcome | None, priority: Priority = Priority.GRANT) -> Logging:
    """Ada's slot was given to Bob in a transaction that ended so, after an event of hers that was not read yet; None: nothing
    had to be written for it.
    """
    made = await met()
    made.happens()
    assert await made.reader.prepare(holding(ada=3), holding(bob=3), priority, writes=outcome is not None) is None
    made.reader.ended(outcome or Outcome.ACKNOWLEDGED)
    if outcome in (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED, None):
        made.state.read(holding(bob=3), made.context.ours)
    return made


@pytest.mark.parametrize(
    ("outcome", "owners"),
    [
        (Outcome.ACKNOWLEDGED, ["Ada", None, "Bob"]),
        (Outcome.UNCONFIRMED, ["Ada", None, "Bob"]),
        (Outcome.NOT_SENT, ["Ada", None, "Ada"]),
        (Outcome.REJECTED, ["Ada", None, "Ada"]),
        (None, ["Ada", None, "Bob"]),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_an_event_names_who_held_the_slot_when_it_happened(
    outcome: Outcome | None, owners: list[str | None], restarts: bool
) -> None:
    async def main() -> None:
        made = await handed(outcome)
        if restarts and outcome in (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED, None):
            made.again()
        made.happens(LoggedKind.COMMITTED if outcome is not None else LoggedKind.OUTPUT_ON, slot=None)
        made.happens()
        assert who(await made.read()) == owners

    virtually(main)


def test_who_goes_in_while_a_slot_is_being_given_away_is_who_had_it() -> None:
    async def main() -> None:
        made = await met()
        assert await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.GRANT) is None
        made.happens()
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.state.read(holding(bob=3), made.context.ours)
        made.happens(LoggedKind.COMMITTED, slot=None)
        made.happens()
        assert who(await made.read()) == ["Ada", None, "Bob"]

    virtually(main)


def test_a_hand_over_is_durable_before_it_is_written() -> None:
    async def main() -> None:
        made = await met()
        made.refuse = StoreUnavailable("full")
        with pytest.raises(StoreUnavailable):
            await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.GRANT)
        assert await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.REVOCATION) is None, "a closing does not wait"
        made.refuse = None
        made.answers = False
        failure = await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.GRANT)
        assert failure is not None
        assert failure.reason is Reason.NO_REPLY
        assert await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.REVOCATION) is None

    virtually(main)


def test_where_the_log_cannot_be_read_before_a_closing_nobody_is_certain() -> None:
    async def main() -> None:
        made = await met()
        made.answers = False
        assert await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.REVOCATION) is None
        made.answers = True
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.state.read(holding(bob=3), made.context.ours)
        made.happens()
        assert who(await made.read()) == [None]

    virtually(main)


def test_where_the_log_cannot_be_read_nobody_is_certain_either_of_a_slot_for_which_nothing_is_written() -> None:
    async def main() -> None:
        made = await met()
        made.happens()
        made.answers = False
        assert await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.REVOCATION, writes=False) is None
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.answers = True
        made.state.read(holding(bob=3), made.context.ours)
        made.happens()
        assert who(await made.read()) == [None, None]
        await made.read()
        made.happens()
        assert who(await made.read()) == ["Bob"]

    virtually(main)


def test_another_unit_is_given_no_slot() -> None:
    async def main() -> None:
        made = await met()
        made.serial = "0B"
        failure = await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.GRANT)
        assert failure is not None
        assert failure.reason is Reason.UNEXPECTED_REPLY

    virtually(main)


def test_a_write_that_gives_nobodys_slot_away_asks_the_panel_nothing() -> None:
    async def main() -> None:
        made = await met()
        for before, after in (
            (PanelImage(), PanelImage()),
            (holding(ada=3), holding(ada=3)),
            (holding(ada=3), PanelImage()),
            (PanelImage(), holding(bob=5)),
        ):
            assert await made.reader.prepare(before, after, Priority.GRANT) is None
        assert made.reads == []
        assert await made.reader.prepare(PanelImage(), holding(bob=3), Priority.GRANT) is None
        assert made.reads == [(None, Priority.GRANT)], "Ada had it before"

    virtually(main)


def test_what_somebody_left_behind_is_still_theirs_until_the_log_was_read_on() -> None:
    async def main() -> None:
        made = await met()
        made.happens()
        await made.reader.prepare(holding(ada=3), PanelImage(), Priority.REVOCATION)
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.state.read(PanelImage(), made.context.ours)
        assert who(await made.read()) == ["Ada"]
        made.happens()
        assert who(await made.read()) == [None]
        made.again()
        made.happens()
        assert who(await made.read()) == [None]

    virtually(main)


def test_who_goes_in_while_their_slot_is_being_taken_away_is_named_though_the_log_was_read_meanwhile() -> None:
    async def main() -> None:
        made = await met()
        await made.reader.prepare(holding(ada=3), PanelImage(), Priority.REVOCATION)
        await made.read()
        made.happens()
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.state.read(PanelImage(), made.context.ours)
        assert who(await made.read()) == ["Ada"]

    virtually(main)


def test_who_went_in_before_somebody_else_emptied_their_slot_is_named_and_not_who_gets_it() -> None:
    async def main() -> None:
        made = await met()
        made.happens()
        made.reader.seen(PanelImage())
        made.state.read(PanelImage(), made.context.ours)
        assert await made.reader.prepare(PanelImage(), holding(bob=3), Priority.GRANT) is None
        made.reader.ended(Outcome.ACKNOWLEDGED)
        made.state.read(holding(bob=3), made.context.ours)
        made.happens(LoggedKind.COMMITTED, slot=None)
        made.happens()
        assert who(await made.read()) == ["Ada", None, "Bob"]

    virtually(main)


def test_a_slot_that_is_given_out_and_not_written_yet_is_nobodys() -> None:
    async def main() -> None:
        made = await met()
        made.state.read(PanelImage(), made.context.ours)
        made.state.reserve({BOB: (3,)})
        made.happens()
        assert who(await made.read()) == [None]

    virtually(main)


def test_what_was_handed_over_and_read_to_its_end_is_remembered_no_more() -> None:
    async def main() -> None:
        made = await handed(Outcome.ACKNOWLEDGED)
        made.happens(LoggedKind.COMMITTED, slot=None)
        await made.read()
        await made.read()
        assert json.loads(made.kept_fact or "{}")["handed"] == []
        assert made.reader.fact == made.kept_fact

    virtually(main)


def test_a_hand_over_without_a_commit_in_the_log_is_over_when_the_log_was_read_behind_it() -> None:
    async def main() -> None:
        made = await handed(Outcome.ACKNOWLEDGED)
        await made.read()
        made.happens()
        assert who(await made.read()) == ["Bob"]

    virtually(main)


# its life


def test_the_log_is_read_every_two_seconds_and_at_once_when_the_panel_tells_of_news() -> None:
    async def main() -> None:
        made = await met()
        task = asyncio.create_task(made.reader.run())
        await asyncio.sleep(5)
        assert len(made.reads) == 3
        made.happens()
        made.driver.on_news()
        await asyncio.sleep(0.1)
        assert len(made.handed_on()) == 1
        made.reads.clear()
        await asyncio.sleep(5)
        assert len(made.reads) == 2, "news are one thing, and its pace another"
        made.refuse = StoreUnavailable("full")
        made.happens()
        await asyncio.sleep(5)
        made.refuse = None
        await asyncio.sleep(2.5)
        assert len(made.handed_on()) == 1
        made.reader.stop()
        await asyncio.wait_for(task, 0.1)

    virtually(main)


def test_a_defect_in_reading_is_reported_and_tried_again_after_a_minute() -> None:
    async def main() -> None:
        made = await met()
        defects: list[Exception] = []
        made.reader.report = defects.append

        def fail() -> None:
            raise ZeroDivisionError

        made.meanwhile = fail
        made.happens()
        task = asyncio.create_task(made.reader.run())
        await asyncio.sleep(59)
        assert len(defects) == 1
        made.meanwhile = lambda: None
        await asyncio.sleep(2)
        assert len(made.handed_on()) == 1
        made.reader.stop()
        await task

    virtually(main)


def test_a_panel_without_a_log_is_never_asked_for_one() -> None:
    async def main() -> None:
        made = Logging(log=0)
        await made.reader.run()
        assert await made.reader.prepare(holding(ada=3), holding(bob=3), Priority.GRANT) is None
        assert made.reads == []
        assert made.reader.fact is None

    virtually(main)
