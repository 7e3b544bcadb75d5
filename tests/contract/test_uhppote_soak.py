"""A UHPPOTE line on which everything goes wrong, from a seed, in virtual time: no claim of profiles or cards that is not true.

PANEL_GATEWAY_BOARD_SOAK sets how many exchanges are made at least.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from random import Random
from typing import cast

import pytest

from config.panel_model import load_models
from config.settings import SimulatorSettings, UhppoteLineSettings, UhppotePanelSettings
from drivers.contract import Acknowledgement, IdentifierSlot, Outcome, PanelDriver, PanelImage, Period, Priority, Slot
from drivers.uhppote.line import UhppoteLine
from drivers.uhppote.panel.driver import UhppoteDriver
from simulators.faults import FaultRates, Faults
from simulators.uhppote_board import UhppoteBoard
from simulators.uhppote_line import BoardResponder
from tests.support.board_wire import BoardWire
from tests.support.virtual_time import VirtualClock
from tests.support.virtual_udp import VirtualUdpLoop

P = Priority.GRANT
RATES = FaultRates(
    lose_request=0.01,
    lose=0.01,
    delay=0.05,
    late=0.01,
    duplicate=0.02,
    truncate=0.005,
    foreign_unit=0.01,
    refuse=0.002,
    power_cut=0.002,
    power_cut_before_commit=0.005,
    power_cut_after_commit=0.005,
    away=0.0005,
    late_ms=250.0,
    away_ms=2000.0,
)
MODEL = load_models(None)["uhppote"]


def drawn(random: Random) -> PanelImage:
    """Chains of one to three profiles on a few slots that are used again and again, and cards that name their first."""
    free = random.sample(range(2, 12), 10)
    slots: dict[int, Slot] = {}
    heads: list[int] = []
    for name in random.sample(("a", "b", "c"), random.randint(0, 3)):
        chain = [free.pop() for _ in range(random.randint(1, 3))]
        heads.append(chain[0])
        for number, link in zip(chain, [*chain[1:], None], strict=True):
            start = random.randrange(0, 1200, 60)
            periods = (Period(random.choice((31, 96, 127)), start, start + random.randint(30, 200)),)
            slots[number] = Slot((name,), periods, 20_700, 20_700 + random.randint(1, 400), link=link)
    identifiers: dict[int, IdentifierSlot] = {}
    for place, card in enumerate(random.sample(range(1, 9), random.randint(0, 5))):
        head = random.choice((None, *heads))
        outputs = tuple(sorted(random.sample(range(4), 2)))
        schedules = None if head is None else (head,)
        identifiers[place] = IdentifierSlot(space="card", number=card, schedules=schedules, outputs=outputs)
    return PanelImage(slots=slots, identifiers=identifiers)


async def read(driver: PanelDriver, clock: VirtualClock) -> PanelImage:
    while isinstance(found := await driver.read_back(P, None), Acknowledgement):
        assert found.image is None
        await clock.sleep(2)
    return found


async def soak(exchanges: int, seed: int) -> Counter[Outcome]:
    random, clock = Random(seed), VirtualClock()
    settings = UhppotePanelSettings(id="panel", model="uhppote", serial=405_419_896, simulator=SimulatorSettings(latency_ms=1))
    line = UhppoteLineSettings(id="boards", host="127.0.0.1", port=60_000, timeout_ms=100, probe_share=0.5, panels=(settings,))
    board = UhppoteBoard(settings, clock.wall, clock.monotonic)
    responder = BoardResponder([board])
    cast("VirtualUdpLoop", asyncio.get_running_loop()).boards = responder
    past_the_line = BoardWire(board, clock)
    past_the_line.takes_s = lambda request: 0.0
    truth = UhppoteDriver(settings, MODEL, past_the_line, clock)
    made = UhppoteLine(line, clock)
    await made.bus.start()
    driver = made.add_panel(settings, {"uhppote": MODEL})
    outcomes: Counter[Outcome] = Counter()
    try:
        known = await read(driver, clock)
        responder.set_faults(Faults(RATES, seed))
        while made.bus.statistics().line.exchanges < exchanges:
            target = drawn(random)
            done = await driver.apply(driver.plan(target, known), P, None)
            outcomes[done.outcome] += 1
            held = await read(truth, clock)
            if done.outcome is Outcome.ACKNOWLEDGED:
                assert done.image == target
            if done.image is not None:
                assert driver.plan(done.image, held).empty, done
            known = await read(driver, clock) if done.image is None else done.image
            assert driver.plan(known, await read(truth, clock)).empty
    finally:
        await made.bus.stop(10)
    return outcomes


@pytest.mark.parametrize(
    "exchanges", [3000, pytest.param(int(os.environ.get("PANEL_GATEWAY_BOARD_SOAK", "30000")), marks=pytest.mark.long)]
)
def test_no_claim_of_a_board_that_is_not_true(exchanges: int) -> None:
    with asyncio.Runner(loop_factory=VirtualUdpLoop) as runner:
        outcomes = runner.run(soak(exchanges, seed=21))
    assert outcomes[Outcome.ACKNOWLEDGED] > outcomes.total() // 4, outcomes
    assert outcomes[Outcome.UNCONFIRMED] > 0, outcomes
