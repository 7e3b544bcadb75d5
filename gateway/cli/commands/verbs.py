"""What an operator asks of one panel."""

from __future__ import annotations

import click

from gateway.cli import options
from gateway.cli.options import Asked, command


def _act(asked: Asked, panel: str, action: str, query: str = "") -> int:
    from gateway.cli import panel_verbs

    return panel_verbs.act(asked, panel, action, query)


@command("sync", "sync lobby")
@options.asking
@options.panel()
def sync(asked: Asked, panel: str) -> int:
    """Read a panel and write what differs, now."""
    return _act(asked, panel, "sync")


@command("reinit", "reinit lobby")
@options.asking
@options.panel()
def reinit(asked: Asked, panel: str) -> int:
    """Erase a panel and write everything again."""
    return _act(asked, panel, "reinit")


@command("retry", "retry lobby")
@options.asking
@options.panel()
def retry(asked: Asked, panel: str) -> int:
    """Try the items of a panel again that were given up."""
    return _act(asked, panel, "retry")


@command("accept", "accept lobby", "accept lobby --slots")
@options.asking
@options.panel()
@click.option("--slots", is_flag=True, help="Remember its foreign slots with what they hold.")
def accept(asked: Asked, panel: str, slots: bool) -> int:
    """Accept the unit that was found at a panel's place, or (--slots) its foreign slots."""
    return _act(asked, panel, "accept", "?slots=true" if slots else "")


@command("erase", "erase lobby")
@options.asking
@options.panel()
def erase(asked: Asked, panel: str) -> int:
    """Erase a panel before it leaves the configuration, and write nothing more to it."""
    return _act(asked, panel, "erase")


@command("forget", "forget lobby")
@options.asking
@options.panel()
def forget(asked: Asked, panel: str) -> int:
    """Forget a panel that left the configuration, with what it may still hold."""
    return _act(asked, panel, "forget")
