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


@command("doctor", "doctor", "doctor --exit-code")
@options.asking
@options.exit_code
def doctor(asked: Asked, exit_code: bool) -> int:
    """Tell all that is wrong now, worst first, each with what to do."""
    from gateway.cli import doctor

    return doctor.doctor(asked, exit_code=exit_code)
