"""What an operator asks of one panel."""

from __future__ import annotations

import click

from gateway.cli import options
from gateway.cli.options import Asked, command


def _act(asked: Asked, panel: str, action: str, *, query: str = "", wait: bool = False, ask: bool = False) -> int:
    from gateway.cli import panel_verbs

    return panel_verbs.act(asked, panel, action, query, wait=wait, ask=ask)


@command("sync", "sync lobby", "sync lobby --wait")
@options.asking
@options.panel()
@options.wait
def sync(asked: Asked, panel: str, wait: bool) -> int:
    """Read a panel and write what differs, now."""
    return _act(asked, panel, "sync", wait=wait)


@command("retry", "retry lobby")
@options.asking
@options.panel()
@options.wait
def retry(asked: Asked, panel: str, wait: bool) -> int:
    """Try the items of a panel again that were given up."""
    return _act(asked, panel, "retry", wait=wait)


@command("reinit", "reinit lobby", "reinit lobby --yes --wait")
@options.asking
@options.panel()
@options.wait
@options.yes
def reinit(asked: Asked, panel: str, wait: bool, yes: bool) -> int:
    """Erase a panel and write everything again. Asks first on a terminal."""
    return _act(asked, panel, "reinit", wait=wait, ask=not yes)


@command("erase", "erase lobby", "erase lobby --yes")
@options.asking
@options.panel()
@options.yes
def erase(asked: Asked, panel: str, yes: bool) -> int:
    """Erase a panel before it leaves the configuration, and write nothing more to it. Asks first on a terminal."""
    return _act(asked, panel, "erase", ask=not yes)


@command("accept", "accept lobby", "accept lobby --slots")
@options.asking
@options.panel()
@click.option("--slots", is_flag=True, help="Remember its foreign slots with what they hold.")
def accept(asked: Asked, panel: str, slots: bool) -> int:
    """Accept the unit that was found at a panel's place, or (--slots) its foreign slots."""
    return _act(asked, panel, "accept", query="?slots=true" if slots else "")


@command("forget", "forget lobby")
@options.asking
@options.panel()
def forget(asked: Asked, panel: str) -> int:
    """Forget a panel that left the configuration, with what it may still hold."""
    return _act(asked, panel, "forget")
