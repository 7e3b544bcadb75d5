"""Wrong logins are counted where they come from and whom they are for."""

from __future__ import annotations

import logging

import pytest

from gateway.api.known_addresses import KNOWN_S, KnownAddresses
from gateway.api.throttle import AT_ONCE, EACH_S, NOBODY, Throttle
from tests.support.api_server import OwnedClock

HERE, THERE = "192.0.2.7", "192.0.2.8"


@pytest.fixture
def clock() -> OwnedClock:
    return OwnedClock()


@pytest.fixture
def throttle(clock: OwnedClock) -> Throttle:
    return Throttle(clock)


def fail(throttle: Throttle, address: str, user: str = "admin", times: int = AT_ONCE) -> None:
    for _ in range(times):
        throttle.failed(address, user)


def test_ten_at_once_then_one_each_36_seconds(throttle: Throttle, clock: OwnedClock) -> None:
    fail(throttle, HERE, times=9)
    assert throttle.wait_s(HERE, "admin") == 0
    fail(throttle, HERE, times=1)
    assert throttle.wait_s(HERE, "admin") == pytest.approx(EACH_S)
    clock.now += 35
    assert throttle.wait_s(HERE, "admin") == pytest.approx(1)
    clock.now += 1
    assert throttle.wait_s(HERE, "admin") == 0
    fail(throttle, HERE, times=1)
    assert throttle.wait_s(HERE, "admin") == pytest.approx(EACH_S)


def test_about_a_hundred_an_hour(throttle: Throttle, clock: OwnedClock) -> None:
    tried, end = 0, clock.now + 3600
    while clock.now < end:
        if throttle.wait_s(HERE, "admin") == 0:
            throttle.failed(HERE, "admin")
            tried += 1
        clock.now += 1
    assert tried in range(100, 112)


def test_somebody_elses_guesses_do_not_stop_other_addresses_or_users(throttle: Throttle) -> None:
    fail(throttle, HERE)
    assert throttle.wait_s(THERE, "admin") == 0
    assert throttle.wait_s(HERE, "operator") == 0


def test_many_addresses_together_are_stopped_but_not_those_who_were_in(throttle: Throttle, clock: OwnedClock) -> None:
    throttle.succeeded(HERE, "admin")
    for number in range(20):
        fail(throttle, f"198.51.100.{number}")
    assert throttle.wait_s(THERE, "admin") > 0
    assert throttle.wait_s(HERE, "admin") == 0
    fail(throttle, HERE)
    assert throttle.wait_s(HERE, "admin") > 0, "it has a count of its own"
    clock.now += KNOWN_S
    assert throttle.wait_s(HERE, "admin") == 0
    for number in range(20):
        fail(throttle, f"198.51.100.{number}")
    assert throttle.wait_s(HERE, "admin") > 0, "after 30 days it is a stranger again"


def test_one_address_cannot_try_every_user(throttle: Throttle) -> None:
    for number in range(100):
        fail(throttle, HERE, f"user {number}", times=1)
    assert throttle.wait_s(HERE, "admin") > 0


def test_a_subscriber_has_one_count_however_many_ipv6_addresses(throttle: Throttle) -> None:
    for number in range(AT_ONCE):
        fail(throttle, f"2001:db8:1:2::{number:x}", times=1)
    assert throttle.wait_s("2001:db8:1:2:ffff::1", "admin") > 0
    assert throttle.wait_s("2001:db8:1:3::1", "admin") == 0
    fail(throttle, "::ffff:192.0.2.7")
    assert throttle.wait_s(HERE, "admin") > 0


def test_counts_are_bounded(throttle: Throttle) -> None:
    for number in range(30_000):
        throttle.failed(f"10.0.{number // 256}.{number % 256}", "admin")
    assert len(throttle._counts) <= 20_000


