"""Who gets a place when there are more connections than places."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.connections import HEALTH_PLACES, Connection, Connections, Limits
from gateway.ops.descriptors import ACCEPTED_AT_ONCE, connections


class Site:
    def __init__(self, total: int = 20, per_address: int = 100) -> None:
        self.connections = Connections(Limits(total, per_address))
        self.closed: list[str] = []

    def open(self, name: str, address: str | None = None) -> Connection | None:
        return self.connections.opened(address, lambda: self.closed.append(name))

    def opened(self, name: str, address: str | None = None) -> Connection:
        made = self.open(name, address)
        assert made is not None
        return made


def test_the_longest_idle_stranger_makes_way() -> None:
    site = Site(total=HEALTH_PLACES + 3)
    first, second, _ = (site.opened(name) for name in "abc")
    site.connections.begins(first)
    site.connections.ends(first)
    assert site.opened("d").general
    assert site.closed == ["b"]
    site.connections.gone(second)
    assert site.opened("e").general
    assert site.closed == ["b", "c"]


def test_one_with_a_request_in_work_or_logged_in_never_makes_way() -> None:
    site = Site(total=HEALTH_PLACES + 2)
    working, known = site.opened("working"), site.opened("known")
    assert site.connections.begins(working)
    known.admitted = True
    late = site.opened("late")
    assert not late.general
    assert not site.connections.begins(late), "only for the health paths"
    site.connections.ends(late)
    for number in range(100):
        assert site.open(f"{number}") is not None
    assert "working" not in site.closed
    assert "known" not in site.closed
    site.connections.gone(working)
    newest = site.opened("newest")
    assert site.connections.begins(newest)


def test_an_address_has_its_share_and_pushes_out_only_its_own() -> None:
    site = Site(total=100, per_address=2)
    other = site.opened("other", "192.0.2.1")
    one, two = site.opened("one", "192.0.2.7"), site.opened("two", "192.0.2.7")
    site.connections.begins(one)
    assert site.open("three", "192.0.2.7") is not None
    assert site.closed == ["two"]
    assert two not in site.connections._open
    site.connections.begins(other)
    for connection in list(site.connections._open):
        site.connections.begins(connection)
    assert site.open("four", "192.0.2.7") is None
    assert site.open("many", None) is not None


def test_a_burst_from_an_address_that_has_logged_in_costs_it_no_request() -> None:
    site = Site(total=100, per_address=3)
    sent = {name: name != "idle" for name in ("one", "idle", "two", "three", "four")}
    for name, has_sent in sent.items():
        close, has_bytes = partial(site.closed.append, name), partial(bool, has_sent)
        assert site.connections.opened("a", close, has_bytes, is_known=True)
    assert site.closed == ["idle"], "more than its share, and none of them idle"
    assert site.connections.opened("b", lambda: None) is not None


def test_a_request_that_has_arrived_is_not_idle_though_nobody_has_begun_with_it() -> None:
    site = Site(per_address=1)
    site.connections.arrived(site.opened("one", "a"))
    assert site.open("two", "a") is None
    assert site.closed == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("obeg"), st.integers(0, 9), st.sampled_from([None, "a", "b"])), max_size=80))
def test_the_counts_are_those_of_what_is_open(steps: list[tuple[str, int, str | None]]) -> None:
    connections = Connections(Limits(HEALTH_PLACES + 4, 3))
    made: list[Connection] = []
    for step, number, address in steps:
        if step == "o":
            opened = connections.opened(address, lambda: None)
            made += [opened] if opened is not None else []
        elif made:
            act = {"b": connections.begins, "e": connections.ends, "g": connections.gone}[step]
            act(made[number % len(made)])
        live = connections._open
        assert connections._general == sum(one.general for one in live) <= 4
        assert len(live) <= HEALTH_PLACES + 4
        for name in ("a", "b"):
            assert connections._of_address[name] == sum(one.address == name for one in live) <= 3
        assert set(connections._idle) <= live


@pytest.mark.parametrize(
    ("limit", "used", "lines", "expected"),
    [(8192, 20, 10, 1000), (1024, 20, 0, 964), (1024, 20, 300, 364), (160, 20, 0, 100), (64, 30, 5, 32)],
)
def test_connections_keep_below_the_limit_of_descriptors(limit: int, used: int, lines: int, expected: int) -> None:
    allowed = connections(limit, used, lines, wanted=1000)
    assert allowed == expected
    if allowed > 32:
        assert used + 2 * lines + allowed + 2 * ACCEPTED_AT_ONCE < limit
