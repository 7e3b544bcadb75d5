"""`kill -9` at random moments under load, in a size for every run; `python -m tests.benchmarks.kill9` kills a thousand times."""

import pytest

from tests.benchmarks.kill9 import run

pytestmark = [pytest.mark.cpu, pytest.mark.long]


async def test_nothing_that_was_answered_is_lost_and_no_slot_is_doubled() -> None:
    desired = await run(kills=10, seed=7)
    assert desired.lies == []
    assert desired.counts["kills"] == 10
    assert desired.counts["settled on a panel"] > 0
