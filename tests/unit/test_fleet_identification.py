"""Who the unit at a panel's place is, where the panel does not answer in the middle of being asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from config.settings import PanelSettings
from drivers.contract import Acknowledgement, Outcome, PanelImage, Period, Priority, Reason, Slot
from gateway.fleet.bindings import Bindings
from gateway.fleet.desired import Desired
from gateway.fleet.events import Replaced, Strange
from gateway.fleet.panel.identification import Identification
from gateway.fleet.panel.identity import Neighbour
from tests.support.fleet_site import link
from tests.support.panel_parts import PanelParts, bound
from tests.support.virtual_time import run_virtual

A, B = link(1), link(2)
OPEN = Slot((A,), (Period(127, 540, 600),))
HELD = PanelImage({0: OPEN}, (), {A: (0,)}, {A: 1})
UNKNOWN = PanelImage({0: Slot((), opaque=(1, 2))})
SILENT = Acknowledgement(Outcome.UNCONFIRMED, None, Reason.NO_REPLY, "silent")


class Asked(PanelParts):
    """A panel that is another unit than the remembered one; `fill`: an empty one takes its place."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(settings=PanelSettings.model_validate({"id": "lobby", "model": "open-access-panel", **settings}))
        self.state.identity.serial = "A"
        self.panel.serial = "B"
        self.context.ours = Desired({A: bound(1)}, Bindings({}, {}, (), {}))
        self.identification = Identification(self.state, self.context)

    def answers(self, **answers: Any) -> None:
        """What the panel says to these questions from now on."""

        def always(answer: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
            async def said(*_: Any) -> Any:
                return answer

            return said

        vars(self.driver).update({question: always(answer) for question, answer in answers.items()})

    async def reason(self, work: Coroutine[Any, Any, Any]) -> Reason | None:
        failure = await work
        return None if failure is None else failure.reason


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


async def asked(**settings: Any) -> Asked:
    made = Asked(**settings)
    await made.store.open()
    return made


def test_a_new_unit_that_falls_silent_is_neither_filled_nor_called_a_stranger() -> None:
    async def main() -> None:
        made = await asked(on_replacement="fill")
        made.answers(read_back=SILENT)
        assert await made.reason(made.identification.check(Priority.GRANT)) is Reason.NO_REPLY
        assert (made.state.identity.serial, made.state.identity.stranger, made.told) == ("A", None, [])

    virtually(main)


@pytest.mark.parametrize("serial", ["A", "B"])
def test_which_device_answered_last_is_what_is_shown_of_the_panel(serial: str) -> None:
    async def main() -> None:
        made = await asked(on_replacement="fill")
        made.panel.serial = serial
        assert await made.identification.check(Priority.GRANT) is None
        assert made.state.observed.identity == await made.driver.identity(Priority.GRANT, None)

    virtually(main)


def test_no_door_is_commanded_while_it_is_being_found_out_whose_unit_it_is() -> None:
    async def main() -> None:
        made = await asked(on_replacement="ask")
        identity, keep, known = made.state.identity, made.store.put_panel_fact, []
        identity.checked = True

        async def put(*fact: Any) -> None:
            known.append(identity.is_known(made.driver.connection, made.clock.monotonic()))
            await keep(*fact)

        vars(made.store)["put_panel_fact"] = put
        assert await made.reason(made.identification.check(Priority.GRANT)) is Reason.IDENTITY_CHANGED
        assert known == [False]

    virtually(main)


def test_a_unit_that_does_not_say_who_it_is_is_not_taken_for_the_one_that_said_so_before() -> None:
    async def main() -> None:
        made = await asked()
        made.state.identity.checked = True
        made.answers(identity=SILENT)
        assert await made.reason(made.identification.check(Priority.GRANT)) is Reason.NO_REPLY
        assert not made.state.identity.checked

    virtually(main)


def test_entries_that_people_had_on_a_unit_are_durable_before_its_successor_is_filled() -> None:
    async def main() -> None:
        made = await asked(on_replacement="fill")
        made.state.spend({"identifier:card": (("card", 4711, 0), 2)})
        assert await made.identification.check(Priority.GRANT) is None
        assert "4711" in made.store.panel_facts["lobby"]["entries"]
        assert [event.now for event in made.told if isinstance(event, Replaced)] == ["B"]

    virtually(main)


@pytest.mark.parametrize("read", [UNKNOWN, replace(UNKNOWN, slots={**UNKNOWN.slots, 5: Slot((), (Period(1, 0, 60),))})])
@pytest.mark.parametrize(("same", "reason"), [(SILENT, Reason.NO_REPLY), (True, Reason.IDENTITY_CHANGED), (False, None)])
def test_words_that_nobody_can_read_are_compared_with_what_neighbours_hold(
    same: object, reason: Reason | None, read: PanelImage
) -> None:
    async def main() -> None:
        made = await asked()
        made.answers(quick_look=same)
        kind = (made.state.observed.model, made.state.observed.options)
        made.context.neighbours = lambda: (Neighbour("gate", kind, None, None, (HELD,)),)
        assert await made.reason(made.identification.compare(read, None, Priority.GRANT)) is reason
        assert made.state.identity.compared is (reason is None)

    virtually(main)


def test_a_stranger_that_holds_nothing_of_anybody_is_still_a_stranger() -> None:
    async def main() -> None:
        made = await asked()
        made.state.identity.stranger = "another number"
        assert await made.reason(made.identification.compare(UNKNOWN, None, Priority.GRANT)) is Reason.IDENTITY_CHANGED
        assert made.state.identity.stranger == "another number"
        assert not [event for event in made.told if isinstance(event, Strange)], "it is no news"

    virtually(main)


def test_a_stranger_that_does_not_tell_what_it_holds_may_hold_what_was_deleted() -> None:
    async def main() -> None:
        made = await asked(on_replacement="ask")
        made.context.deleted = {A}
        made.answers(read_back=SILENT)
        assert await made.reason(made.identification.check(Priority.GRANT)) is Reason.NO_REPLY
        made.answers(read_back=PanelImage({0: OPEN}))
        assert await made.reason(made.identification.check(Priority.GRANT)) is Reason.IDENTITY_CHANGED
        assert [sorted(image.slots) for _, image in made.panel.transactions] == [[]], "it is erased"
        made.answers(apply=SILENT)
        assert await made.reason(made.identification.check(Priority.GRANT)) is Reason.NO_REPLY, "it may not be"

    virtually(main)
