"""The command line. Each command is a function of `commands.py`; this file only reads arguments and starts what they ask for.

Exit status: 0 done, 1 mistakes or refused, 2 usage; `serve` also 78: the configuration's text or the store is refused, and
a restart does not help.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.api.info import own_version
from gateway.app import CannotStart, StoreRefused
from gateway.cli import commands, store
from gateway.cli.output import Mistakes
from gateway.cli.panel_verbs import VERBS
from gateway.ops import logs

REFUSED = 78


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("a count is a whole number from 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="panel-gateway", description="The BAS-IP panel API for the hardware panels of a site.")
    parser.add_argument("--version", action="version", version=f"panel-gateway {own_version()}")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *, config: bool = True, as_json: bool = True) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text)
        if config:
            verb.add_argument("--config", required=True, type=Path, metavar="FILE", help="configuration file (TOML)")
        if as_json:
            verb.add_argument("--json", action="store_true", help="print the API's JSON instead of a table")
        return verb

    serve = command("serve", "run the gateway", as_json=False)
    serve.add_argument(
        "--new-store", action="store_true", help="start with an empty site; a store that cannot be opened is set aside"
    )
    serve.add_argument("--host", help="listen here instead of [http] host")
    serve.add_argument("--port", type=_port, help="listen here instead of [http] port; 0 picks a free one")
    simulate = command("simulate", "run simulated panels in place of the configured ones", as_json=False)
    simulate.add_argument("--control-port", type=_port, default=0, help="port of the control URL; 0 picks a free one")
    lab = command("lab", "run a gateway with simulated panels, nothing else to set up", config=False, as_json=False)
    lab.add_argument("--port", type=_port, help="port of the gateway; 0 picks a free one")
    lab.add_argument("--control-port", type=_port, default=0, help="port of the control URL; 0 picks a free one")
    for running in (serve, simulate, lab):
        running.add_argument(
            "--log-level", choices=logs.LEVELS, default="info", help="least level of what is logged; debug: frames too"
        )
    check = command("check", "list every mistake in a configuration, and warn of what may surprise")
    check.add_argument("--strict", action="store_true", help="exit with status 1 for warnings too")
    plan = command("plan", "show what a request would do to every panel; nothing is written")
    plan.add_argument("request", type=Path, metavar="REQUEST.json")
    plan.add_argument("--panels", help="panels in place of the bindings, comma-separated: @doors,gate:3")
    status = command("status", "show what is desired and what the panels hold")
    status.add_argument("panel", nargs="?")
    reload = command("reload", "make the gateway read its configuration again, and wait for its answer")
    trust = command("trust-clock", "say that this host's clock is right, until the host boots or its clock is set")
    trust.add_argument("--yes", action="store_true", help="do not ask")
    of_a_panel = {verb: command(verb, text) for verb, text in VERBS.items()}
    of_a_panel["accept"].add_argument("--slots", action="store_true", help="remember its foreign slots with what they hold")
    for verb in of_a_panel.values():
        verb.add_argument("panel")
    for asking in (status, reload, trust, *of_a_panel.values()):
        asking.add_argument("--url", help="ask over HTTP, as the first user, in place of the gateway's socket on this machine")
    backup = command("backup", "copy the store while the gateway works", as_json=False)
    backup.add_argument("target", type=Path, metavar="FILE")
    backup.add_argument("--force", action="store_true", help="replace a file that is there")
    backup.add_argument(
        "--keep", type=_count, default=1, metavar="N", help="how many copies to keep: FILE is the newest, FILE.1 the one before"
    )
    restore = command("restore", "put a backup in the place of the store, which is set aside", as_json=False)
    restore.add_argument("backup", type=Path, metavar="FILE")
    believe = command("trust-store", "trust a store that is older than its mark, as it is", as_json=False)
    believe.add_argument("--url", help="ask over HTTP, as the first user, in place of the gateway's socket on this machine")
    models = command("models", "list panel models, or check a model file", config=False)
    models.add_argument("--config", type=Path, metavar="FILE", help="configuration whose site.models_dir counts too")
    checked = models.add_subparsers(dest="action", metavar="check FILE").add_parser("check", help="check a model file")
    checked.add_argument("file", type=Path, metavar="FILE")
    # argparse takes an option between two optional positionals for the end of both: `check` is a parser, with the options again.
    checked.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    checked.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="without effect")
    return parser


async def _simulate(arguments: argparse.Namespace) -> int:
    from gateway.cli.lab import simulate
    from simulators.models import panels_without_simulator
    from simulators.site import SimulatedSite

    # Panels know nobody: passwords that are not there yet are the gateway's business.
    settings = commands.read_settings(arguments.config, leave_out=("users",))
    if missing := panels_without_simulator(settings):
        raise Mistakes([f"{arguments.config}: {panel}" for panel in missing])
    return await simulate(settings, lambda wanted: SimulatedSite(wanted, control_port=arguments.control_port))


async def _lab(arguments: argparse.Namespace) -> int:
    from gateway.cli.lab import lab
    from simulators.site import SimulatedSite

    return await lab(
        arguments.port, lambda wanted, **places: SimulatedSite(wanted, control_port=arguments.control_port, **places)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    read = parser.parse_args(arguments)
    logs.configure(level=getattr(read, "log_level", "info"))
    running = {"simulate": _simulate, "lab": _lab}.get(read.command)
    try:
        if running is not None:
            return asyncio.run(running(read))
        of_store = store.COMMANDS.get(read.command)
        if of_store is not None:
            return of_store(commands.read_settings(read.config), read)
        if getattr(read, "new_store", False):
            store.new_store(commands.read_settings(read.config))
        return commands.run(read)
    except Mistakes as mistakes:
        logs.complain(mistakes.lines)
        return REFUSED if mistakes.is_final and read.command == "serve" else 1
    except CannotStart as error:
        logs.complain([str(error)])
        return REFUSED if isinstance(error, StoreRefused) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
