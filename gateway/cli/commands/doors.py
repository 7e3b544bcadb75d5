"""Doors: who may open them, what is commanded to them, and what happened."""

from __future__ import annotations

import click

from gateway.cli import options
from gateway.cli.options import Asked, Listing, command

_door = click.argument("door", type=options.DOOR, shell_complete=options.completed("doors"))


def _commanded(asked: Asked, door: str, action: str, seconds: float | None = None) -> int:
    from gateway.cli import doors

    return doors.command(asked, door, action, seconds)


@command("who", "who north-door", "who north-door fri 18:30", "who 'North door' 2026-12-24 08:00")
@options.asking
@_door
@options.when
def who(asked: Asked, door: str, when: tuple[str, ...]) -> int:
    """Tell who may open a door, now or at a moment."""
    from gateway.cli import access

    return access.who(asked, door, when)


@command("where", "where 'Sherlock Holmes'", "where 12345678 tomorrow 9:00", "where 'Work week' mon 8:00")
@options.asking
@click.argument("name", type=options.ITEM, metavar="PERSON|PROFILE")
@options.when
def where(asked: Asked, name: str, when: tuple[str, ...]) -> int:
    """Tell which doors a person may open, or those who have a time profile, now or at a moment."""
    from gateway.cli import access

    return access.where(asked, name, when)


@command("when", "when 'Sherlock Holmes' north-door", "when 12345678 north-door --days 3")
@options.asking
@click.argument("person", type=options.ITEM)
@_door
@click.option("--days", type=options.DAYS, default=14, show_default=True, metavar="N", help="How many days from today on.")
def when(asked: Asked, person: str, door: str, days: int) -> int:
    """Show the times at which a person may open a door."""
    from gateway.cli import access

    return access.times(asked, person, door, days)


@click.group("doors", cls=Listing)
def doors() -> None:
    """List doors with their state, or show one."""


@doors.add
@command("list", "doors", "doors list --json")
@options.asking
def list_doors(asked: Asked) -> int:
    """List every door with its state."""
    from gateway.cli import doors

    return doors.doors(asked, None)


@doors.add
@command("show", "doors show north-door")
@options.asking
@_door
def show_door(asked: Asked, door: str) -> int:
    """Show one door."""
    from gateway.cli import doors

    return doors.doors(asked, door)


@command("open", "open north-door", "open north-door --seconds 10")
@options.asking
@_door
@click.option("--seconds", type=options.SECONDS, metavar="S", help="In place of the door's own time, at most a day.")
def open(asked: Asked, door: str, seconds: int | None) -> int:
    """Open a door once."""
    return _commanded(asked, door, "open", seconds)


@command("hold", "hold north-door 600")
@options.asking
@_door
@click.argument("seconds", type=options.SECONDS)
def hold(asked: Asked, door: str, seconds: int) -> int:
    """Hold a door open for a number of seconds."""
    return _commanded(asked, door, "hold", seconds)


@command("release", "release north-door")
@options.asking
@_door
def release(asked: Asked, door: str) -> int:
    """End the holding open of a door."""
    return _commanded(asked, door, "release")


@command("events", "events", "events --follow", "events --kinds panel_away,panel_back --last 100")
@options.asking
@click.option("--follow", is_flag=True, help="Go on with each event as it happens, until Ctrl-C.")
@click.option(
    "--kinds",
    type=options.Text("kinds of events"),
    metavar="KIND,KIND",
    shell_complete=options.completed_kinds,
    help="These kinds alone.",
)
@click.option(
    "--last", type=options.COUNT, default=20, show_default=True, metavar="N", help="How many of those that were before."
)
def events(asked: Asked, follow: bool, kinds: str | None, last: int) -> int:
    """Show what happened, oldest first."""
    from gateway.cli import happenings

    return happenings.events(asked, follow=follow, kinds=kinds, last=last)
