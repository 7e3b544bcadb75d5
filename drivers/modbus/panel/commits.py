"""A panel's commits as the panel itself tells of them, and whether it has anything staged."""

from __future__ import annotations

from dataclasses import dataclass

from config.panel_parts import Busy, CommitStatus
from drivers.calls import Call
from drivers.errors import DeadlinePassed
from drivers.modbus.panel.unit import Facts, PanelUnit


@dataclass(frozen=True, slots=True)
class Told:
    """What a panel says after a change. `count`: its count of commits, None where nobody asked. `acts`: it acts on the last one,
    and nothing was staged later; False also where it does not tell."""

    count: int | None = None
    acts: bool = False


class Commits:
    """What one panel tells of its commits."""

    def __init__(self, unit: PanelUnit) -> None:
        self._unit = unit
        self._rules = unit.model.write.commit_status or CommitStatus(read="", done=0)
        self._tells_busy = self._rules.busy is not None and self._rules.busy.where is None
        """This unit tells a commit that is done from one that it acts on. False as long as that is not known."""
        self.nothing_staged = False
        """The panel said that nothing is staged, and the gateway has staged nothing since."""

    def introduced_by(self) -> tuple[str, ...]:
        """The registers that `met` needs."""
        where = None if self._rules.busy is None else self._rules.busy.where
        return tuple(name for name in (self._rules.staged, where and where.read) if name)

    def met(self, facts: Facts, *, quiet: bool) -> None:
        """Learn from the panel's status; `quiet`: nothing was being written meanwhile."""
        rules = self._rules
        if rules.busy is not None and rules.busy.where is not None:
            self._tells_busy = facts.number(rules.busy.where.read) >= rules.busy.where.at_least
        if quiet:
            self._learn_staged(facts)

    async def told(self, counter: tuple[str, ...], call: Call, *, until_it_acts: bool) -> Told:
        """One reading after a commit, along with the register that counts commits, if any is given; `until_it_acts`: repeated
        while the panel says that it does not act on the commit yet. Raises DriverError.
        """
        rules = self._rules
        names = [*counter, *(name for name in (rules.staged, self._tells_busy and rules.read) if name)]
        if not names:
            return Told()
        facts = await self._unit.facts(names, call)
        if until_it_acts and self._tells_busy:
            facts = await self._patiently(facts, names, call)
        self._learn_staged(facts)
        return Told(facts.number(counter[0]) if counter else None, self._tells_busy and facts.number(rules.read) == rules.done)

    async def _patiently(self, facts: Facts, names: list[str], call: Call) -> Facts:
        """Read again until the panel is not busy. Raises DriverError."""
        wait, clock = self._unit.model.write.busy or Busy(), self._unit.clock
        give_up = clock.monotonic() + wait.give_up_ms / 1000
        while self._rules.busy is not None and facts.number(self._rules.read) == self._rules.busy.equals:
            if clock.monotonic() + wait.retry_ms / 1000 > give_up:
                raise DeadlinePassed("the panel stayed busy")
            await clock.sleep(wait.retry_ms / 1000)
            facts = await self._unit.facts(names, call)
        return facts

    def _learn_staged(self, facts: Facts) -> None:
        if self._rules.staged is not None:
            self.nothing_staged = facts.number(self._rules.staged) == 0
