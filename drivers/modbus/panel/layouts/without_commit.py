"""Panels without a commit: words are written in order, then everything written is read back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from config.panel_model import PanelModel
from drivers.contract import PanelImage
from drivers.modbus.panel.layouts.events import Phases
from drivers.modbus.panel.prepare import prepare_request
from drivers.modbus.panel.steps import Check, StepKind, Transaction, WriteStep
from drivers.modbus.panel.words import checks, write_runs, write_words
from drivers.modbus.wire.requests import Request, read_holding_registers, write_registers

_UNWATCHED = 4
"""How many frames that rely on earlier ones go out between two readings of the panel's counters."""


class Writer:
    """Collects writes and tracks what the panel holds after each. `protected`: addresses never written along with others."""

    def __init__(self, model: PanelModel, known: Mapping[int, int], protected: frozenset[int] = frozenset()) -> None:
        self._model = model
        self._protected = protected
        self.held = dict(known)
        self.requests: list[Request] = []
        self._phases: set[int] = set()
        """The indices in `requests` at which a phase begins that relies on the phases before it."""

    def runs(self, words: Mapping[int, int], last_first: bool = False) -> None:
        """Write words; short gaps between them are filled with the words that the panel holds."""
        self.held |= words
        table = {at: word for at, word in self.held.items() if at in words or at not in self._protected}
        requests = write_runs(words, table, self._model.addressing, self._model.write.merge_gap)
        self.requests += reversed(requests) if last_first else requests

    def removal(self, address: int, words: tuple[int, ...]) -> None:
        """Add a write that may move the words behind it: it is never repeated."""
        self.held |= dict(enumerate(words, address))
        self.requests.append(write_words(address, words, self._model.addressing, repeatable=False))

    def block(self, address: int, words: tuple[int, ...]) -> None:
        self.held |= dict(enumerate(words, address))
        self.requests.append(write_registers(address - self._model.addressing.base, words))

    def begin_phase(self) -> None:
        """Begin a phase: its writes rely on those before it."""
        self._phases.add(len(self.requests))

    def values_off(self, phases: Phases) -> None:
        self.runs(phases.off)

    def times_and_on(self, phases: Phases, unused: int | None) -> None:
        self.begin_phase()
        if unused is not None:
            for address in phases.removals:
                self.removal(address, (unused,))
        self.runs(phases.later, last_first=True)
        self.runs(phases.earlier)
        self.begin_phase()
        self.runs(phases.on)

    def transaction(self, known: PanelImage, expected: Mapping[int, int | None], extra: Iterable[Check] = ()) -> Transaction:
        """The writes, between the model's preparation and its save; proved by reading `expected`."""
        if not self.requests:
            return unchanged(known)
        proof = (*checks(expected, self._model.addressing, self._gap()), *extra)
        return Transaction(known, tuple(self._steps()), proof)

    def _gap(self) -> int:
        return min(8, self._model.addressing.max_read_words)

    def _steps(self) -> Iterable[WriteStep]:
        rules, base = self._model.write, self._model.addressing.base
        for setting in rules.prepare:
            if setting.when == "always":
                yield WriteStep(StepKind.PREPARE, prepare_request(self._model, setting))
        if rules.begin is not None:
            yield WriteStep(StepKind.BEGIN, write_registers(rules.begin.address - base, rules.begin.values))
        volatile, stored = self._is_volatile(), rules.storage_per_write is not None
        watched = self._watched() if volatile else frozenset[int]()
        for index, request in enumerate(self.requests):
            shows = Check(read_holding_registers(request.address, request.count), request.values) if stored else None
            rests = volatile and rules.save is not None and index > 0
            yield WriteStep(StepKind.WRITE, request, request.count, rests=rests, relies=index in watched, shows=shows)
        for setting in rules.prepare:
            if setting.when == "transaction":
                yield WriteStep(StepKind.ACTIVATE, prepare_request(self._model, setting))
        for step in save_steps(self._model):
            yield replace(step, relies=volatile and len(self.requests) > 1)

    def _is_volatile(self) -> bool:
        """Whether a restart both loses what is not saved, or the bit without which nothing is stored, and can be noticed."""
        counters, rules = self._model.counters, self._model.write
        loses = rules.save is not None or any(setting.when == "always" for setting in rules.prepare)
        return loses and (counters.resets is not None or counters.uptime_s is not None)

    def _watched(self) -> frozenset[int]:
        """The indices of requests before which the panel's counters are read."""
        watched: set[int] = set()
        for index in range(max(1, min(self._phases, default=1)), len(self.requests)):
            if index in self._phases or index - max(watched, default=0) >= _UNWATCHED:
                watched.add(index)
        return frozenset(watched)


def unchanged(known: PanelImage) -> Transaction:
    return Transaction(known, (), ())


def save_steps(model: PanelModel) -> tuple[WriteStep, ...]:
    """The steps that make written words last; none where they last by themselves."""
    save = model.write.save
    if save is None:
        return ()
    request = write_words(save.address, save.values, model.addressing, save.repeatable)
    return (WriteStep(StepKind.SAVE, request, storage=save.storage),)
