"""What a panel's clock says of the host's, and whether the host's may set it: a clock that ran on may be the right one."""

from __future__ import annotations

from dataclasses import replace

from drivers.clock import HostMoment
from drivers.contract import PanelStatus, Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.host_clock import PanelClock
from gateway.fleet.panel import clocks
from gateway.fleet.panel.failure import Failure
from gateway.fleet.panel.state import PanelState


class ClockEvidence:
    """One panel's."""

    def __init__(self, state: PanelState, context: FleetContext) -> None:
        self._state = state
        self._context = context
        self._shown: HostMoment | None = None
        """The time that the clock showed last, as the wall time of that moment; None: it was not read, or showed none."""
        self._restart: clocks.Restart | None = None
        """The panel was without power, maybe, since its clock was known to run, and may have lost the time."""

    # what happened

    def restarted(self) -> None:
        """The panel restarted; its state is still that of before."""
        state = self._state
        if state.driver.capabilities.clock_at_power_on != "keeps" and self._restart is None:
            self._restart = clocks.Restart(self._shown or self._given(), state.observed.seen_at)

    def given(self, moment: HostMoment) -> None:
        """The clock was set to the host's time."""
        self._shown = moment

    def settled(self) -> None:
        """The clock was found right, or was set."""
        self._restart = None

    # what it says

    def hear(self, status: PanelStatus) -> None:
        """Tell what the panel's clock says of the host's, unless it lost the time while the panel was without power."""
        trust, now, step = self._context.trust, self._context.trust.moment(), self._step(status)
        if step is None or self._is_lost(status, step):
            trust.heard(self._state.id, None)
            return
        if self._restart is None:
            self._shown = replace(now, wall=now.wall + step)
        clock = PanelClock(step + now.wall - now.boottime, self._state.settings.clock_bound_s, self._given())
        trust.heard(self._state.id, clock)

    def withheld(self, status: PanelStatus) -> Failure | None:
        """Why a clock that ran on is not moved so far on this host's word; None: it may be set."""
        step, context = self._step(status), self._context
        if step is None or status.clock is None:
            return None
        if self._is_lost(status, step) or context.trust.may_move(self._state.id, step):
            return None
        host = clocks.said_at(context.options.readings.zone, context.clock.wall())
        shown = clocks.said(status.clock)
        return Failure(
            Reason.CLOCK_NOT_SET,
            f"the panel's clock says {shown}, this host's, which is not synchronised, {host}: where the host's is right,"
            f" `panel-gateway sync {self._state.id}` sets the panel's",
        )

    def _step(self, status: PanelStatus) -> float | None:
        """How far the clock is ahead in UTC; None: it cannot be read, is unset, or shows a time before this program existed."""
        if self._state.driver.capabilities.clock != "rw":
            return None
        step = clocks.step_s(self._context.options.readings.zone, status, self._state.observed.clock_given)
        if step is None or status.clock_read_at is None:
            return None
        return step if status.clock_read_at + step >= self._context.trust.rules.released_at else None

    def _is_lost(self, status: PanelStatus, step: float) -> bool:
        """Whether a clock that is ahead by `step` lost the time in a restart of the panel."""
        now = self._context.trust.moment()
        shows = replace(now, wall=now.wall + step)
        return self._restart is not None and not self._restart.ran_on(shows, status.uptime_s, now.wall)

    def _given(self) -> HostMoment | None:
        """When this host set the clock last, and to what."""
        given = self._state.observed.clock_given
        return None if given is None else given.moment
