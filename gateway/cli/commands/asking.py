"""Questions to the running gateway."""

from __future__ import annotations

from gateway.cli import options
from gateway.cli.options import Asked, command


@command("status", "status", "status lobby", "status --json")
@options.asking
@options.panel(required=False)
def status(asked: Asked, panel: str | None) -> int:
    """Show what is desired and what the panels hold."""
    from gateway.cli import status

    return status.status(asked, panel)
