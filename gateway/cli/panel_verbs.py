"""What an operator asks of one panel."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from gateway.cli.answers import Acted
from gateway.cli.client import quoted, running
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, confirmed, counted, say, say_json
from gateway.cli.waiting import is_settled, next_second, settled

_QUESTIONS: Mapping[str, str] = {
    "reinit": "{panel} is erased, and lets nobody in until {items} written again. Go on?",
    "erase": "{panel} is erased, and lets nobody in any more. Go on?",
}


def act(asked: Asked, panel: str, action: str, query: str, *, wait: bool, ask: bool) -> int:
    """`action`: a verb of the gateway's own surface. `ask`: the person at the terminal, where there is one. With `wait`, status 1
    where the panel does not hold all that it can after a minute."""
    gateway, name = running(asked), quoted(panel)
    if ask and sys.stdin.isatty():
        desired = gateway.panel(panel).desired
        items = f"{counted(desired, 'item')} {'is' if desired == 1 else 'are'}"
        if not confirmed(_QUESTIONS[action].format(panel=panel, items=items)):
            raise Mistakes([f"{panel}: left as it is"])
    since, off_s = next_second(gateway) if wait else (0, 0.0)
    time.sleep(off_s)
    answer = gateway.post(f"/gateway/v1/panels/{name}/{action}{query}")
    if asked.as_json:
        say_json(answer)
    elif not wait:
        done = gateway.read(Acted, answer)
        say(f"{done.panel}: {done.action} asked for")
    if not wait:
        return 0
    held = settled(gateway, [panel], since)[panel]
    if not is_settled(held, since):
        raise Mistakes([f"{panel}: {action} is not done after a minute: {held.state}, {held.last_error or 'still at work'}"])
    if not asked.as_json:
        say(f"{panel}: {action} done, it holds {held.held} of {counted(held.desired, 'item')}")
    return 0
