"""`panel-gateway trust-clock`: an operator's word for the clock of the gateway's host."""

from __future__ import annotations

from datetime import datetime

from gateway.cli.answers import Clock, ClockAnswer
from gateway.cli.client import running
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, confirmed, say, say_json


def clock_lines(clock: Clock) -> list[str]:
    """What is to be known of the host's clock; nothing where all is well."""
    reason = [] if clock.trusted else [f"the clock is not trusted, nothing is opened: {clock.reason}"]
    return reason + [f"{warning.severity}: {warning.text}" for warning in clock.warnings]


def trust_clock(asked: Asked, *, yes: bool) -> int:
    """Shows the time of the gateway's host, and takes somebody's word for it."""
    gateway = running(asked)
    clock = gateway.ask(ClockAnswer, "/gateway/v1/clock").clock
    shown = datetime.fromtimestamp(clock.at, gateway.zone)
    question = "\n".join([*clock_lines(clock), f"The gateway's host says that it is {shown:%A, %Y-%m-%d %H:%M:%S %Z}."])
    if not yes and not confirmed(f"{question} Is that right?"):
        raise Mistakes(["the clock is left as it is"])
    body = gateway.post(f"/gateway/v1/clock/trust?at={clock.at}&up_s={clock.up_s}")
    if asked.as_json:
        say_json(body)
    else:
        say(f"trusted until the host boots or its clock is set: {shown:%Y-%m-%d %H:%M:%S %Z}")
    return 0
