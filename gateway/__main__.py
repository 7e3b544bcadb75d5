"""The command line's entry, and the only place that ships from which simulators are started."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from gateway.cli.root import run

if TYPE_CHECKING:
    from config.settings import Settings
    from simulators.site import SimulatedSite


class Simulators:
    """What `lab` and `simulate` run, imported when they do."""

    def site(self, settings: Settings, **places: Any) -> SimulatedSite:
        from simulators.site import SimulatedSite

        return SimulatedSite(settings, **places)

    def missing(self, settings: Settings) -> Collection[str]:
        """The panels whose model has no simulator, one sentence each."""
        from simulators.models import panels_without_simulator

        return panels_without_simulator(settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Raises SystemExit for help and for mistakes of usage."""
    return run(arguments, Simulators())


if __name__ == "__main__":
    raise SystemExit(main())
