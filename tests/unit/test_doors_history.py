"""Random commands to a door and mishaps: it is never open for longer than somebody was told, and never opened again.

FLEET_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config.settings import PanelSettings
from drivers.contract import Availability, Outcome, Priority
from gateway.access.doors import Done
from tests.unit.test_fleet_doors import FRONT, PEDESTRIAN, Commanded, commanding

SECONDS = st.sampled_from((1, 5, 30, 90, 600))
WAITS = st.sampled_from((0.0, 0.01, 0.3, 1.0, 5.0, 40.0))
COMMANDS = st.one_of(
    st.tuples(st.just("hold"), SECONDS),
    st.tuples(st.just("open"), SECONDS),
    st.tuples(st.just("release"), st.none()),
)
STEPS = st.one_of(
    COMMANDS,
    COMMANDS,
    st.tuples(st.just("at once"), st.tuples(COMMANDS, COMMANDS)),
    st.tuples(st.just("off"), st.none()),
    st.tuples(st.just("on"), st.none()),
    st.tuples(st.just("power"), st.none()),
    st.tuples(st.just("replies"), st.booleans()),
    st.tuples(st.just("busy"), st.sampled_from((0.0, 0.1, 0.4, 30.0))),
    st.tuples(st.just("reload"), st.one_of(st.none(), COMMANDS)),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("kill"), st.none()),
)
_SLACK_S = 0.35


@dataclass
class Told:
    """`until`: to when the door may be open at most, by what its commands ended with (monotonic seconds)."""

    subject: Commanded
    falls_off: bool = True
    """Whether the output falls off by itself; else it waits for the gateway."""
    until: float = 0.0
    opened: int = 0

    def now(self) -> float:
        return self.subject.site.clock.monotonic()

    async def command(self, what: str, seconds: Any) -> None:
        doors = self.subject.doors
        match what:
            case "hold":
                self.note(await doors.hold(FRONT, seconds), seconds)
            case "open":
                self.opened += 1
                self.note(await doors.open(FRONT, seconds), seconds)
            case _:
                if (await doors.release(FRONT)).said.outcome is Outcome.ACKNOWLEDGED:
                    self.until = self.now()

    def note(self, done: Done, seconds: float) -> None:
        if done.said.outcome in (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED):
            self.until = max(self.until, self.now() + seconds)

    def over(self) -> None:
        """The door has gone, or the gateway: nothing is open any more where the panel can be reached."""
        panel = self.subject.panel
        reached = self.subject.site.drivers["gate"].feed.current is Availability.ONLINE
        if panel.online and reached and not panel.reply_lost:
            self.until = self.now()

    def judge(self) -> None:
        panel = self.subject.panel
        if self.falls_off and self.subject.open_for():
            assert self.now() + self.subject.open_for() <= self.until + _SLACK_S
        assert len(panel.pulses) <= self.opened, "sent twice"
        if self.subject.state() == "closed":
            assert not self.subject.open_for()


async def do(told: Told, what: str, how: Any) -> None:
    subject = told.subject
    panel, driver = subject.panel, subject.site.drivers["gate"]
    match what:
        case "at once":
            await asyncio.gather(*(told.command(*each) for each in how))
        case "off":
            panel.online = False
        case "on":
            driver.back()
        case "power":
            panel.power_cut(told.now())
        case "replies":
            panel.reply_lost = how
        case "busy":
            driver.queued_s = {Priority.GRANT: how, Priority.OPERATOR: min(how, 0.2)}
        case "reload":  # and a command that was given just before
            before = asyncio.create_task(told.command(*(how or ("release", None))))
            await asyncio.sleep(0.005)
            subject.site.fleet.set_doors((PEDESTRIAN,))
            await subject.doors.change((PEDESTRIAN,))
            await before
            told.over()
            subject.site.fleet.set_doors((FRONT, PEDESTRIAN))
            await subject.doors.change((FRONT, PEDESTRIAN))
        case "stop":
            await subject.site.close()
            told.over()
            await subject.restart()
        case "kill":
            await subject.site.kill()
            await subject.restart()
        case _:
            await told.command(what, how)


async def live(subject: Commanded, steps: Sequence[tuple[tuple[str, Any], float]], falls_off: bool) -> None:
    subject.panel.longest_pulse = 200
    told = Told(subject, falls_off)
    for (what, how), wait in steps:
        await do(told, what, how)
        told.judge()
        await subject.site.pass_time(wait)
        told.judge()
    subject.panel.reply_lost = False
    driver = subject.site.drivers["gate"]
    driver.queued_s = {}
    driver.back()
    left = max(0.0, told.until - told.now())
    await subject.site.pass_time(left + 90)
    told.judge()
    assert (subject.open_for(), subject.state()) == (0, "closed")
    assert not subject.site.store.allocations.get("gate:3"), "nothing is remembered of it"


@settings(
    max_examples=int(os.environ.get("FLEET_EXAMPLES", "40")),
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(STEPS, WAITS), min_size=3, max_size=14), st.booleans())
def test_a_door_is_never_open_for_longer_than_somebody_was_told(
    steps: Sequence[tuple[tuple[str, Any], float]], falls_off: bool
) -> None:
    unattended = PanelSettings(id="gate", model="waveshare-relay-8ch", allow_unattended_outputs=True)
    commanding(lambda subject: live(subject, steps, falls_off), unattended, deadman=falls_off)
