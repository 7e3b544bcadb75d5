"""What runs until it is stopped, and the word that makes a running gateway read its configuration again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from gateway.cli import options
from gateway.cli.options import Asked, WholeNumber, command

if TYPE_CHECKING:
    from config.settings import Settings
    from gateway.cli.lab import Simulated


PEOPLE = WholeNumber("a whole number up to 400", 0, 400)


class Simulators(Protocol):
    """Simulated panels as the entry of the command line hands them over."""

    site: Callable[..., AbstractAsyncContextManager[Simulated]]

    def missing(self, settings: Settings) -> Collection[str]: ...


@command("serve", "serve", "serve --config site.toml --port 0")
@options.config
@click.option("--new-store", is_flag=True, help="Start with an empty site; a store that cannot be opened is set aside.")
@click.option("--host", type=options.Text("an address of this machine"), help="Listen here instead of [http] host.")
@click.option("--port", type=options.PORT, metavar="PORT", help="Listen here instead of [http] port; 0 picks a free one.")
@options.log_level
def serve(config: Path, new_store: bool, host: str | None, port: int | None) -> int:
    """Run the gateway."""
    gc.disable()  # what is imported and made for a start is there to stay: nothing searches it for garbage
    try:
        from gateway.cli import service

        return service.serve(config, host, port, new_store=new_store)
    finally:
        gc.enable()


@command("lab", "lab", "lab --port 0", "lab --people 50")
@click.option("--port", type=options.PORT, metavar="PORT", help="Port of the gateway; 0 picks a free one.")
@click.option("--people", type=PEOPLE, default=0, metavar="N", help="Fill the site with N people and their day.")
@options.control_port
@options.log_level
@click.pass_obj
def lab(simulators: Simulators, port: int | None, people: int, control_port: int) -> int:
    """Run a gateway with simulated panels, nothing else to set up."""
    from gateway.cli import lab

    return lab.run_lab(port, simulators.site, control_port, people)


@command("simulate", "simulate --config site.toml")
@options.config
@options.control_port
@options.log_level
@click.pass_obj
def simulate(simulators: Simulators, config: Path, control_port: int) -> int:
    """Run simulated panels in place of the configured ones."""
    from gateway.cli import lab

    return lab.run_simulated(config, simulators.site, simulators.missing, control_port)


@command("reload", "reload", "reload --json")
@options.asking
def reload(asked: Asked) -> int:
    """Make the gateway read its configuration again, and wait for its answer."""
    from gateway.cli import service

    return service.reload(asked)
