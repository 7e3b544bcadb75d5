"""The running lines and panels of a site; of a changed configuration only the differences are applied.

A line or panel that does not change keeps working. A panel that is removed from the configuration is left as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from config.panel_model import PanelModel
from config.settings import LineSettings, PanelSettings
from drivers.clock import Clock
from drivers.factory import BuildLine, Line, build_line
from gateway.concurrency import Supervisor
from gateway.fleet.fleet import Fleet

_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Difference:
    """The steps from one configuration to another: ids of panels and lines, in the order in which they are handled."""

    remove_panels: tuple[str, ...]
    remove_lines: tuple[str, ...]
    add_lines: tuple[LineSettings, ...]
    add_panels: tuple[tuple[LineSettings, PanelSettings], ...]
    changes: tuple[str, ...]


def _wiring(line: LineSettings) -> LineSettings:
    return line.model_copy(update={"panels": ()})


def _panels(lines: tuple[LineSettings, ...]) -> dict[str, tuple[LineSettings, PanelSettings]]:
    return {panel.id: (line, panel) for line in lines for panel in line.panels}


def difference(
    present: tuple[LineSettings, ...], wanted: tuple[LineSettings, ...], other_models: Collection[str] = ()
) -> Difference:
    """The difference: a line whose own settings changed is rebuilt with all its panels, else only the panels that differ.

    `other_models`: models that say something other than before; their panels differ.
    """
    old_lines = {line.id: _wiring(line) for line in present}
    new_lines = {line.id: _wiring(line) for line in wanted}
    rebuilt = {line for line in old_lines if new_lines.get(line) != old_lines[line]}
    old, new = _panels(present), _panels(wanted)

    def same(panel: str) -> bool:
        before, after = old.get(panel), new.get(panel)
        return (
            before is not None
            and after is not None
            and before[1] == after[1]
            and after[1].model not in other_models
            and before[0].id == after[0].id
            and before[0].id not in rebuilt
        )

    leaving = tuple(panel for panel in old if not same(panel))
    coming = tuple(panel for panel in new if not same(panel))
    return Difference(
        remove_panels=leaving,
        remove_lines=tuple(line for line in old_lines if line in rebuilt),
        add_lines=tuple(new_lines[line] for line in new_lines if line in rebuilt or line not in old_lines),
        add_panels=tuple(new[panel] for panel in coming),
        changes=tuple(_told("line", old_lines.keys(), new_lines.keys(), rebuilt))
        + tuple(_told("panel", old.keys(), new.keys(), set(leaving) & set(coming))),
    )


def _told(kind: str, old: Collection[str], new: Collection[str], changed: set[str]) -> Iterator[str]:
    yield from (f"{kind} {name} removed" for name in old if name not in new)
    yield from (f"{kind} {name} changed" for name in old if name in new and name in changed)
    yield from (f"{kind} {name} added" for name in new if name not in old)


class Site:
    """Owns the lines; `fleet` is told of every panel that is added or removed. `failed` gets what a line's worker died of."""

    def __init__(self, fleet: Fleet, clock: Clock, build: BuildLine = build_line) -> None:
        self._supervisor = Supervisor()
        self.failed = self._supervisor.failed
        self._fleet = fleet
        self._clock = clock
        self._build = build
        self._settings: tuple[LineSettings, ...] = ()
        self._models: Mapping[str, PanelModel] = {}
        self._lines: dict[str, Line] = {}

    @property
    def lines(self) -> Mapping[str, Line]:
        return self._lines

    async def apply(self, lines: tuple[LineSettings, ...], models: Mapping[str, PanelModel]) -> tuple[str, ...]:
        """Change the running site to `lines`; returns what changed, in words."""
        changed = {name for name, model in models.items() if self._models.get(name, model) != model}
        todo = difference(self._settings, lines, changed)
        told = list(todo.changes)
        old, staying = _panels(self._settings), {panel.id for _, panel in todo.add_panels}
        coming = {(line.id, panel.unit, panel.model) for line, panel in todo.add_panels}
        await asyncio.gather(*(self._fleet.rest_panel(panel_id) for panel_id in todo.remove_panels))
        for panel_id in todo.remove_panels:
            line, panel = old[panel_id]
            self._lines[line.id].remove_panel(panel)
            if panel_id not in staying:
                renamed = (line.id, panel.unit, panel.model) in coming
                held = await self._fleet.remove_panel(panel_id, renamed=renamed)
                if held:
                    told.append(
                        f"panel {panel_id} still holds {held} profiles: bring it back, or `panel-gateway forget {panel_id}`"
                    )
        self._fleet.expect_panels([panel.id for line in lines for panel in line.panels])
        await asyncio.gather(*(self._lines.pop(line).bus.stop(_GRACE_S) for line in todo.remove_lines))
        for settings in todo.add_lines:
            await self._start(settings)
        for settings, panel in todo.add_panels:
            await self._add(settings, panel, models)
        self._settings, self._models = lines, models
        return tuple(told)

    async def assemble(self, lines: tuple[LineSettings, ...], models: Mapping[str, PanelModel]) -> None:
        """Tell the fleet of all panels of `lines`; no line is opened."""
        for line in lines:
            self._lines[line.id] = self._build(line, self._clock)
            for panel in line.panels:
                await self._add(line, panel, models)

    async def _start(self, line: LineSettings) -> None:
        made = self._lines[line.id] = self._build(line, self._clock)
        bus = made.bus
        await bus.start()
        if bus.task is not None:
            self._supervisor.watch(bus.task)

    async def _add(self, line: LineSettings, panel: PanelSettings, models: Mapping[str, PanelModel]) -> None:
        driver = self._lines[line.id].add_panel(panel, models)
        await self._fleet.add_panel(panel, line.id, driver, drift_share=line.drift_share)

    async def stop(self, grace_s: float) -> None:
        """Stop all lines: no new exchanges; what is on a wire is finished within `grace_s` seconds."""
        await asyncio.gather(*(line.bus.stop(grace_s) for line in self._lines.values()))
        self._lines.clear()
        self.failed.cancel()
