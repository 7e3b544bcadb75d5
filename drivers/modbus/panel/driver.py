"""The driver of every Modbus panel that holds schedules: it carries out and verifies what model file and layout describe.

A transaction with a commit: begin, staged words, commit; then the panel's own account of the commit, and the words that
prove it by a reading of another shape. Without a commit: every word written is read back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from drivers.calls import Call, failed
from drivers.contract import Acknowledgement, ClockSetting, Outcome, PanelImage, Priority, Stretch, WritePlan
from drivers.errors import DriverError, GaveWay, NotSent, PanelException, Unconfirmed, UnexpectedReply, VerifyFailed
from drivers.modbus.panel.commits import Commits, Told
from drivers.modbus.panel.in_force import put_in_force
from drivers.modbus.panel.layouts import build_layout
from drivers.modbus.panel.layouts.layout import Layout, Read
from drivers.modbus.panel.layouts.without_commit import save_steps
from drivers.modbus.panel.output_driver import OutputDriver
from drivers.modbus.panel.prepare import When, prepare, stands
from drivers.modbus.panel.restarts import Reading, went_on
from drivers.modbus.panel.steps import EFFECTLESS, Check, StepKind, Transaction, WriteStep
from drivers.modbus.panel.unit import Facts, PanelUnit, worn_by
from drivers.modbus.panel.words import placed, reads, write_words
from drivers.modbus.wire.requests import Request, read_holding_registers, write_registers

_log = logging.getLogger(__name__)

_BEFORE: tuple[When, ...] = ("always",)
_BEHIND: tuple[When, ...] = ("transaction",)
_LASTING = _BEFORE + _BEHIND
"""When bits are written without which words do not last or do not act: before the words and behind them."""
_LONG_MS = 50.0
"""A frame that takes longer keeps others waiting: a look at every word reads the words of a slow line in short ones."""
_SHORT_WORDS = 32
_PASSES_GAP = 10
"""Counts of other slots that are cheaper to read along than by a frame of their own."""
_ATTEMPTS = 3
"""How many times a transaction is attempted whose staged words the panel loses."""


class StagingLost(Unconfirmed):
    """What was staged before the commit was not what the gateway staged: words were gone, by a restart or the panel's staging
    time-out, or others were there."""

    reason = UnexpectedReply.reason


class CommitRefused(PanelException):
    """The panel judged what was staged and refused it; it holds what it held."""


@dataclass(slots=True)
class _Progress:
    staged: bool = False
    """Whether words have no effect before a commit."""
    effect: bool = False
    """Whether a step that the panel acts on left the gateway."""
    erased: bool = False
    cleared: bool = False
    """Whether what was staged before was dropped first."""
    commit: DriverError | None = None
    """Why a commit that left is not confirmed."""
    began: Reading | None = None
    """The panel's counters before the first staged word."""
    commits: int | None = None
    """The panel's count of commits after the last one."""


