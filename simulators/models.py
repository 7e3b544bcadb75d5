"""Model name -> simulated panel: the only list."""

from __future__ import annotations

from collections.abc import Callable, Collection

from config.settings import PanelSettings
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import SimulatedPanel
from simulators.register_bank import RegisterBank

MODELS: dict[str, type[SimulatedPanel]] = {model.model: model for model in (OpenAccessPanel,)}


class UnknownModel(ValueError):
    """No simulator is written for this model."""


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
