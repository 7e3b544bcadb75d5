"""Model name -> simulated panel: the only list."""

from __future__ import annotations

from collections.abc import Callable, Collection

from config.settings import PanelSettings, Settings
from simulators.domat_fc013 import DomatFc013
from simulators.ge_a_series import GeASeries
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel
from simulators.register_bank import RegisterBank
from simulators.uhppote_board import UhppoteBoard
from simulators.waveshare_relay import WaveshareRelay

_WRITTEN: tuple[type[SimulatedPanel], ...] = (OpenAccessPanel, WaveshareRelay, GeASeries, DomatFc013, UhppoteBoard)
MODELS = {model.model: model for model in _WRITTEN}


class UnknownModel(ValueError):
    """No simulator is written for this model."""


def panels_without_simulator(settings: Settings) -> tuple[str, ...]:
    """One line for each panel whose model has no simulator: its key path, and which models have one."""
    known = ", ".join(sorted(MODELS))
    return tuple(
        f"lines[{number}].panels[{index}].model: no simulator is written for {panel.model!r} (there is one for {known})"
        for number, line in enumerate(settings.lines)
        for index, panel in enumerate(line.panels)
        if panel.model not in MODELS
    )


def build_panel(
    settings: PanelSettings,
    wall: Callable[[], float],
    monotonic: Callable[[], float],
    register_banks: Collection[str] = (),
) -> SimulatedPanel:
    """The simulated panel of a configured one. Models named in `register_banks` are bare registers.

    Raises UnknownModel.
    """
    if settings.model in register_banks:
        return RegisterBank(settings, wall, monotonic)
    if settings.model not in MODELS:
        raise UnknownModel(f"panel {settings.id}: no simulator for model {settings.model}")
    return MODELS[settings.model](settings, wall, monotonic)