class ModbusPanelDriver(OutputDriver):
    """See `drivers.contract.PanelDriver`. One plan is applied at a time."""

    def __init__(self, unit: PanelUnit) -> None:
        super().__init__(unit)
        self._layout = self._build_layout()
        self._told = Commits(unit)
        self._writing = asyncio.Lock()
        self._giving_way = False
        """What is being applied is to be left where the panel does not act on it yet."""
        self._held: PanelImage | None = None
        """The image that the panel was last seen to hold."""
        self._saved = self._model.write.save is None
        """False: what the panel holds may be gone after a power cut. Unknown at the start, so False is assumed."""
        self._began: Reading | None = None
        """The panel's counters before the first word that is not saved."""
        self._doubtful = False
        """Words were written and not verified: the panel may have restarted and lost a bit that makes them last."""
        self._lost = self._lasts_by_bits()
        """The panel was seen to have lost such a bit: what its table reads may be gone after a power cut. Unknown at the start,
        so assumed until the panel is seen to hold an image that was acknowledged."""
        self._values_open = False
        """The table or the clock was written, and the values that the panel acts on have not been checked since."""
        self._commits_seen: int | None = None
        """How many commits the panel counted when it was last seen to hold what the gateway knows; None: that is not known."""
        self._odd = False
        """A word was seen to differ that no quicker reading tells of."""
        self._may_force = True
        """False: forcing values has had no effect since the last write of table or clock, and would have none again."""

    def _build_layout(self) -> Layout:
        layout = build_layout(self._model, self._capabilities)
        if layout is None:
            raise ValueError(f"{self._model.name} holds no schedules")
        return layout

    def _lasts_by_bits(self) -> bool:
        rules = self._model.write
        return rules.storage_per_write is not None and any(setting.when == "always" for setting in rules.prepare)

    def restrict(self, capacity: Mapping[str, int]) -> None:
        super().restrict(capacity)
        self._layout = self._build_layout()

    def _read_along(self) -> Collection[str]:
        return self._told.introduced_by()

    def _met(self, facts: Facts) -> None:
        self._told.met(facts, quiet=not self._writing.locked())

    # --- plan

    def plan(self, target: PanelImage, known: PanelImage) -> WritePlan:
        transaction = self._layout.transaction(target, known)
        if not transaction.steps:
            return WritePlan(target)
        requests = [step.request for step in transaction.steps if not self._is_spared(step)]
        wire = self._unit.wire
        times = [wire.wire_ms(request) for request in requests]
        timed = [time for time in times if time is not None]
        return WritePlan(
            target=target,
            operations=(transaction,),
            words=sum([step.words for step in transaction.steps]),
            frames=tuple([wire.frame(self._unit.unit, request) for request in requests]),
            bytes_on_wire=sum([wire.wire_bytes(request) for request in requests]),
            wire_ms=sum(timed) if len(timed) == len(times) else None,
            commits=sum([step.kind in (StepKind.COMMIT, StepKind.SAVE) for step in transaction.steps]),
            wear=self._wear(transaction.steps),
        )

    def _wear(self, steps: tuple[WriteStep, ...]) -> Counter[str]:
        worn = Counter([step.storage for step in steps if step.storage is not None])
        if self._model.write.storage_per_write is not None:
            for step in steps:
                worn.update(worn_by(self._model, step.request))
        return worn

    # --- apply

    async def apply(self, plan: WritePlan, priority: Priority, deadline: float | None) -> Acknowledgement:
        transaction = next((part for part in plan.operations if isinstance(part, Transaction)), None)
        if transaction is None:
            return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)
        async with self._writing:
            staged = StepKind.COMMIT in [step.kind for step in transaction.steps]
            progress, self._held, self._giving_way = _Progress(staged), None, False
            before, self._commits_seen = self._commits_seen, None
            try:
                await self._carry_out(plan.target, transaction, progress, Call(priority, deadline))
            except DriverError as error:
                return self._refused(transaction, progress, error)
            self._held = plan.target
            self._commits_seen = _own_commits(before, progress.commits, progress.staged)
        return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)

    def give_way(self) -> None:
        self._giving_way = True

    def _refused(self, transaction: Transaction, progress: _Progress, error: DriverError) -> Acknowledgement:
        """The acknowledgement after an error. A panel that was sent nothing it acts on still holds what it held."""
        if isinstance(error, GaveWay):
            return failed(error, transaction.known)
        facts = {"panel_unit": self._unit.unit, "model": self._model.name, "reason": error.reason.value, "error": str(error)}
        _log.warning("a transaction failed", extra=facts)
        if isinstance(error, CommitRefused):
            return failed(error, None if progress.erased else transaction.known)
        if isinstance(error, PanelException):
            return failed(error, None if progress.effect else transaction.known)
        if isinstance(error, NotSent) and not progress.effect:
            return failed(error, transaction.known)
        return Acknowledgement(Outcome.UNCONFIRMED, None, error.reason, str(error))

    async def _carry_out(self, target: PanelImage, transaction: Transaction, progress: _Progress, call: Call) -> None:
        if progress.staged:
            progress.began = self._seen or await self._count(call)
        elif any(step.relies for step in transaction.steps):
            progress.began = self._began = await self._count(call)
        steps = transaction.steps
        for attempt in range(_ATTEMPTS):
            try:
                await self._write(steps, progress, call)
                break
            except StagingLost:
                if attempt + 1 == _ATTEMPTS:
                    raise
                await self._unit.must_be_met(call)
                steps = tuple(step for step in transaction.steps if step.kind is not StepKind.ERASE)
        await self._verify(target, transaction, progress, call.finished())

    async def _write(self, steps: tuple[WriteStep, ...], progress: _Progress, call: Call) -> None:
        kinds = [step.kind for step in steps]
        if StepKind.PREPARE in kinds:
            await prepare(self._unit, _BEFORE, call)
        steps = tuple(step for step in steps if not self._is_spared(step))
        progress.cleared = any(step.kind is StepKind.BEGIN for step in steps)
        self._told.nothing_staged &= StepKind.STAGE not in kinds
        for run in _runs(steps, self._unit.pipeline):
            urgent = call.finished() if progress.effect else call
            if len(run) > 1:
                self._give_way_before(StepKind.STAGE, progress)
                await self._unit.exchange_all([step.request for step in run], urgent)
                continue
            (step,) = run
            if step.relies:
                await self._must_have_gone_on(progress, urgent)
            if step.kind is StepKind.PREPARE:
                continue
            if step.kind is StepKind.ACTIVATE:
                await prepare(self._unit, _BEHIND, urgent, anyway=self._lost)
            elif step.kind is StepKind.COMMIT:
                await self._commit(step, progress, urgent)
            else:
                await self._one(step, progress, urgent)
            if step.kind is StepKind.SAVE:
                self._saved, self._began = True, None

    def _is_spared(self, step: WriteStep) -> bool:
        """Whether a step drops what is staged of a panel that has nothing staged."""
        return step.kind is StepKind.BEGIN and self._told.nothing_staged

    async def _one(self, step: WriteStep, progress: _Progress, call: Call) -> None:
        """Send one step and remember what it may have done. One that costs endurance leaves again only where a reading shows
        that it was not carried out, one that rests on earlier ones only where the panel still has those. Raises DriverError."""
        self._give_way_before(step.kind, progress)
        request = replace(step.request, repeatable=False) if step.storage is not None or step.rests else step.request
        for attempt in range(_ATTEMPTS):
            try:
                await self._unit.exchange(request, call, staged=step.kind in EFFECTLESS)
            except (NotSent, PanelException):
                raise
            except DriverError:
                self._sent(step, progress)
                if attempt + 1 == _ATTEMPTS or (step.shows is None and not step.rests):
                    raise
                if step.rests:
                    await self._must_have_gone_on(progress, call.finished())
                if step.shows is not None and await self._holds((step.shows,), call.finished()):
                    return
            else:
                self._sent(step, progress)
                return

    def _give_way_before(self, kind: StepKind, progress: _Progress) -> None:
        """Raises GaveWay."""
        if self._giving_way and not progress.effect and kind in (StepKind.STAGE, StepKind.COMMIT):
            raise GaveWay("something more urgent waits")

    def _sent(self, step: WriteStep, progress: _Progress) -> None:
        progress.effect |= step.kind not in EFFECTLESS
        if step.kind is StepKind.WRITE:
            self._saved &= self._model.write.save is None
            self._doubtful = self._values_open = self._may_force = True
        progress.erased |= step.kind is StepKind.ERASE
        if step.storage is not None:
            self._unit.written[step.storage] += 1

    async def _commit(self, step: WriteStep, progress: _Progress, call: Call) -> None:
        """Send the commit. One that left without an answer does not end the transaction: verification shows its outcome."""
        self._own_commits += 1
        try:
            await self._one(step, progress, call)
        except NotSent:
            self._own_commits -= 1
            raise
        except PanelException as error:
            self._own_commits -= 1
            await self._explain_refusal(error, progress, call.finished())
        except Unconfirmed as error:
            progress.commit = error

    async def _explain_refusal(self, error: PanelException, progress: _Progress, call: Call) -> None:
        """Read why the commit was refused. Always raises."""
        if self._model.write.begin is not None and not progress.cleared:
            raise StagingLost("something else was staged, too") from error
        status = self._model.write.commit_status
        if status is None or status.refused_address is None or status.refused_reason is None:
            raise CommitRefused(error.code, str(error)) from error
        facts = await self._unit.facts((status.refused_address, status.refused_reason, *self._counter_names()), call)
        before, progress.began = progress.began, self._reading(facts)
        address, reason = facts.number(status.refused_address), facts.number(status.refused_reason)
        if address in status.lost or not went_on(before, progress.began):
            raise StagingLost("the panel had lost what was staged") from error
        meaning = status.reasons.get(str(reason), f"reason {reason}")
        raise CommitRefused(error.code, f"the panel refused the commit at {address:#06x}: {meaning}") from error

    # --- verify

    async def _verify(self, target: PanelImage, transaction: Transaction, progress: _Progress, call: Call) -> None:
        """Read back. Raises VerifyFailed, or the error because of which the commit could not be confirmed."""
        until_it_acts, counter = transaction.narrows, self._commit_counter()
        told = await self._told.told(counter, call, until_it_acts=until_it_acts) if progress.staged else Told()
        progress.commits = told.count
        settles = progress.staged and not told.acts and self._model.write.busy is not None
        if settles and transaction.narrows:
            await self._settle(call)
        held = await self._holds(transaction.checks, call)
        if not held and settles and not transaction.narrows:
            await self._settle(call)
            held = await self._holds(transaction.checks, call)
        if not held:
            raise progress.commit or VerifyFailed("the panel reads back otherwise than it acknowledged" + await self._said(call))
        if not await stands(self._unit, _LASTING, call):
            raise VerifyFailed("the panel restarted: what was written may not last")
        await self._unit.must_be_met(call)
        self._doubtful = self._lost = False
        await self._follow(target, call)

    async def _follow(self, image: PanelImage, call: Call) -> None:
        """Bring the values that the panel acts on to what its table says; nothing is known where the table is not."""
        try:
            await put_in_force(self._unit, self._layout, self._clock_writer, image, call, self._may_force)
        except VerifyFailed:
            self._may_force = False
            raise
        if self._layout.values_read() is not None:
            await self._unit.must_be_met(call)
        self._values_open = self._lost

    async def _said(self, call: Call) -> str:
        """What the panel says of its last commit, where it says that it is not done."""
        status = self._model.write.commit_status
        if status is None:
            return ""
        said = (await self._unit.facts((status.read,), call)).number(status.read)
        return "" if said == status.done else f" (its {status.read} is {said})"

    async def _must_have_gone_on(self, progress: _Progress, call: Call) -> None:
        """Raises VerifyFailed after a restart: the next words would be written on top of words other than the assumed ones."""
        if not went_on(progress.began, await self._count(call)):
            await self._take_back(call)
            raise VerifyFailed("the panel restarted in the middle of a change")

    async def _make_last(self, call: Call) -> None:
        """Save what was not saved; where a restart lost a part of it, take back the rest if possible."""
        if self._began is not None and not went_on(self._began, await self._count(call)):
            await self._take_back(call)
        if not self._saved:
            await self._write(save_steps(self._model), _Progress(), call)

    async def _take_back(self, call: Call) -> None:
        load = self._model.write.load
        if load is not None:
            await self._unit.exchange(write_words(load.address, load.values, self._model.addressing, load.repeatable), call)
            self._saved, self._began = True, None

    async def _count(self, call: Call) -> Reading:
        return self._reading(await self._unit.facts(self._counter_names(), call))

    def _counter_names(self) -> tuple[str, ...]:
        counters = self._model.counters
        return tuple(name for name in (counters.uptime_s, counters.resets) if name)

    async def _settle(self, call: Call) -> None:
        """Wait until the panel acts on what was committed: while it takes over, it answers writes with its busy code.

        The question is the command that begins a transaction, which changes nothing when nothing is staged.
        """
        begin = self._model.write.begin
        if begin is not None:
            await self._unit.exchange(
                write_registers(begin.address - self._model.addressing.base, begin.values), call, staged=True
            )

    async def _holds(self, proof: tuple[Check, ...], call: Call) -> bool:
        """Whether these readings are as expected; none is made behind the first one that is not, but those that leave with it."""
        for start in range(0, len(proof), self._unit.pipeline):
            group = proof[start : start + self._unit.pipeline]
            answers = await self._unit.exchange_all([check.request for check in group], call)
            if not all(check.holds(values) for check, values in zip(group, answers, strict=True)):
                return False
        return True

    # --- read

    @property
    def unsaved(self) -> bool:
        return not self._saved

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        try:
            async with self._writing:
                if not self._saved:
                    await self._make_last(Call(priority, deadline))
        except DriverError as error:
            return failed(error)
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def read_back(self, priority: Priority, deadline: float | None) -> PanelImage | Acknowledgement:
        call = Call(priority, deadline)
        try:
            async with self._writing:
                image = await self._read(call)
                if self._values_open:
                    await self._follow(image, call)
                return image
        except DriverError as error:
            return failed(error)

    async def _read(self, call: Call) -> PanelImage:
        async def read(requests: Sequence[Request]) -> list[tuple[int, ...]]:
            return await self._unit.exchange_all(requests, call)

        commits = await self._count_commits(call)
        image = await self._read_table(read, call)
        self._commits_seen, self._odd = commits, False
        await self._look_for_loss(call)
        await self._unit.must_be_met(call)
        if self._lost:
            image = self._layout.unknown()
        self._held = image
        return image

    async def _read_table(self, read: Read, call: Call) -> PanelImage:
        """The table; once more where a restart since the counters were read took away what was not saved. Raises DriverError."""
        losable = not self._saved and bool(self._counter_names())
        for _ in range(_ATTEMPTS):
            began = self._seen or await self._count(call) if losable else None
            image = await self._layout.read(read, thoroughly=self._odd)
            if not losable or went_on(began, await self._count(call)):
                return image
        raise VerifyFailed("the panel restarts while it is read: what was not saved is gone")

    async def _look_for_loss(self, call: Call) -> None:
        """Whether a bit that makes words last was lost while words were written; called before the bit is set again."""
        if self._doubtful and not self._lost:
            self._lost = not await stands(self._unit, _LASTING, call)

    async def quick_look(self, image: PanelImage, priority: Priority, deadline: float | None) -> bool | Acknowledgement:
        try:
            call = Call(priority, deadline)
            proof = self._quick_proof(image)
            same = proof is not None and await self._holds(proof, call)
            if same:
                await self._unit.must_be_met(call)
            self._lost &= self._doubtful or not same
            if same and self._values_open:
                await self._follow(image, call)
        except DriverError as error:
            return failed(error)
        self._held = image if same else None
        return same

    def _quick_proof(self, image: PanelImage) -> tuple[Check, ...] | None:
        """What tells that the panel holds the image, and that nobody else can have changed its identifiers since they were seen;
        None: nothing quick tells that."""
        if not image.identifiers:
            return self._layout.quick_checks(image)
        return None if self._commits_seen is None else self._layout.quick_checks(image, self._commits_seen)

    def stretches(self, image: PanelImage) -> Sequence[Stretch]:
        most = self._model.addressing.max_read_words
        wire_ms = self._unit.wire.wire_ms(read_holding_registers(0, most))
        slow = wire_ms is not None and wire_ms > _LONG_MS
        return sorted(self._layout.stretches(image, min(most, _SHORT_WORDS) if slow else most))

    async def look_at(
        self, image: PanelImage, stretch: Stretch, priority: Priority, deadline: float | None
    ) -> bool | Acknowledgement:
        call = Call(priority, deadline)
        try:
            same = await self._holds((self._layout.stretch_check(image, stretch),), call)
            await self._unit.must_be_met(call)
        except DriverError as error:
            return failed(error)
        self._odd |= not same
        return same

    def _commit_counter(self) -> tuple[str, ...]:
        """The register that counts commits, where it is needed: what identifier slots hold has no quicker proof."""
        name = self._model.counters.commits
        return (name,) if name is not None and self._layout.tells_identifiers() else ()

    async def _count_commits(self, call: Call) -> int | None:
        names = self._commit_counter()
        return (await self._unit.facts(names, call)).number(names[0]) if names else None

    async def read_passes(
        self, slots: Collection[int], priority: Priority, deadline: float | None
    ) -> Mapping[int, int] | Acknowledgement:
        first, call = self._layout.passes(), Call(priority, deadline)
        if first is None:
            return {}
        try:
            plan = reads((first + slot for slot in slots), self._model.addressing, _PASSES_GAP)
            answers = await self._unit.exchange_all([request for _, request in plan], call)
            found = placed((start - first for start, _ in plan), answers)
            await self._unit.must_be_met(call)
        except DriverError as error:
            return failed(error)
        return {slot: found[slot] for slot in slots}

    # --- clock

    async def set_clock(self, setting: ClockSetting, priority: Priority, deadline: float | None) -> Acknowledgement:
        """After a step of its clock a panel may keep an old value: values are compared with the table and corrected."""
        try:
            await self._look_for_loss(Call(priority, deadline))
        except DriverError as error:
            return failed(error)
        self._values_open = self._may_force = True
        done = await super().set_clock(setting, priority, deadline)
        if done.outcome is not Outcome.ACKNOWLEDGED:
            return done
        call = Call(priority, None)
        try:
            async with self._writing:
                await self._save_settings(call)
                if self._layout.values_read() is not None:
                    await self._follow(self._held or await self._read(call), call)
        except DriverError as error:
            return failed(error)
        return done

    async def _save_settings(self, call: Call) -> None:
        """Bits that were written along with the clock have to be saved like a table's words."""
        writer = self._clock_writer
        if writer is None or not writer.settings_written:
            return
        await self._write(save_steps(self._model), _Progress(), call)
        writer.settings_written = False


def _own_commits(before: int | None, after: int | None, committed: bool) -> int | None:
    """The count of commits after a transaction, where all of them were the gateway's own."""
    if not committed:
        return before
    return after if before is not None and after == (before + 1) & 0xFFFF else None


def _runs(steps: Sequence[WriteStep], most: int) -> Iterator[Sequence[WriteStep]]:
    """The steps in their order, each alone, but up to `most` together that stage words: no effect before the commit."""
    for staged, same in groupby(steps, lambda step: step.kind is StepKind.STAGE and step.storage is None):
        run = list(same)
        size = most if staged else 1
        yield from (run[start : start + size] for start in range(0, len(run), size))
