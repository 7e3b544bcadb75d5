"""Tokens: whose they are, when they end, and that nothing brings them back."""

from __future__ import annotations

import pytest

from config.settings import UserSettings
from gateway.api.sessions import TOKEN_LIFE_S, Sessions
from gateway.api.users import Users
from tests.support.api_server import OwnedClock

ADMIN, LINK = UserSettings(name="admin", password="123456"), UserSettings(name="link", password="abc")


@pytest.fixture
def clock() -> OwnedClock:
    return OwnedClock()


@pytest.fixture
def sessions(clock: OwnedClock) -> Sessions:
    return Sessions(Users([ADMIN, LINK]), clock)


def test_one_users_logins_end_only_that_users_tokens_least_recently_used_first(sessions: Sessions) -> None:
    other, first, second = sessions.begin("link"), sessions.begin("admin"), sessions.begin("admin")
    for _ in range(1023):
        sessions.begin("admin")
    assert sessions.user_of(first) is None
    assert sessions.user_of(second) == "admin"
    assert sessions.user_of(other) == "link"


def test_clients_that_log_in_before_every_call_end_no_token_that_is_in_use(sessions: Sessions) -> None:
    once, often = sessions.begin("admin"), sessions.begin("admin")
    assert [sessions.user_of(token) for token in (once, often, often)] == ["admin"] * 3
    for _ in range(8000):
        sessions.begin("admin")
        assert sessions.user_of(sessions.begin("admin")) == "admin"
    assert sessions.user_of(once) == "admin"
    for _ in range(20_000):
        assert sessions.user_of(sessions.begin("admin")) == "admin"
    assert sessions.user_of(often) == "admin"


def test_a_new_token_is_good_however_many_are_in_use(sessions: Sessions) -> None:
    for _ in range(10_000):
        token = sessions.begin("admin")
        assert [sessions.user_of(token) for _ in range(3)] == ["admin"] * 3
    waiting = [sessions.begin("admin") for _ in range(1000)]
    assert all(sessions.user_of(token) == "admin" for token in waiting)


def test_what_has_ended_stays_ended(sessions: Sessions) -> None:
    out, changed, gone, kept = (sessions.begin(user) for user in ("admin", "admin", "link", "admin"))
    sessions.end(out)
    assert sessions.user_of(out) is None
    sessions.change_users(Users([UserSettings(name="admin", password="other")]))
    sessions.change_users(Users([ADMIN, LINK]))
    assert [sessions.user_of(token) for token in (out, changed, gone, kept)] == [None] * 4
    assert all(sessions.has_ended(token) for token in (out, changed, gone, kept))
    fresh = sessions.begin("admin")
    sessions.change_users(Users([ADMIN]))
    assert sessions.user_of(fresh) == "admin", "the same password changes nothing"


def test_a_token_ends_by_age_and_is_remembered(sessions: Sessions, clock: OwnedClock) -> None:
    token = sessions.begin("admin")
    clock.now += TOKEN_LIFE_S - 1
    assert sessions.user_of(token) == "admin"
    clock.now += 1
    assert sessions.user_of(token) is None
    assert sessions.has_ended(token)
    sessions.end(token)
    assert not sessions.has_ended("never given")


def test_what_is_remembered_of_ended_tokens_is_bounded(sessions: Sessions) -> None:
    for number in range(20_000):
        sessions.remember_ended(f"{number:08x}-0000-4000-8000-000000000000")
    sessions.remember_ended("not one of ours")
    assert not sessions.has_ended("not one of ours")
    assert not sessions.has_ended("00000000-0000-4000-8000-000000000000")
    assert sessions.has_ended("00004e1f-0000-4000-8000-000000000000")


def test_a_name_that_nobody_has_is_not_shown() -> None:
    users = Users([ADMIN])
    assert users.shown("admin") == "admin"
    assert users.shown("hunter2") == "(unknown)"
