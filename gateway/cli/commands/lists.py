"""Lists of what there is: time profiles, people, bindings, lines. Each lists where no further word is typed."""

from __future__ import annotations

import click

from gateway.cli import options
from gateway.cli.options import Asked, Listing, command


@click.group("profiles", cls=Listing)
def profiles() -> None:
    """List time profiles, or show one with what the panels hold of it."""


@profiles.add
@command("list", "profiles", "profiles list --json")
@options.asking
def list_profiles(asked: Asked) -> int:
    """List every time profile with its hours."""
    from gateway.cli import listing

    return listing.listed(asked, "timeprofile")


@profiles.add
@command("show", "profiles show 'Work week'")
@options.asking
@click.argument("profile", type=options.ITEM)
def show_profile(asked: Asked, profile: str) -> int:
    """Show one time profile: its hours, who has it, and what the panels hold of it."""
    from gateway.cli import listing

    return listing.shown(asked, "timeprofile", profile)


@click.group("people", cls=Listing)
def people() -> None:
    """List people (cards, key fobs, codes, plates, QR codes), or show one with what the panels hold."""


@people.add
@command("list", "people", "people list --json")
@options.asking
def list_people(asked: Asked) -> int:
    """List every identifier with its time profiles."""
    from gateway.cli import listing

    return listing.listed(asked, "identifier")


@people.add
@command("show", "people show 'Sherlock Holmes'", "people show 12345678")
@options.asking
@click.argument("person", type=options.ITEM)
def show_person(asked: Asked, person: str) -> int:
    """Show one identifier: its number, its time profiles, and what the panels hold of it."""
    from gateway.cli import listing

    return listing.shown(asked, "identifier", person)


@click.group("bindings", cls=Listing)
def bindings() -> None:
    """List which panels every item is for, and whether the file or an override says so; set and unset overrides."""


@bindings.add
@command("list", "bindings", "bindings list --json")
@options.asking
def list_bindings(asked: Asked) -> int:
    """List the panels of every item that has a link_id."""
    from gateway.cli import listing

    return listing.bindings(asked, None)


@bindings.add
@command("show", "bindings show 'Work week'")
@options.asking
@click.argument("item", type=options.ITEM)
def show_binding(asked: Asked, item: str) -> int:
    """Show the panels of one item."""
    from gateway.cli import listing

    return listing.bindings(asked, item)


@bindings.add
@command("set", "bindings set 'Work week' lobby gate:3 @doors")
@options.asking
@click.argument("item", type=options.ITEM)
@click.argument("panels", nargs=-1, type=options.PANELS, required=True, shell_complete=options.completed("panels"))
def set_binding(asked: Asked, item: str, panels: tuple[str, ...]) -> int:
    """Bind an item to panels, outputs (gate:3) and groups (@doors), in place of the configuration's rules."""
    from gateway.cli import listing

    return listing.bind(asked, item, panels)


@bindings.add
@command("unset", "bindings unset 'Work week'")
@options.asking
@click.argument("item", type=options.ITEM)
def unset_binding(asked: Asked, item: str) -> int:
    """Return to the configuration's rules for an item."""
    from gateway.cli import listing

    return listing.unbind(asked, item)


@command("lines", "lines", "lines rs485-a")
@options.asking
@click.argument("line", type=options.LINE, required=False, shell_complete=options.completed("lines"))
def lines(asked: Asked, line: str | None) -> int:
    """Show the traffic of every line and unit since the gateway started."""
    from gateway.cli import listing

    return listing.lines(asked, line)
