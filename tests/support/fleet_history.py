"""One site over a history of requests and mishaps: every answer is judged at its moment, and all of it at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from config.settings import BindingSettings
from drivers.contract import Availability, ItemState, Slot
from gateway.fleet.panel.state import UNREACHABLE
from gateway.fleet.results import Change, LinkReport, PanelResult
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import StoreError
from tests.judge import Judge
from tests.support.fleet_site import START, FleetSite

LEASE_S = 60.0
_NOTICED_S = 6.0
"""A jump of the wall clock is noticed within so long."""
_EDGE_S = 2
"""So near the beginning or end of a profile an output may be in either state."""

Shows = Callable[[TimeProfile, Mapping[int, Slot], PanelResult], bool]
"""Whether these slots open as the profile asks, as far as the answer says so."""


def asked(profile: TimeProfile) -> TimeProfile:
    """As a client asks for it."""
    return replace(profile, reading=None)


class History:
    """The site's `store` is what was asked; requests run beside what happens meanwhile, until `look` finds them done."""

    def __init__(self, site: FleetSite, shows: Shows) -> None:
        self.site = site
        site.store.changed = self._asked
        self.shows = shows
        self.tampered: set[str] = set()
        """Panels that somebody else changed at some time."""
        self.store_failed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved_at = 0.0
        """When the wall clock, the panels or the rules changed last (monotonic)."""
        self._jumped_at = -_NOTICED_S
        self.strangers: frozenset[str] = frozenset()

    # what is asked

    async def start(self, work: Coroutine[Any, Any, None], wait_s: float) -> None:
        """Begin a request; it goes on when `wait_s` is over."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        await asyncio.sleep(wait_s)

    async def upsert(self, items: Sequence[RequestItem]) -> None:
        link_ids = [item.profile.link_id for item in items]
        since = len(self.site.store.history)
        try:
            reports = await self.site.fleet.upsert(items)
        except StoreError:
            assert self.store_failed
            return
        assert [report.link_id for report in reports] == link_ids
        for item, report in zip(items, reports, strict=True):
            assert report.change in (Change.CREATED, Change.UPDATED)
            assert item.profile in self._were(report.link_id, since), "answered, and not in the store"
            self._judge(item.profile, report)

    async def ask_again(self) -> None:
        """All that is desired, unchanged."""
        await self.upsert(
            [RequestItem(asked(each.profile), each.body) for each in self.site.fleet.profiles() if each.profile is not None]
        )

    async def delete(self, link_ids: Sequence[str]) -> None:
        since = len(self.site.store.history)
        try:
            reports = await self.site.fleet.delete(link_ids)
        except StoreError:
            assert self.store_failed
            return
        assert [report.link_id for report in reports] == list(link_ids)
        for report in reports:
            were = self._were(report.link_id, since)
            assert None in were, "answered, and still in the store"
            if not any(were[were.index(None) :]):  # nobody asked for it anew
                self._judge_deletion(report)

    async def bind(self, link_id: str, names: Sequence[str] | None) -> None:
        try:
            await (self.site.fleet.unbind(link_id) if names is None else self.site.fleet.bind(link_id, names))
        except StoreError:
            assert self.store_failed
            return

    def _asked(self, link_id: str, profile: TimeProfile | None) -> None:
        """It is in the store: panels may hold it again."""
        if profile is not None:
            for panel in self.site.panels.values():
                panel.forbidden.discard(link_id)

    def _were(self, link_id: str, since: int) -> list[TimeProfile | None]:
        """All that was desired of a link_id since the history was so long."""
        history = self.site.store.history
        before = next((profile for each, profile in reversed(history[:since]) if each == link_id), None)
        return [before, *(profile for each, profile in history[since:] if each == link_id)]

    # what is answered

    def _judge(self, profile: TimeProfile, report: LinkReport) -> None:
        for result in report.panels:
            name, _, output = result.panel.partition(":")
            if not result.success or name not in self.site.panels:
                continue
            panel = self.site.panels[name]
            if output:
                assert self._output_right(name, int(output)), report
                continue
            assert panel.clock_offset_s is not None or panel.clock_unseen, report
            if not panel.unseen and self.site.clock.monotonic() >= self._jumped_at + _NOTICED_S:
                held = [slots.get(profile.link_id, {}) for slots in self._lately(name)]
                assert any(self.shows(profile, slots, result) for slots in held), (report, held)

    def _judge_deletion(self, report: LinkReport) -> None:
        for result in report.panels:
            name, _, output = result.panel.partition(":")
            if not result.success or name not in self.site.panels:
                continue
            if output:
                assert self._output_right(name, int(output)), report
                continue
            panel = self.site.panels[name]
            assert result.outcome is ItemState.REMOVED
            if (
                panel.labelled and not panel.unseen
            ):  # a slot without a label may be of somebody who goes, and promised to this one
                assert any(report.link_id not in slots for slots in self._lately(name)), report
            panel.forbidden.add(report.link_id)

    def _lately(self, name: str) -> Iterator[Mapping[str, Mapping[int, Slot]]]:
        """By link_id what a panel holds, and held until this instant."""
        panel = self.site.panels[name]
        changed_at, before = panel.before
        yield self.slots(name, panel.slots)
        if changed_at == self.site.clock.monotonic():
            yield self.slots(name, before)

    def slots(self, name: str, slots: Mapping[int, Slot]) -> dict[str, dict[int, Slot]]:
        """By link_id. Where a panel stores none a slot is of whom the store says; `slot 3` is nobody's."""
        found: dict[str, dict[int, Slot]] = {}
        owners = {number: link_id for link_id, numbers in self.site.store.allocations.get(name, {}).items() for number in numbers}
        for number, slot in slots.items():
            for link_id in slot.link_ids if self.site.panels[name].labelled else (owners.get(number, f"slot {number}"),):
                found.setdefault(link_id, {})[number] = slot
        return found

    # outputs

    def targets(self, link_id: str) -> list[str]:
        named = self.site.store.overrides.get(link_id)
        return list(named if named is not None else dict.fromkeys(name for rule in self.site.rules for name in rule.panels))

    def live(self, target: str) -> dict[str, TimeProfile]:
        """What is desired of a panel or output."""
        return {
            each.link_id: each.profile
            for each in self.site.store.desired.values()
            if each.profile is not None and target in self.targets(each.link_id)
        }

    def _wanted(self, target: str) -> set[bool]:
        """The state that an output must have about now: both near the beginning or end of a profile."""
        now, readings = int(self.site.clock.wall()), self.site.options().readings
        judges = [Judge(profile, readings) for profile in self.live(target).values()]
        return {any(judge.is_open(now + near) for judge in judges) for near in (-_EDGE_S, 0, _EDGE_S)}

    def _is_on(self, name: str, output: int) -> bool:
        return self.site.panels[name].outputs.get(output, 0.0) > self.site.clock.monotonic()

    def _output_right(self, name: str, output: int) -> bool:
        now, panel = self.site.clock.monotonic(), self.site.panels[name]
        if panel.outputs_unseen or now <= max(self._moved_at + _NOTICED_S, self.site.store.changed_at):
            return True
        return self._is_on(name, output) in self._wanted(f"{name}:{output}")

    # at every moment

    def moved(self) -> None:
        """The wall clock, the rules or the panels changed."""
        self._moved_at = self.site.clock.monotonic()

    def look(self) -> None:
        """What must be so at any moment; raises what a request that is done failed with."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            if not task.cancelled():
                task.result()
        failed = self.site.fleet.failed
        if failed.done():
            failed.result()
        now = self.site.clock.monotonic()
        if now > max(self._moved_at, self.site.store.changed_at) + LEASE_S + _NOTICED_S:
            for name, panel in self.site.panels.items():
                for output in panel.outputs:
                    assert not self._is_on(name, output) or True in self._wanted(f"{name}:{output}"), "on outside its profiles"

    def looks_anew(self, *names: str) -> None:
        """The gateway has reason to look at these panels before it says anything of them."""
        for name in names or self.site.panels:
            self.site.panels[name].unseen = False

    # what happens

    def change(self, name: str, slots: dict[int, Slot]) -> None:
        """Somebody else changes a panel's slots."""
        panel = self.site.panels[name]
        if slots != panel.slots:
            panel.slots, panel.unseen = slots, True
            self.tampered.add(name)

    def jump(self, seconds: float) -> None:
        """The gateway's own wall clock jumps; the panels' go on."""
        self.site.clock.wall_offset += seconds
        for panel in self.site.panels.values():
            if panel.clock_offset_s is not None:
                panel.clock_offset_s -= seconds
        self.moved()
        self._jumped_at = self._moved_at

    def power_cut(self, name: str, kept: Callable[[Slot], bool] | None) -> None:
        """`kept`: which slots survive it (None: all)."""
        panel = self.site.panels[name]
        panel.power_cut(self.site.clock.monotonic())
        if kept is not None:
            self.change(name, {number: slot for number, slot in panel.slots.items() if kept(slot)})

    def away(self, name: str, *, told: bool) -> None:
        """`told`: the line says so by itself, else an exchange has to find out."""
        self.site.panels[name].online = False
        if told:
            self.site.drivers[name].feed.set(Availability.BUS_UNAVAILABLE)

    async def back(self, name: str) -> None:
        missed = self.site.drivers[name].feed.current in UNREACHABLE
        self.site.drivers[name].back()
        await asyncio.sleep(0.0001)
        if missed:
            self.looks_anew(name)

    async def begin_again(self, *, clean: bool = True) -> None:
        self.site.store.clean = clean
        await self.site.open()
        self.site.store.clean = True
        self.looks_anew()
        self.moved()

    def bind_all_to(self, *names: str) -> None:
        self.site.rules = (BindingSettings(link_id="*", panels=names),)

    # the end

    async def settle(self) -> None:
        """All faults end, the clock is right again, and time passes."""
        site = self.site
        site.store.refuse = site.store.refuse_lazy = None
        self.jump(max(0.0, START - site.clock.wall_offset, site.store.last_write_at + 1 - site.clock.wall()))
        for name, panel in site.panels.items():
            panel.faults.clear()
            panel.deaf.clear()
            panel.refuses.clear()
            panel.takes_clock = True
            await self.back(name)
        await asyncio.sleep(20)
        for name in site.panels:
            await site.fleet.retry(name)
        await asyncio.sleep(200)
        self.look()
        assert not self._tasks

    def judge_end(self) -> None:
        """Every panel and output holds exactly what is desired, as far as it has room; nothing is left of what was deleted."""
        site = self.site
        desired = site.store.desired
        assert {each.link_id: each.profile for each in site.fleet.profiles()} == {link: d.profile for link, d in desired.items()}
        for name, panel in site.panels.items():
            held = {link_id: slots for link_id, slots in self.slots(name, panel.slots).items() if link_id not in self.strangers}
            wanted = self.live(name)
            view = site.fleet.panel(name)
            assert view is not None
            assert held.keys() <= wanted.keys(), name
            said = {each.link_id: PanelResult(name, True, each.outcome, valid_until=each.valid_until) for each in view.items}
            for link_id, profile in wanted.items():
                if said[link_id].outcome is not ItemState.REFUSED:
                    assert (said[link_id].valid_until or site.clock.wall()) >= site.clock.wall(), "not renewed"
                    assert self.shows(profile, held.get(link_id, {}), said[link_id]), (name, profile, held.get(link_id))
                else:
                    assert link_id not in held
            for output in range(panel.capabilities.outputs):
                assert self._output_right(name, output), (name, output)
            assert (view.pending, view.lag_s) == (0, 0), view
            settled = "foreign" if view.foreign_slots else "in_sync"
            assert view.state == ("refused" if view.refused else settled), view
            assert view.drifts == 0 or name in self.tampered or self.store_failed, "a drift that nobody made"