def test_one_warning_a_burst_and_way(throttle: Throttle, clock: OwnedClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for way in ("login", "basic"):
        for _ in range(20):
            throttle.tell(HERE, "admin", way, "admin")
            throttle.failed(HERE, "admin")
    assert [(vars(record)["way"], vars(record)["user"], vars(record)["remote"]) for record in caplog.records] == [
        ("login", "admin", HERE),
        ("basic", "admin", HERE),
    ]
    clock.now += 40 * EACH_S
    throttle.tell(HERE, "admin", "login", "admin")
    assert len(caplog.records) == 3


def test_tokens_that_strangers_guess_stop_no_client_whose_own_token_has_ended(throttle: Throttle) -> None:
    throttle.succeeded(HERE, "admin")
    for last in range(20, 60):
        fail(throttle, f"198.51.100.{last}", NOBODY)
    assert throttle.wait_s("198.51.100.20", NOBODY) > 0
    assert throttle.wait_s(HERE, NOBODY) == 0
    assert throttle.wait_s(THERE, NOBODY) == 0


def test_wrong_logins_of_others_at_the_same_address_stop_no_token_of_somebody_who_was_in(throttle: Throttle) -> None:
    throttle.succeeded(HERE, "admin")
    for user in range(20):
        fail(throttle, HERE, f"user {user}")
    assert throttle.wait_s(HERE, "another") > 0
    assert throttle.wait_s(HERE, NOBODY) == 0


def test_an_address_is_known_over_a_restart_for_thirty_days_in_all(clock: OwnedClock) -> None:
    before = KnownAddresses(clock)
    before.logged_in(HERE, "admin")
    clock.now += 20 * 86_400
    before.logged_in("2001:db8::7", "admin")
    before.logged_in("::ffff:192.0.2.9", "admin")
    text = before.unsaved()
    assert text is not None
    before.saved()
    assert before.unsaved() is None, "nothing is written twice"
    clock.now += 9 * 86_400
    known = KnownAddresses(clock, text)
    assert known.is_known(HERE, "admin")
    assert known.is_known(HERE)
    assert not known.is_known(HERE, "operator")
    assert known.is_known("2001:db8:0::7", "admin")
    assert known.is_known("192.0.2.9", "admin")
    assert known.unsaved() is None
    clock.now += 86_400
    assert not known.is_known(HERE, "admin")
    assert known.is_known("2001:db8::7", "admin")
    known.logged_in("2001:db8::7", "admin")
    assert known.unsaved() is not None, "a login long after the one that is kept is kept too"


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[["192.0.2.7", "admin", "soon"]]', '[["192.0.2.7", "admin"]]', "null", "1e400"]
)
def test_what_cannot_be_read_of_known_addresses_keeps_no_gateway_from_starting(clock: OwnedClock, text: str) -> None:
    assert not KnownAddresses(clock, text).is_known(HERE)


def test_a_clock_that_was_set_back_makes_no_login_of_the_future(clock: OwnedClock) -> None:
    before = KnownAddresses(clock)
    before.logged_in(HERE, "admin")
    text = before.unsaved() or ""
    clock.now -= 400 * 86_400
    known = KnownAddresses(clock, text)
    assert known.is_known(HERE, "admin")
    clock.now += KNOWN_S
    assert not known.is_known(HERE, "admin")


def test_what_is_kept_of_known_addresses_is_bounded(clock: OwnedClock) -> None:
    known = KnownAddresses(clock)
    for number in range(12_000):
        known.logged_in(f"2001:db8::{number:x}", "admin")
    text = known.unsaved()
    assert text is not None
    assert len(text) < 600_000
    assert not known.is_known("2001:db8::1")
    assert KnownAddresses(clock, text).is_known(f"2001:db8::{11_999:x}", "admin")


def test_a_login_while_the_ones_before_it_are_written_is_not_forgotten(clock: OwnedClock) -> None:
    known = KnownAddresses(clock)
    known.logged_in(HERE, "admin")
    assert known.unsaved() is not None
    known.logged_in(THERE, "admin")
    known.saved()
    text = known.unsaved()
    assert text is not None
    assert THERE in text
