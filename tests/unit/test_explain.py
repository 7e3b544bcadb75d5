"""Why a panel is open or closed at a moment: what differs first, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.contract import PanelImage, Slot
from gateway.compiler.explain import Explanation, explain
from gateway.schedules.time_profile import Frequency, Repeat, TimeProfile
from tests.unit.test_compiler import DOMAT, NOW, OPEN_PANEL, READINGS, at, bound, compiled, profile, weekly

MONTHLY = profile("a", "2026-11-02T09:00", "2026-11-02T18:00", Repeat(Frequency.MONTH))


def explained(asked: TimeProfile, moment: str, held: PanelImage | None = None) -> Explanation:
    return explain(asked, READINGS, at(moment), compiled(bound(asked)), held, OPEN_PANEL)


@pytest.mark.parametrize(
    ("asked", "moment", "message"),
    [
        (profile("a", "2026-11-02T09:00:30", "2026-11-02T18:00"), "2026-11-02T09:00:45", "the panel counts whole minutes"),
        (MONTHLY, "2028-01-02T10:00", "the image is written until"),
        (profile("a", "2026-10-05T09:00", "2026-10-05T18:00"), "2026-10-05T10:00", "no further occurrence"),
        (
            replace(MONTHLY, date_from=at("2026-10-02T09:00"), date_to=at("2026-10-02T18:00")),
            "2026-10-02T10:00",
            "compiled for a later",
        ),
    ],
    ids=["seconds", "valid_until", "past", "before now"],
)
def test_what_is_said_where_the_image_does_less_than_is_asked(asked: TimeProfile, moment: str, message: str) -> None:
    found = explained(asked, moment)
    assert (found.compiled, found.held, found.differs_at) == (False, None, "compiled")
    assert (found.message or "").startswith(message)


def test_what_was_never_read_is_no_difference() -> None:
    found = explained(weekly("a"), "2026-11-02T10:00")
    assert (found.compiled, found.held, found.differs_at) == (True, None, None)


def test_a_slot_that_nobody_can_read_may_do_anything() -> None:
    image = compiled(bound(weekly("a")), now=NOW)
    unreadable = replace(image, slots={number: Slot((), opaque=(1, 2)) for number in image.slots})
    found = explained(weekly("a"), "2026-11-02T10:00", unreadable)
    assert (found.compiled, found.held, found.differs_at) == (True, None, None)


def test_a_refused_profile_differs_only_when_it_is_asked_to_be_open() -> None:
    image = compiled(bound(MONTHLY), DOMAT)
    differs = [
        explain(MONTHLY, READINGS, at(moment), image, PanelImage(), DOMAT) for moment in ("2026-11-02T10:00", "2026-11-03T10:00")
    ]
    assert [(each.compiled, each.differs_at) for each in differs] == [(None, "compiled"), (None, None)]
    assert (differs[0].message or "").startswith("a weekly table would go stale")
