"""Questions to the running gateway."""

from __future__ import annotations

import click

from gateway.cli import options
from gateway.cli.options import Asked, command


@command("status", "status", "status lobby --watch", "status --exit-code", "status --json")
@options.asking
@options.panel(required=False)
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@options.exit_code
def status(asked: Asked, panel: str | None, watch: bool, exit_code: bool) -> int:
    """Show what is desired, what the panels hold, and what is wrong."""
    from gateway.cli import status

    return status.status(asked, panel, watch=watch, exit_code=exit_code)


@command("explain", "explain 'Work week'", "explain 'Work week' lobby fri 18:30", "explain 'Sherlock Holmes' lobby")
@options.asking
@click.argument("item", type=options.ITEM)
@options.panel(required=False)
@options.when
def explain(asked: Asked, item: str, panel: str | None, when: tuple[str, ...]) -> int:
    """Tell whether an item is open: as asked, by a panel's table, on the panel; and where these differ first."""
    from gateway.cli import explaining

    return explaining.explain(asked, item, panel, when)


@command("doctor", "doctor", "doctor --exit-code")
@options.asking
@options.exit_code
def doctor(asked: Asked, exit_code: bool) -> int:
    """Tell all that is wrong now, worst first, each with what to do."""
    from gateway.cli import doctor

    return doctor.doctor(asked, exit_code=exit_code)
