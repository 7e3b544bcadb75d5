"""The pace of the look at every word: each frame in turn, spread over the hours that an operator chose, and truly told."""

from __future__ import annotations

from drivers.contract import Stretch
from gateway.fleet.panel.whole_look import Reached, WholeLook

HOUR = 3600.0
FRAMES = tuple(Stretch(False, first, 8) for first in (0, 8, 16, 24))


class Host:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def test_frames_are_looked_at_in_turn_and_the_turn_begins_anew_behind_the_last() -> None:
    look, seen = WholeLook(1.0, Host()), []
    for _ in range(6):
        frame = look.next(FRAMES)
        assert frame is not None
        seen.append(frame)
        look.looked(frame, FRAMES, wall=1000.0)
    assert seen == [*FRAMES, *FRAMES[:2]]


def test_a_frame_that_is_gone_makes_no_other_one_be_left_out() -> None:
    look = WholeLook(1.0, Host())
    look.looked(FRAMES[1], FRAMES, wall=1000.0)
    assert look.next((FRAMES[0], FRAMES[2], FRAMES[3])) == FRAMES[2]
    assert look.next(FRAMES[:2]) == FRAMES[0]


def test_frames_are_spread_over_four_fifths_of_the_hours_after_half_a_minute() -> None:
    host = Host()
    look = WholeLook(1.0, host)
    assert look.due_at() == host.now + 30
    look.next(FRAMES)
    look.attempted()
    assert look.due_at() == host.now + 30 + 0.8 * HOUR / 4


def test_a_gateway_that_had_no_time_does_not_make_up_for_it_in_one_go() -> None:
    host = Host()
    look = WholeLook(1.0, host)
    look.next(FRAMES)
    host.now += 5 * HOUR
    look.attempted()
    assert look.due_at() == host.now


def test_a_panel_of_which_a_quick_look_leaves_nothing_out_is_asked_for_no_frame() -> None:
    host = Host()
    look = WholeLook(1.0, host)
    assert look.next(()) is None
    assert look.by_quick_look
    look.attempted()
    assert look.due_at() == host.now + 30 + 0.8 * HOUR
    look.next(FRAMES)
    assert not look.by_quick_look


def test_how_far_the_look_came_is_told_when_a_turn_ended_or_takes_too_long() -> None:
    host = Host()
    look = WholeLook(2.0, host)
    host.now += 2 * HOUR
    assert look.reached() == Reached(None, None)
    host.now += 360
    assert look.reached() == Reached(2.1, None), "the first turn takes too long"
    look.looked(FRAMES[2], FRAMES, wall=7000.5)
    assert look.reached().ended_at is None
    look.looked(FRAMES[3], FRAMES, wall=8000.5)
    host.now += HOUR
    assert look.reached() == Reached(2.1, 8000), "the last turn"
    host.now += 2 * HOUR
    assert look.reached() == Reached(3.0, 8000), "the one under way takes longer"
    look.all_looked_at(9000.0)
    assert look.reached() == Reached(3.0, 9000)


def test_what_was_looked_at_of_another_unit_does_not_count() -> None:
    host = Host()
    look = WholeLook(2.0, host)
    look.looked(FRAMES[3], FRAMES, wall=8000.0)
    look.looked(FRAMES[0], FRAMES, wall=8000.0)
    host.now += HOUR
    look.begin_anew()
    assert look.reached() == Reached(None, None)
    assert look.next(FRAMES) == FRAMES[0]
    host.now += 2 * HOUR + 360
    assert look.reached() == Reached(2.1, None)
