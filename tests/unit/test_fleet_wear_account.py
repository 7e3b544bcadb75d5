"""The account of a panel's wear: what is earned, spent, counted and kept, and until when a write has to wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from config.settings import PanelSettings
from drivers.contract import Outcome, PanelImage, Priority, Reason
from gateway.fleet.panel.wear import Wear
from gateway.fleet.views import EnduranceView
from gateway.store.contract import StoreUnavailable
from tests.support.panel_parts import PanelParts
from tests.support.virtual_time import run_virtual

DAY = 86_400.0
OLD, NEW = {"a": "1"}, {"a": "2"}
FIVE_A_DAY = {"endurance": 36_525}


async def parts(capabilities: dict[str, Any] | None = None, kept: str | None = None, **settings: Any) -> PanelParts:
    """Five writes a day for the table, and five for the clock."""
    chosen = PanelSettings.model_validate({"id": "lobby", "model": "open-access-panel", **settings})
    made = PanelParts(settings=chosen, capabilities=FIVE_A_DAY if capabilities is None else capabilities, kept=kept)
    await made.store.open()
    return made


def virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(main())


def left_the_gateway(made: PanelParts, writes: int = 1) -> None:
    made.panel.transactions += [(Priority.GRANT, PanelImage())] * writes


async def wrote(
    made: PanelParts, outcome: Outcome, contents: dict[str, str] = OLD, writes: int = 1, narrows: bool = False
) -> None:
    await made.wear.begin(contents, {"flash:0": writes}, narrows=narrows)
    left_the_gateway(made, writes)
    made.wear.ended(outcome)


def repeat_at(made: PanelParts, contents: dict[str, str] = OLD) -> float | None:
    """Until when a closing waits that nobody saw carried out; None: it waits for nothing."""
    waits = made.wear.due(contents, narrows=True)
    return None if waits is None else waits.due


def test_half_of_what_a_cell_lasts_is_for_the_table_and_half_for_the_clock() -> None:
    async def main() -> None:
        made = await parts({"storage": "flash", "endurance": None}, service_years=20)
        assert made.wear.endurance == 10_000
        assert made.wear.per_day == pytest.approx(10_000 / (20 * 365.25) / 2)
        view = made.wear.view()
        assert view is not None
        assert (view.per_day, round(made.wear.per_day or 0.0, 4)) == (0.68, 0.6845)
        eeprom = await parts({"storage": "eeprom", "endurance": None})
        assert eeprom.wear.endurance == 100_000
        assert (await parts()).wear.endurance == 36_525

    virtually(main)


def test_memory_that_does_not_wear_out_has_no_account() -> None:
    async def main() -> None:
        made = await parts({"storage": "ram", "endurance": None}, commit_spacing_s=60)
        await wrote(made, Outcome.UNCONFIRMED, writes=50)
        wear = made.wear
        assert (wear.endurance, wear.per_day, wear.view()) == (None, None, None)
        assert wear.due(OLD, narrows=False) is None
        assert (repeat_at(made), wear.clock_due()) == (None, None)
        await wear.keep(now=True)
        assert made.store.panel_facts == {}

    virtually(main)


def test_writes_are_told_by_storage_and_the_most_worn_cell_by_itself() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED, writes=3)
        assert made.wear.written == {"flash": 3}
        assert made.wear.view() == EnduranceView(36_525, 3, 5.0, 5.0)
        left_the_gateway(made, 2)
        assert made.wear.written == {"flash": 5}, "before it is taken over, too"

    virtually(main)


def test_what_is_asked_for_the_first_time_costs_nothing_and_what_is_repeated_does() -> None:
    async def main() -> None:
        made = await parts()
        assert made.wear.is_first(OLD)
        await wrote(made, Outcome.ACKNOWLEDGED, writes=2)
        view = made.wear.view()
        assert view is not None
        assert view.left == 5.0
        assert not made.wear.is_first(OLD)
        assert made.wear.is_first({**OLD, "b": "1"})
        assert made.wear.is_first(NEW)
        await wrote(made, Outcome.ACKNOWLEDGED, writes=2)
        view = made.wear.view()
        assert view is not None
        assert view.left == 3.0
        await made.clock.sleep(DAY / 5)
        view = made.wear.view()
        assert view is not None
        assert view.left == 4.0, "a fifth of a day earns one"
        await made.clock.sleep(30 * DAY)
        view = made.wear.view()
        assert view is not None
        assert view.left == 5.0, "a day's writes are saved up, no more"

    virtually(main)


def test_a_write_on_its_own_waits_until_all_that_it_lacks_is_earned() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED)
        await wrote(made, Outcome.ACKNOWLEDGED, writes=4)
        assert made.wear.due(OLD, narrows=False) is None, "one is left"
        due = made.wear.due(OLD, narrows=False, writes=3)
        assert due is not None
        assert due.reason is Reason.ENDURANCE_SPENT
        assert due.due == pytest.approx(made.clock.monotonic() + 2 * DAY / 5 + 1, abs=0.01)
        assert made.wear.due(NEW, narrows=False, writes=3) is None, "what is new does not wait"
        assert made.wear.due(NEW, narrows=True, writes=3) is None

    virtually(main)


def test_what_was_earned_in_a_day_in_which_nobody_asked_may_be_written() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED)
        await wrote(made, Outcome.ACKNOWLEDGED, writes=5)
        await made.clock.sleep(DAY)
        assert made.wear.due(OLD, narrows=False) is None

    virtually(main)


def test_two_writes_are_always_saved_up_to_erase_and_to_write_anew() -> None:
    async def main() -> None:
        made = await parts({"endurance": 3_652})
        view = made.wear.view()
        assert view is not None
        assert (view.per_day, view.left) == (0.5, 2.0)
        made.wear.noticed()
        left_the_gateway(made, 2)
        made.wear.noticed()
        view = made.wear.view()
        assert view is not None
        assert view.left == 0.0

    virtually(main)


def test_repeats_that_nobody_saw_carried_out_come_ever_later_and_never_later_than_they_are_earned() -> None:
    async def main() -> None:
        made = await parts({"endurance": 36_525 * 100})
        pauses = []
        for _ in range(12):
            await wrote(made, Outcome.UNCONFIRMED)
            at = repeat_at(made)
            assert at is not None
            pauses.append(at - made.clock.monotonic())
            due = made.wear.due(OLD, narrows=False)
            assert due is not None
            assert due.due == at
            await made.clock.sleep(pauses[-1])
            assert made.wear.due(OLD, narrows=False) is None
        assert pauses == pytest.approx([min(DAY / 500, 0.75 * 2**number) for number in range(12)])

    virtually(main)


@pytest.mark.parametrize("forgiven", ["seen", "an operator"])
def test_once_it_is_seen_carried_out_or_an_operator_asks_a_repeat_waits_no_longer(forgiven: str) -> None:
    async def main() -> None:
        made = await parts()
        for _ in range(5):
            await wrote(made, Outcome.UNCONFIRMED)
        if forgiven == "seen":
            await wrote(made, Outcome.ACKNOWLEDGED, NEW)
        else:
            made.wear.forgive()
        assert repeat_at(made) is None

    virtually(main)


def test_a_refusal_is_no_write_that_nobody_saw() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.REJECTED)
        assert repeat_at(made) is None
        await wrote(made, Outcome.UNCONFIRMED)
        await wrote(made, Outcome.REJECTED, NEW)
        assert repeat_at(made, NEW) is not None

    virtually(main)


def test_openings_are_spaced_and_say_so_and_what_follows_an_erasure_is_not() -> None:
    async def main() -> None:
        made = await parts(commit_spacing_s=100)
        assert made.wear.due(OLD, narrows=False) is None
        await wrote(made, Outcome.ACKNOWLEDGED)
        due = made.wear.due(NEW, narrows=False)
        assert due is not None
        assert (due.reason, due.due) == (Reason.DEADLINE_PASSED, made.clock.monotonic() + 100)
        assert made.wear.due(OLD, narrows=True) is None, "a closing is not spaced"
        await made.clock.sleep(99)
        assert made.wear.due(NEW, narrows=False) is not None
        made.wear.erased()
        assert made.wear.due(NEW, narrows=False) is None

    virtually(main)


def test_a_write_that_never_left_was_not_tried() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.NOT_SENT, writes=0)
        assert made.wear.is_first(OLD)
        assert repeat_at(made) is None
        await wrote(made, Outcome.NOT_SENT, writes=1)
        assert not made.wear.is_first(OLD), "a part of it left"
        assert repeat_at(made) is not None

    virtually(main)


def test_the_clock_has_a_share_of_its_own() -> None:
    async def main() -> None:
        made = await parts()
        left_the_gateway(made, 5)
        assert made.wear.clock_due() is None
        made.wear.noticed(clock=True)
        due = made.wear.clock_due()
        assert due is not None
        assert (due.reason, due.due) == (Reason.ENDURANCE_SPENT, made.clock.monotonic() + DAY / 5 + 1)
        assert "clock" in (due.message or "")
        assert made.wear.due({}, narrows=False) is None, "the table's is whole"
        await made.clock.sleep(DAY / 5 + 1)
        assert made.wear.clock_due() is None
        left_the_gateway(made, 4)
        made.wear.noticed()
        view = made.wear.view()
        assert view is not None
        assert view.left == 1.0
        assert made.wear.clock_due() is None

    virtually(main)


def test_a_process_that_dies_in_a_write_has_counted_it() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED)
        await made.wear.begin(OLD, {"flash:0": 2, "flash:1": 3}, narrows=False)
        kept = made.store.panel_facts["lobby"]["wear"]
        again = await parts(kept=kept)
        assert again.wear.written == {"flash": 6}
        assert not again.wear.is_first(OLD)
        view = again.wear.view()
        assert view is not None
        assert view.left == 2.0, "what the cell written most cost"

    virtually(main)


def test_a_power_cut_in_a_first_write_makes_it_the_first_once_more_and_one_in_a_repeat_does_not() -> None:
    """Only what costs nothing waits for no disk."""

    async def main() -> None:
        made = await parts()
        await made.wear.begin(OLD, {"flash:0": 1}, narrows=False)
        made.store.crash(lose_lazy=True)
        assert made.store.panel_facts["lobby"] == {}
        await made.store.open()
        await made.wear.begin(OLD, {"flash:0": 1}, narrows=False)
        made.store.crash(lose_lazy=True)
        again = await parts(kept=made.store.panel_facts["lobby"]["wear"])
        assert not again.wear.is_first(OLD)
        view = again.wear.view()
        assert view is not None
        assert view.left == 4.0

    virtually(main)


def test_repeats_that_nobody_saw_are_spaced_after_a_restart_too() -> None:
    async def main() -> None:
        made = await parts()
        for _ in range(3):
            await wrote(made, Outcome.UNCONFIRMED)
        again = await parts(kept=made.wear.fact)
        assert repeat_at(again) == again.clock.monotonic() + 3.0

    virtually(main)


def test_a_repeat_that_cannot_be_noted_is_not_made_and_a_closing_or_a_first_write_is() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED)
        made.store.refuse = StoreUnavailable("full")
        with pytest.raises(StoreUnavailable):
            await made.wear.begin({**OLD}, {"flash:0": 1}, narrows=False)
        await made.wear.begin(OLD, {"flash:0": 1}, narrows=True)
        made.wear.ended(Outcome.NOT_SENT)
        await made.wear.begin(NEW, {"flash:0": 1}, narrows=False)
        assert not made.wear.is_first(NEW)

    virtually(main)


def test_what_no_longer_concerns_the_panel_is_forgotten_and_the_rest_is_not() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED, {"a": "1", "b": "1"})
        made.wear.forget({"b": None})
        assert made.wear.is_first({"a": "1"})
        assert not made.wear.is_first({"b": "1"})

    virtually(main)


def test_the_store_is_told_what_was_earned_once_an_hour_and_when_asked() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED)
        await wrote(made, Outcome.ACKNOWLEDGED, writes=4)

        def kept() -> float:
            account = Wear(made.settings, made.driver, made.context, made.store.panel_facts["lobby"]["wear"])
            view = account.view()
            assert view is not None
            return view.left

        assert kept() == 1.0
        await made.clock.sleep(3599)
        await made.wear.keep()
        assert kept() == 1.0
        await made.clock.sleep(1)
        await made.wear.keep()
        assert kept() == pytest.approx(1 + 5 / 24, abs=0.01)
        await made.clock.sleep(1800)
        await made.wear.keep()
        assert kept() == pytest.approx(1 + 5 / 24, abs=0.01)
        await made.wear.keep(now=True)
        assert kept() == pytest.approx(1 + 5 / 16, abs=0.01)

    virtually(main)


@pytest.mark.parametrize("storage", ["flash", "eeprom"])
def test_closings_of_a_noisy_hour_hold_up_an_opening_for_a_day_and_not_for_a_week(storage: str) -> None:
    async def main() -> None:
        made = await parts({"storage": storage, **FIVE_A_DAY})
        for _ in range(40):
            await wrote(made, Outcome.UNCONFIRMED, narrows=True)
        await wrote(made, Outcome.ACKNOWLEDGED, narrows=True)
        waits, now = made.wear.due(OLD, narrows=False), made.clock.monotonic()
        assert waits is not None
        assert waits.reason is Reason.ENDURANCE_SPENT
        assert waits.due is not None
        assert waits.due == pytest.approx(now + DAY + DAY / 5, abs=2), "a day, and what one write takes to be earned"
        await made.clock.sleep(waits.due - now)
        assert made.wear.due(OLD, narrows=False) is None
        again = await parts({"storage": storage, **FIVE_A_DAY}, kept=made.wear.fact)
        assert again.wear.due(OLD, narrows=False) is None

    virtually(main)


def test_openings_that_cost_more_than_one_write_are_owed_whole() -> None:
    async def main() -> None:
        made = await parts()
        await wrote(made, Outcome.ACKNOWLEDGED)
        await wrote(made, Outcome.ACKNOWLEDGED, writes=20)
        waits, now = made.wear.due(OLD, narrows=False), made.clock.monotonic()
        assert waits is not None
        assert waits.due == pytest.approx(now + 16 * DAY / 5, abs=2)

    virtually(main)
