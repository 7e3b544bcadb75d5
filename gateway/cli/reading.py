"""What commands read of an installation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from config.loader import ConfigurationError, load_settings
from config.nearest import did_you_mean
from config.panel_model import ModelError, PanelModel, load_models
from config.settings import Settings
from gateway.cli.output import Mistakes


def read_settings(path: Path, leave_out: Collection[str] = (), folder: Path | None = None, *, secrets: bool = True) -> Settings:
    """The configuration, checked whole but for the tables that are left out. `folder`: as if it lay there. `secrets`: whether
    their files have to be there. Raises Mistakes.
    """
    try:
        return load_settings(path, leave_out=leave_out, folder=folder, secrets=secrets)
    except ConfigurationError as error:
        raise Mistakes([f"{path}: {mistake}" for mistake in error.mistakes], is_final=error.is_final) from error


def read_models(folder: Path | None) -> Mapping[str, PanelModel]:
    """Shipped and own models. Raises Mistakes."""
    try:
        return load_models(folder)
    except ModelError as error:
        raise Mistakes(error.mistakes) from error


def meant(name: str, settings: Settings) -> str:
    """What somebody may mean who names a panel, output or group that is not there; nothing where nothing is near."""
    panels = [panel.id for line in settings.lines for panel in line.panels]
    panel, is_output, _ = name.partition(":")
    if is_output and panel in panels:
        return f"; {panel} has no such output"
    return did_you_mean(name, [*panels, *(f"@{group}" for group in settings.groups)])
