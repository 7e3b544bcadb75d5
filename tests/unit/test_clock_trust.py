"""Whether the host's clock is believed: every rule by itself, and laws over random lives of a host."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import HostMoment, Sync, SystemClock, kernel_sync, moment_of
from gateway.fleet.clock_trust import (
    BEATS_AFTER_S,
    NTP_LOST_S,
    Facts,
    Judgement,
    Observation,
    Rules,
    Source,
    Witness,
    judge,
    may_move,
    worth_storing,
)
from gateway.release import RELEASE_DATE, RELEASED_AT, VERSION

ROOT = Path(__file__).parents[2]
NOW = RELEASED_AT + 30 * 86_400.0
DAY = 86_400.0
YES, NO, UNKNOWN = Sync.SYNCHRONISED, Sync.UNSYNCHRONISED, Sync.UNKNOWN


@dataclass
class Host:
    """A host and the gateway on it. `facts` survive a restart of the gateway, `before` does not."""

    sync: Sync = NO
    wall: float = NOW
    boottime: float = 100.0
    boots: int = 1
    rules: Rules = field(default_factory=Rules)
    facts: Facts = field(default_factory=Facts)
    last_write: float = 0.0
    before: Judgement | None = None
    witnesses: tuple[Witness, ...] = ()

    def look(self, *, vouched: bool = False) -> Judgement:
        now = HostMoment(f"boot {self.boots}", self.wall, self.boottime)
        seen = Observation(now, self.sync, self.last_write, self.witnesses, vouched)
        self.before = said = judge(self.facts, self.before, seen, self.rules)
        if worth_storing(self.facts, said.facts):
            self.facts = said.facts
        if said.takes_back:
            self.last_write = self.wall
        return said

    def poll(self, seconds: float, period_s: float = 5.0) -> Judgement:
        """Look again and again for so long."""
        for _ in range(int(seconds // period_s)):
            self.pass_time(period_s)
            self.look()
        return self.look()

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.boottime += seconds

    def boot(self, wall: float | None = None, sync: Sync = NO) -> None:
        self.boots += 1
        self.boottime, self.sync, self.before, self.witnesses = 20.0, sync, None, ()
        self.wall = self.wall if wall is None else wall

    def restart(self) -> None:
        self.before, self.witnesses = None, ()


def seen_synchronised(**settings: Any) -> Host:
    """A host whose store has seen it synchronised, in this run of it."""
    host = Host(sync=YES, **settings)
    assert host.look().source is Source.SYNCHRONISED
    host.last_write = host.wall
    return host


def codes(said: Judgement) -> list[str]:
    return [warning.code for warning in said.warnings]


# the release


def test_the_version_and_the_release_date_are_said_alike_everywhere() -> None:
    head = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert head == f"## {VERSION} \N{EN DASH} {RELEASE_DATE}"
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert date.fromisoformat(RELEASE_DATE) <= datetime.now(UTC).date()


@pytest.mark.parametrize("source", ["auto", "synchronised", "host"])
@pytest.mark.parametrize("wall", [0.0, 946_684_800.0, RELEASED_AT - 1])
@pytest.mark.parametrize("sync", list(Sync))
def test_a_clock_before_the_release_opens_nothing(
    source: Literal["auto", "synchronised", "host"], wall: float, sync: Sync
) -> None:
    agreeing = (Witness("a", 0, 5), Witness("b", 0, 5))
    host = Host(sync=sync, wall=wall, rules=Rules(source), witnesses=agreeing)
    said = host.look(vouched=True)
    assert (said.trusted, said.facts) == (False, Facts())
    assert said.reason is not None
    assert "release" in said.reason


# gaining trust


def test_a_host_that_was_never_seen_synchronised_is_believed_with_a_standing_warning() -> None:
    host = Host()
    for said in (host.look(), host.poll(3 * DAY, 3600)):
        assert (said.trusted, said.source, codes(said)) == (True, Source.HOST, ["never_synchronised"])


def test_a_host_that_boots_days_behind_is_not_believed_where_it_was_once_synchronised() -> None:
    host = seen_synchronised()
    host.last_write -= 10 * DAY
    host.boot(wall=host.wall - 3 * DAY)
    assert not host.look().trusted
    host.sync = YES
    assert host.look().trusted


def test_a_kernel_that_may_not_be_asked_is_a_warning_and_no_closing() -> None:
    host = Host(sync=UNKNOWN)
    assert (host.look().trusted, codes(host.look())) == (True, ["sync_unknown"])
    seen = seen_synchronised()
    seen.boot(sync=UNKNOWN)
    assert (seen.look().trusted, codes(seen.look())) == (True, ["sync_unknown"])


@pytest.mark.parametrize("sync", [NO, UNKNOWN])
def test_a_site_that_asks_for_a_synchronised_clock_gets_nothing_less(sync: Sync) -> None:
    host = Host(sync=sync, rules=Rules("synchronised"))
    assert not host.look().trusted
    host.sync = YES
    assert host.look().trusted


def test_a_site_that_believes_its_host_is_not_warned() -> None:
    host = seen_synchronised(rules=Rules("host"))
    host.boot()
    said = host.look()
    assert (said.trusted, said.source, said.warnings) == (True, Source.HOST, ())


@pytest.mark.parametrize(
    ("witnesses", "trusted"),
    [
        ((), False),
        ((0.0,), False),
        ((0.0, 4.9), True),
        ((0.0, -5.0, 3.0), True),
        ((0.0, 5.1), False),
        ((0.0, 1.0, 60.0), False),
        ((0.0, 1.0, -1_000_000.0), False),
    ],
)
@pytest.mark.parametrize("echoes", [0, 3])
def test_panels_that_ran_on_vouch_for_a_host_only_if_none_of_them_differs(
    witnesses: tuple[float, ...], trusted: bool, echoes: int
) -> None:
    """`echoes`: panels that show what this host gave them."""
    host = seen_synchronised()
    host.boot()
    host.witnesses = tuple(Witness(f"panel {number}", ahead, 5) for number, ahead in enumerate(witnesses))
    host.witnesses += tuple(Witness(f"echo {number}", 0, 5, ran_on=False) for number in range(echoes))
    assert host.look().trusted is trusted
    if trusted:
        host.restart()
        assert host.look().source is Source.PANELS


def test_the_operators_word_counts_until_the_next_boot() -> None:
    host = seen_synchronised()
    host.boot()
    assert not host.look().trusted
    assert host.look(vouched=True).source is Source.OPERATOR
    host.restart()
    assert host.poll(DAY, 3600).trusted
    host.boot()
    assert not host.look().trusted


# keeping it


def test_a_restart_of_the_gateway_keeps_the_trust_of_this_boot() -> None:
    host = seen_synchronised()
    host.sync = NO
    for _ in range(20):
        host.restart()
        host.pass_time(5000)
        assert host.look().trusted


@pytest.mark.parametrize("step", [-86_400.0, -2.5, 2.5, 60.0, 3e8])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_step_of_the_clock_ends_its_trust(step: float, restarted: bool) -> None:
    host = seen_synchronised()
    host.last_write -= 10 * DAY
    host.sync = NO
    host.poll(90 * DAY, 3600)
    if restarted:
        host.restart()
    host.pass_time(1)
    host.wall += step
    assert not host.look().trusted
    host.wall -= step
    assert not host.look().trusted, "the way back is a step too"


def test_small_steps_do_not_add_up_unseen() -> None:
    host = seen_synchronised()
    host.sync = NO
    for _ in range(40):
        host.pass_time(5)
        host.wall += 1.5
        host.look()
    assert not host.look().trusted


def test_a_clock_that_is_slewed_and_a_leap_second_end_nothing() -> None:
    host = seen_synchronised()
    host.sync = NO
    for _ in range(200):
        host.pass_time(3600)
        host.wall += 0.0005 * 3600
        assert host.look().trusted
    host.wall -= 1
    assert host.look().trusted


def test_losing_ntp_is_a_warning_after_a_day_and_never_a_closing() -> None:
    host = seen_synchronised()
    host.sync = NO
    assert codes(host.poll(NTP_LOST_S - 3600, 600)) == []
    assert codes(host.poll(3600, 600)) == ["ntp_lost"]
    host.restart()
    said = host.poll(90 * DAY, 3600)
    assert (said.trusted, codes(said)) == (True, ["ntp_lost"])
    host.sync = YES
    assert codes(host.look()) == []


# losing it to panels


@pytest.mark.parametrize("gained", ["host", "panels"])
def test_panels_that_agree_with_each_other_and_not_with_the_host_take_its_trust_away(gained: str) -> None:
    host = Host()
    if gained == "panels":
        host = seen_synchronised()
        host.boot()
        host.witnesses = (Witness("a", 0, 5), Witness("b", 0, 5))
    assert host.look().source is Source(gained)
    host.witnesses += (Witness("x", 3 * DAY, 5), Witness("y", 3 * DAY + 30, 5))
    said = host.look()
    assert not said.trusted
    assert said.reason is not None
    assert "x +259200 s" in said.reason
    assert host.look(vouched=True).trusted, "the operator knows better"


@pytest.mark.parametrize("aheads", [(7200.0,), (7200.0, -7200.0), (7200.0, 7200.0 + 61), (3600.0, 3600.0), (0.0, 7200.0)])
def test_fewer_or_other_panels_do_not(aheads: tuple[float, ...]) -> None:
    host = Host(witnesses=tuple(Witness(f"panel {number}", ahead, 5) for number, ahead in enumerate(aheads)))
    assert host.look().trusted


def test_a_synchronised_host_is_believed_against_panels() -> None:
    host = seen_synchronised()
    host.witnesses = (Witness("x", 3 * DAY, 5), Witness("y", 3 * DAY, 5))
    assert host.look().trusted
    host.sync = NO
    assert host.poll(DAY, 600).trusted, "it was right in this boot, and went on"


# against the last write


def written_ahead(sync: Sync) -> Host:
    """A store that was written while the clock was ten years ahead; the clock is right again."""
    host = seen_synchronised()
    host.last_write = host.wall + 3650 * DAY
    host.boot(sync=sync)
    return host


def test_one_write_of_a_clock_ahead_is_taken_back_when_the_host_stayed_synchronised_for_ten_minutes() -> None:
    host = written_ahead(YES)
    said = host.look()
    assert not said.trusted
    assert said.reason is not None
    assert "last write" in said.reason
    assert not host.poll(BEATS_AFTER_S - 5).trusted
    host.pass_time(5)
    said = host.look()
    assert (said.trusted, said.takes_back, codes(said)) == (True, True, ["last_write_taken_back"])
    assert said.warnings[0].severity == "error"
    assert not host.look().takes_back, "once is enough"
    host.restart()
    assert codes(host.look()) == ["last_write_taken_back"], "an operator who comes later is told"
    assert codes(host.poll(2 * DAY, 3600)) == []


def test_a_clock_that_was_synchronised_only_now_and_then_does_not_beat_the_last_write() -> None:
    host = written_ahead(YES)
    for _ in range(10):
        host.sync = YES
        host.poll(BEATS_AFTER_S - 10)
        host.sync = NO
        assert not host.poll(10).trusted


def test_a_clock_that_steps_meanwhile_begins_its_ten_minutes_anew() -> None:
    host = written_ahead(YES)
    host.poll(BEATS_AFTER_S - 10)
    host.wall += 3600
    assert not host.poll(BEATS_AFTER_S - 10).trusted
    assert host.poll(20).trusted


def test_the_operators_word_beats_the_last_write_at_once() -> None:
    host = written_ahead(NO)
    assert not host.poll(DAY, 3600).trusted
    said = host.look(vouched=True)
    assert (said.trusted, said.takes_back) == (True, True)
    host.restart()
    assert host.look().trusted


def test_panels_do_not_beat_the_last_write() -> None:
    host = written_ahead(NO)
    host.witnesses = (Witness("a", 0, 5), Witness("b", 0, 5))
    assert not host.look().trusted


def test_a_believed_host_behind_its_last_write_is_not_believed() -> None:
    host = Host(last_write=NOW + 3)
    assert not host.look().trusted
    assert host.poll(5).trusted, "it is later than that now"


# panel clocks


@pytest.mark.parametrize("ahead", [-3601.0, 3601.0, 3e8])
@pytest.mark.parametrize(
    ("others", "moves"),
    [((), False), ((0.0,), True), ((0.0, 3.0), True), ((6.0,), False), ((0.0, 90_000.0), False)],
)
def test_a_panel_clock_is_moved_far_only_where_others_agree_with_the_host(
    ahead: float, others: tuple[float, ...], moves: bool
) -> None:
    host = Host().look()
    witnesses = [Witness(f"panel {number}", each, 5) for number, each in enumerate(others)]
    assert may_move(ahead, witnesses, host, Rules()) is moves
    assert may_move(ahead, witnesses, seen_synchronised().look(), Rules())
    assert may_move(ahead, witnesses, Host().look(vouched=True), Rules())


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
def test_a_panel_clock_is_always_moved_within_a_step(ahead: float) -> None:
    assert may_move(ahead, (), Host().look(), Rules())


# random lives

EVENTS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0.1, 40 * DAY)),
    st.tuples(st.just("step"), st.one_of(st.floats(-400 * DAY, -3), st.floats(3, 4000 * DAY))),
    st.tuples(st.just("boot"), st.floats(-400 * DAY, 40 * DAY)),
    st.tuples(st.just("restart"), st.just(0.0)),
    st.tuples(st.just("yes"), st.just(0.0)),
    st.tuples(st.just("no"), st.just(0.0)),
    st.tuples(st.just("unknown"), st.just(0.0)),
    st.tuples(st.just("vouch"), st.just(0.0)),
    st.tuples(st.just("write"), st.just(0.0)),
    st.tuples(st.just("panels"), st.sampled_from([0.0, 3.0, 200_000.0])),
    st.tuples(st.just("poll"), st.floats(0, 900)),
)
LIVES = st.lists(EVENTS, min_size=1, max_size=25)
SOURCES = st.sampled_from(["auto", "synchronised", "host"])


def happen(host: Host, event: str, value: float) -> Judgement:
    match event:
        case "pass":
            host.pass_time(value)
        case "step":
            host.wall += value
            host.witnesses = ()
        case "boot":
            host.boot(host.wall + value, host.sync)
        case "restart":
            host.restart()
        case "yes" | "no" | "unknown":
            host.sync = {"yes": YES, "no": NO, "unknown": UNKNOWN}[event]
        case "vouch":
            return host.look(vouched=True)
        case "write":
            host.last_write = host.wall if host.before is not None and host.before.trusted else host.last_write
        case "panels":
            host.witnesses = (Witness("a", value, 5), Witness("b", value, 5))
        case "poll":
            return host.poll(value)
    return host.look()


@given(SOURCES, st.floats(RELEASED_AT - 100 * DAY, RELEASED_AT + 100 * DAY), LIVES)
def test_whatever_happens_some_clocks_are_never_believed(
    source: Literal["auto", "synchronised", "host"], wall: float, life: list[tuple[str, float]]
) -> None:
    host = Host(wall=wall, rules=Rules(source))
    evident = False
    """Whether there was any evidence in this boot since the last step, told by a simpler account of what happened."""
    for event, value in life:
        written = host.last_write
        if event in ("boot", "step"):
            evident = False
        said = happen(host, event, value)
        agreeing = len(host.witnesses) == 2 and host.witnesses[0].ahead_s < 5
        evident = evident or event == "vouch" or host.sync is YES or agreeing
        if said.trusted:
            assert host.wall >= RELEASED_AT
            assert host.wall >= written - 3 or said.takes_back or event in ("vouch", "poll")
            assert evident or source == "host" or (source == "auto" and said.source is Source.HOST)
            assert said.reason is None
        else:
            assert said.reason
            assert said.source is None
        if said.source is Source.HOST and source == "auto" and host.sync is NO:
            assert host.facts.synchronised_at is None


@given(LIVES, st.floats(1, DAY))
def test_a_restart_of_the_gateway_changes_no_judgement_within_one_boot(life: list[tuple[str, float]], later: float) -> None:
    """But for what a process has seen itself: panels, and how long the kernel's clock was synchronised."""
    host = Host()
    for event, value in life:
        happen(host, event, value)
    host.witnesses = ()
    before = host.look()
    again = replace(host)
    again.restart()
    for each in (host, again):
        each.pass_time(later)
    if before.trusted or host.sync is not YES:
        assert again.look().trusted == host.look().trusted


# the kernel


@pytest.mark.parametrize(
    ("returned", "status", "said"),
    [(5, 0x0040, NO), (0, 0x2001, YES), (5, 0x2041, NO), (3, 0x0001, YES), (-1, 0, UNKNOWN), (-1, 0x0040, UNKNOWN)],
)
def test_what_adjtimex_says(returned: int, status: int, said: Sync) -> None:
    def adjtimex(record: Any) -> int:
        assert record.modes == 0, "it only reads"
        record.status = status
        return returned

    assert kernel_sync(adjtimex) is said


def test_the_record_is_the_kernels() -> None:
    """The status is read where the C library puts it: six fields down, whatever the machine's word is."""

    def adjtimex(record: Any) -> int:
        assert type(record).status.offset == ctypes.sizeof(ctypes.c_long) * 5
        assert ctypes.sizeof(record) >= 208
        return -1

    assert kernel_sync(adjtimex) is UNKNOWN


def test_this_host_tells_its_moment() -> None:
    clock = SystemClock()
    earlier, later = moment_of(clock), moment_of(clock)
    assert earlier.goes_on(later)
    assert clock.kernel_sync() in Sync
