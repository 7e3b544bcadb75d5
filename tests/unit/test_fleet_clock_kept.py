"""The clock of one panel: when it is looked at, when it is set and when it is not, and what is told of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.clock import Sync
from drivers.contract import PanelImage, Priority, Reason
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.events import ClockMeasured, ClockSet
from gateway.fleet.host_clock import ClockTrust, PanelClock
from gateway.fleet.panel.clocks import said_at
from gateway.schedules.time_profile import Readings
from tests.support.fleet_site import START
from tests.support.looked_panel import HOUR, Looked, looked, virtually


async def off_by(seconds: float | None, **parts: Any) -> Looked:
    """A panel whose clock went wrong after it was found right."""
    made = await looked(**parts)
    made.panel.clock_offset_s = seconds
    made.inspection.forget_clock()
    return made


def bound_s(made: Looked) -> float:
    return float(made.settings.clock_bound_s)


@pytest.mark.parametrize(("beyond", "is_set"), [(-1.5, False), (1.0, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_set_once_it_is_off_by_more_than_the_bound(beyond: float, is_set: bool, sign: int) -> None:
    async def main() -> None:
        made = await looked()
        made.panel.clock_offset_s = sign * (bound_s(made) + beyond + (sign < 0))
        assert await made.keep_clock() == (["status", "set_clock", "status"] if is_set else ["status"])
        assert not made.state.clock_missing
        assert bool(made.events(ClockSet)) is is_set
        assert not made.inspection.clock_due()

    virtually(main)


def test_an_error_of_the_clock_is_told_in_milliseconds_and_one_that_is_unset_has_none() -> None:
    async def main() -> None:
        made = await off_by(1.0)
        await made.keep_clock()
        assert abs(made.state.clock_drift_ms or 2000) <= 1000
        assert ClockMeasured("lobby", made.state.clock_drift_ms) in made.told
        made.panel.clock_offset_s = None
        made.panel.clock_fault = Reason.NO_REPLY
        made.told.clear()
        await made.inspection.measure(Priority.GRANT)
        assert made.events(ClockMeasured) == [ClockMeasured("lobby", None)]
        assert made.state.clock_missing, "nothing counts by a clock that is unset"

    virtually(main)


def test_a_clock_that_is_set_says_what_it_showed_and_what_it_shows() -> None:
    async def main() -> None:
        made = await off_by(None)
        assert await made.keep_clock() == ["status", "set_clock", "status"]
        (told,) = made.events(ClockSet)
        assert (told.panel, told.reason, told.before) == ("lobby", None, "unset")
        assert told.now == said_at(ZoneInfo("UTC"), made.clock.wall())
        assert not made.state.clock_missing
        given = made.state.observed.clock_given
        assert given is not None
        assert given.offset_s == 0
        assert given.moment.wall == pytest.approx(made.clock.wall(), abs=1)
        made.panel.clock_offset_s = 7200.0
        await made.keep_clock()
        (told,) = made.events(ClockSet)
        assert told.before != told.now

    virtually(main)


def test_a_clock_that_refuses_is_missing_and_is_asked_again_within_the_hour() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.takes_clock = False
        assert await made.keep_clock() == ["status", "set_clock"]
        assert made.state.clock_missing
        assert made.inspection.clock_due(), "a clock that is missing is looked at whenever there is a chance"
        made.panel.takes_clock = True
        assert await made.keep_clock() == ["status", "set_clock", "status"]
        assert not made.state.clock_missing

    virtually(main)


def test_a_clock_write_that_is_lost_fails_the_attempt() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.clock_fault = Reason.NO_REPLY
        failure = await made.clock_failure()
        assert (failure.reason, failure.permanent) == (Reason.NO_REPLY, False)
        assert made.state.clock_missing
        assert made.state.observed.clock_given is None

    virtually(main)


def test_a_clock_that_is_acknowledged_and_shows_another_time_is_not_set() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.ignores_clock = True
        failure = await made.clock_failure()
        assert failure.reason is Reason.CLOCK_NOT_SET
        assert made.state.clock_missing

    virtually(main)


def test_a_right_clock_is_looked_at_every_hour_and_at_every_change_of_the_offset() -> None:
    async def main() -> None:
        made = await looked()
        assert made.inspection.clock_at == made.clock.wall() + HOUR
        assert made.state.law_until is None
        await made.clock.sleep(HOUR - 1)
        assert not made.inspection.clock_due()
        await made.clock.sleep(1)
        assert made.inspection.clock_due()
        await made.keep_clock()
        assert not made.inspection.clock_due()
        made.state.clock_found(missing=True)
        assert made.inspection.clock_due(), "a clock that is missing is looked at whenever there is a chance"
        await made.keep_clock()
        assert not made.state.clock_missing, "somebody else put it right"

    virtually(main)


def test_a_clock_that_the_gateway_moves_in_autumn_is_looked_at_when_the_offset_changes() -> None:
    async def main() -> None:
        change = 1_793_512_800  # 2026-11-01, 02:00 in New York
        made = Looked(capabilities={"dst": "gateway"})
        await made.store.open()
        made.clock.wall_offset = change - 600.0
        made.panel.clock_offset_s = -4 * HOUR
        options = made.context.options
        made.context.options = FleetOptions(Readings(ZoneInfo("America/New_York")), clock=options.clock)
        await made.look()
        await made.keep_clock()
        assert (made.inspection.clock_at, made.state.law_until) == (change, change)
        await made.clock.sleep(601)
        assert made.inspection.clock_due()
        assert "set_clock" in await made.keep_clock()
        assert made.panel.clock_offset_s == -5 * HOUR

    virtually(main)


def test_a_clock_that_trusts_itself_for_a_while_only_is_set_again_in_time() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        made.panel.trusted_s, made.panel.clock_set_at = 2000.0, made.clock.wall()
        await made.look()
        await made.keep_clock()
        assert made.inspection.clock_at == pytest.approx(made.clock.wall() + 1000, abs=1)
        await made.clock.sleep(1001)
        assert await made.keep_clock() == ["status", "set_clock", "status"]

    virtually(main)


def test_a_panel_without_a_clock_is_asked_for_none() -> None:
    async def main() -> None:
        made = Looked(capabilities={"clock": "none"})
        await made.store.open()
        await made.look()
        assert not made.inspection.clock_due()
        assert made.events(ClockMeasured) == []
        assert not made.state.clock_missing

    virtually(main)


def test_a_clock_that_cannot_be_read_is_set_at_the_start_after_a_restart_and_every_hour() -> None:
    async def main() -> None:
        made = Looked(capabilities={"clock": "w"})
        await made.store.open()
        made.panel.clock_offset_s = None
        await made.look()
        assert "set_clock" in await made.keep_clock()
        (told,) = made.events(ClockSet)
        assert told.before == "unknown: it cannot be read"
        assert not made.state.clock_missing
        assert not made.inspection.clock_due()
        made.inspection.forget_clock()
        assert await made.keep_clock() == ["status"]
        await made.clock.sleep(HOUR)
        assert "set_clock" in await made.keep_clock()
        made.panel.resets += 1
        assert "set_clock" in await made.keep_clock()

    virtually(main)


def test_nothing_is_written_to_a_clock_while_the_gateways_own_is_not_trusted() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        made.clock.sync = Sync.UNSYNCHRONISED
        made.context.trust = ClockTrust(made.clock, Rules(released_at=2 * START), {}, 0)
        assert not made.context.trusted()
        made.panel.clock_offset_s = 7200.0
        await made.look()
        assert made.events(ClockMeasured) == [], "no error is told by a clock that is not trusted"
        assert await made.keep_clock() == ["status"]
        assert not made.state.clock_missing
        made.panel.clock_offset_s = None
        assert await made.keep_clock() == ["status"]
        assert made.state.clock_missing

    virtually(main)


async def at_its_word(ahead_s: float) -> tuple[Looked, list[str]]:
    """A host that nothing vouches for, and a panel whose clock ran on; the list gets who asks for the clocks of all others."""
    made = Looked()
    await made.store.open()
    made.clock.sync = Sync.UNKNOWN
    made.context.trust = ClockTrust(made.clock, Rules(released_at=0), {}, 0)
    assert made.context.trusted()
    asking: list[str] = []
    made.context.ask_clocks = asking.append
    made.panel.clock_offset_s = ahead_s
    await made.look()
    return made, asking


@pytest.mark.parametrize("ahead_s", [2 * HOUR + 1, -2 * HOUR - 1])
def test_a_host_that_nothing_vouches_for_does_not_move_a_clock_that_ran_on_by_hours(ahead_s: float) -> None:
    async def main() -> None:
        made, asking = await at_its_word(ahead_s)
        for _ in range(2):
            withheld = await made.clock_failure()
            assert withheld.reason is Reason.CLOCK_NOT_SET
            assert "`panel-gateway sync lobby` sets the panel's" in (withheld.message or "")
            assert (made.state.clock_missing, made.state.clock_withheld) == (True, withheld)
            assert made.inspection.clock_at > made.clock.wall()
        assert asking == ["lobby"], "the others are asked once"
        assert "set_clock" not in made.panel.readings
        made.inspection.move_clock = True
        assert await made.keep_clock() == ["status", "set_clock", "status"]
        assert made.state.clock_missing is False
        assert made.state.clock_withheld is None
        made.panel.clock_offset_s = ahead_s
        assert (await made.clock_failure()).reason is Reason.CLOCK_NOT_SET, "an operator's word is for one time"

    virtually(main)


@pytest.mark.parametrize("ahead_s", [1800.0, None, -2.0 * START])
def test_such_a_host_sets_a_clock_that_is_off_by_little_or_shows_no_time_at_all(ahead_s: float | None) -> None:
    async def main() -> None:
        made, asking = await at_its_word(0.0)
        made.panel.clock_offset_s = ahead_s
        made.context.trust.rules = replace(made.context.trust.rules, released_at=1.0)
        assert await made.keep_clock() == ["status", "set_clock", "status"]
        assert asking == []

    virtually(main)


def test_nothing_is_set_before_other_panels_could_speak_against_the_host() -> None:
    async def main() -> None:
        made, _ = await at_its_word(1800.0)
        made.context.trust.expect("gate")
        assert made.context.trust.awaiting
        assert await made.keep_clock() == ["status"]
        made.panel.clock_offset_s = None
        assert await made.keep_clock() == ["status"]
        assert made.state.clock_missing
        made.context.trust.passed_over("gate")
        assert await made.keep_clock() == ["status", "set_clock", "status"]

    virtually(main)


def test_a_panel_that_does_not_answer_keeps_its_clock() -> None:
    async def main() -> None:
        made = await off_by(7200.0)
        made.panel.deaf = deque([True])
        assert (await made.clock_failure()).reason is Reason.NO_REPLY
        assert "set_clock" not in made.panel.readings

    virtually(main)


def test_who_takes_identifiers_by_now_is_told_to_the_site() -> None:
    async def main() -> None:
        made = await looked()
        told: list[bool] = []
        made.context.readers_changed = lambda: told.append(True)
        await made.asked(made.inspection.measure(Priority.GRANT))
        assert told == []
        restrict = made.driver.restrict

        def with_readers(capacity: Mapping[str, int]) -> None:
            restrict(capacity)
            made.driver._capabilities = replace(made.driver.capabilities, max_identifiers=1)

        vars(made.driver).update(restrict=with_readers)
        made.inspection.begin_anew()
        await made.asked(made.inspection.measure(Priority.GRANT))
        assert told == [True]

    virtually(main)


def test_a_clock_write_is_counted_for_the_clock() -> None:
    async def main() -> None:
        made = await off_by(7200.0, capabilities={"endurance": 3652})
        set_clock = made.driver.set_clock

        async def wearing(*arguments: Any) -> Any:
            made.panel.transactions += [(Priority.GRANT, PanelImage())] * 2
            return await set_clock(*arguments)

        vars(made.driver).update(set_clock=wearing)
        await made.keep_clock()
        assert made.state.wear.clock_due() is not None
        view = made.state.wear.view()
        assert view is not None
        assert view.left == 2.0, "the table's share is whole"

    virtually(main)


def test_a_clock_that_spent_its_share_of_writes_is_missing_until_it_is_earned() -> None:
    async def main() -> None:
        made = await off_by(7200.0, capabilities={"endurance": 3652})
        made.panel.transactions += [(Priority.GRANT, PanelImage())] * 2
        made.state.wear.noticed(clock=True)
        failure = await made.clock_failure()
        assert failure.reason is Reason.ENDURANCE_SPENT
        assert made.state.clock_missing

    virtually(main)


def test_a_panels_clock_speaks_of_the_hosts_unless_it_may_have_stood_still() -> None:
    async def main() -> None:
        made = Looked()
        await made.store.open()
        heard: list[float | None] = []

        def hear(panel: str, clock: PanelClock | None) -> None:
            heard.append(None if clock is None else clock.epoch)

        vars(made.context.trust).update(heard=hear)
        await made.look()
        made.panel.clock_offset_s = 60.0
        await made.asked(made.inspection.measure(Priority.GRANT))
        before, after = heard
        assert before is not None
        assert after == pytest.approx(before + 60, abs=1)
        made.panel.resets += 1
        await made.asked(made.inspection.measure(Priority.GRANT))
        assert heard[2] == pytest.approx(after, abs=1), "it went on through a restart"
        made.panel.resets += 1
        made.panel.clock_offset_s = -60.0
        await made.asked(made.inspection.measure(Priority.GRANT))
        assert heard[3:] == [None], "it was without power"
        made.inspection.begin()
        await made.keep_clock()
        assert heard[-1] is not None, "it was set"

    virtually(main)
