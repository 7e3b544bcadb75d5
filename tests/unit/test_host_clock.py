"""The fleet's opinion of the host's clock over restarts, steps and what panels say."""

from __future__ import annotations

import pytest

from drivers.clock import HostMoment, Sync, moment_of
from gateway.fleet.clock_trust import Rules
from gateway.fleet.host_clock import FACT, ClockTooEarly, ClockTrust, ClockWasSet, PanelClock
from gateway.fleet.housekeeping import pause_s
from tests.support.virtual_time import VirtualClock

NOW = 1_800_000_000.0
RULES = Rules(released_at=NOW - 86_400)
DAY = 86_400.0


class Host(VirtualClock):
    """Time passes when a test says so."""

    def __init__(self, sync: Sync = Sync.UNSYNCHRONISED) -> None:
        super().__init__(NOW, sync)
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


def begin(host: Host, facts: dict[str, str], last_write: float = 0.0, rules: Rules = RULES) -> ClockTrust:
    """A process starts."""
    return ClockTrust(host, rules, facts, last_write)


def keep(trust: ClockTrust, facts: dict[str, str]) -> None:
    text = trust.unsaved()
    if text is not None:
        facts[FACT] = text
        trust.saved(text)


def showing(host: Host, ahead: float, set_at: HostMoment | None = None) -> PanelClock:
    return PanelClock(host.wall() + ahead - host.boottime(), 5, set_at)


def test_what_was_seen_once_is_known_to_the_next_process() -> None:
    host, facts = Host(Sync.SYNCHRONISED), dict[str, str]()
    trust = begin(host, facts)
    keep(trust, facts)
    assert trust.unsaved() is None
    host.sync, host.passed = Sync.UNSYNCHRONISED, 50_000
    assert begin(host, facts).trusted()
    host.boot()
    assert not begin(host, facts).trusted()


def test_a_store_whose_memory_of_the_clock_is_damaged_believes_nothing_without_proof() -> None:
    assert begin(Host(), {}).trusted()
    assert not begin(Host(), {FACT: "{"}).trusted()
    assert not begin(Host(), {FACT: '{"later":1}'}).trusted()
    assert begin(Host(Sync.SYNCHRONISED), {FACT: "{"}).trusted()


def test_a_step_between_two_looks_is_seen_by_whoever_asks() -> None:
    host = Host(Sync.SYNCHRONISED)
    trust = begin(host, {})
    host.sync = Sync.UNSYNCHRONISED
    host.passed = 2
    assert trust.trusted()
    host.wall_offset += 3600
    assert not trust.trusted()
    assert trust.news(), "news that are read later are not lost"
    assert not trust.news()


def test_while_the_clock_is_not_trusted_time_stands_at_the_last_write() -> None:
    host = Host()
    trust = begin(host, {}, last_write=NOW + 100)
    assert (trust.now(), trust.stamp()) == (NOW + 100, NOW + 100)
    host.passed = 120
    trust.look()
    assert trust.news()
    assert trust.stamp() == trust.now() == NOW + 120


def test_the_last_write_is_taken_back_until_the_store_took_it() -> None:
    host, facts = Host(), dict[str, str]()
    trust = begin(host, facts, last_write=NOW + 10 * 365 * DAY)
    assert not trust.trusted()
    trust.vouch(host.wall(), host.boottime())
    assert trust.news()
    first = trust.unsaved()
    assert first is not None
    trust.look()
    assert trust.unsaved() is not None, "the store was not written yet"
    assert trust.stamp() == NOW
    trust.saved(first)
    trust.look()
    assert trust.trusted()
    assert trust.view().warnings[0].code == "last_write_taken_back"


def test_nobody_vouches_for_what_he_did_not_see() -> None:
    host = Host()
    trust, seen = begin(host, {}, last_write=NOW + DAY), (host.wall(), host.boottime())
    host.wall_offset += 60
    with pytest.raises(ClockWasSet):
        trust.vouch(*seen)
    host.wall_offset -= 60
    host.passed += 90
    host.boot()
    with pytest.raises(ClockWasSet):
        trust.vouch(*seen)
    assert not trust.trusted()
    host.wall_offset -= 2 * DAY
    with pytest.raises(ClockTooEarly, match="release"):
        trust.vouch(host.wall(), host.boottime())
    assert not trust.trusted()


def test_panels_that_this_host_set_are_no_witnesses_for_it() -> None:
    host, facts = Host(Sync.SYNCHRONISED), dict[str, str]()
    keep(begin(host, facts), facts)
    host.sync = Sync.UNSYNCHRONISED
    host.boot()
    trust = begin(host, facts)
    set_now = moment_of(host)
    for panel in ("a", "b"):
        trust.heard(panel, showing(host, 0, set_now))
    trust.look()
    assert not trust.trusted(), "a write's echo is not a reading"
    for panel in ("a", "b"):
        trust.heard(panel, showing(host, 0, HostMoment("boot 1", NOW - DAY, 100)))
    trust.look()
    assert trust.trusted(), "these were set before the host booted, and ran on"


def test_a_step_of_the_host_is_told_by_the_panels_that_it_set() -> None:
    host = Host()
    trust = begin(host, {})
    for panel in ("a", "b", "c"):
        trust.heard(panel, showing(host, 0, moment_of(host)))
    host.passed += 100
    host.wall_offset += 3 * DAY
    trust.look()
    assert not trust.trusted()
    assert trust.reason is not None
    assert "a -259200 s, b -259200 s, c -259200 s" in trust.reason
    host.wall_offset -= 3 * DAY
    trust.look()
    assert trust.trusted()
    host.wall_offset += 3 * DAY
    for panel in ("b", "c"):
        trust.heard(panel, None)
    trust.look()
    assert trust.trusted(), "one panel alone may be wrong itself"


def test_a_believed_host_does_not_move_a_panel_on_the_word_of_those_that_it_set_itself() -> None:
    host = Host()
    trust = begin(host, {})
    trust.heard("right", showing(host, 3 * DAY))
    trust.heard("set", showing(host, 0, moment_of(host)))
    assert not trust.may_move("right", 3 * DAY)
    assert trust.may_move("right", 3600)
    trust.heard("other", showing(host, 2))
    assert trust.may_move("right", 3 * DAY)


def test_a_host_that_was_synchronised_in_this_boot_asks_the_panels_that_it_set() -> None:
    host = Host(Sync.SYNCHRONISED)
    trust = begin(host, {})
    host.sync = Sync.UNSYNCHRONISED
    trust.look()
    trust.heard("wrong", showing(host, 3 * DAY))
    assert not trust.may_move("wrong", 3 * DAY)
    trust.heard("other", showing(host, 0, moment_of(host)))
    assert trust.may_move("wrong", 3 * DAY)


def test_a_wait_for_silent_panels_that_ends_while_others_are_served_keeps_no_door_closed_for_longer() -> None:
    """Its last moment may pass between two looks at the clock: then the next look comes at once."""
    host = Host(Sync.UNKNOWN)
    trust = begin(host, {})
    trust.expect("silent")
    assert 0 < pause_s(trust.patience_s()) <= 2
    host.passed += 2
    assert pause_s(trust.patience_s()) == 0
    trust.pass_over_the_silent()
    assert not trust.awaiting, "what opens waits no longer"
    assert pause_s(trust.patience_s()) > 2
