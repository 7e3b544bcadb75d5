"""What an installer does first: which ports there are, who answers on a line, a configuration to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli import options
from gateway.cli.options import command


@command("ports", "ports", "ports --json")
@options.as_json
def ports(as_json: bool) -> int:
    """List the serial ports of this machine by the names that they keep."""
    from gateway.cli import ports

    return ports.ports(as_json=as_json)


@command("scan", "scan rs485-a", "scan /dev/ttyUSB0 --units 1-8", "scan 192.0.2.10:502", "scan uhppote:192.0.2.255")
@options.config_if_any
@options.as_json
@click.argument("line", type=options.LINE, shell_complete=options.completed("lines"))
@click.option("--units", type=options.UNITS, default="1-32", show_default=True, metavar="FROM-TO", help="Which units to ask.")
def scan(config: Path | None, as_json: bool, line: str, units: range) -> int:
    """Find the units that answer on a line, at which rate and parity, and what models they look like. Nothing is written.

    With uhppote:HOST, or a line of that kind: the controllers that answer a broadcast, and the block to paste for them.
    """
    from gateway.cli import scanning

    return scanning.scan(config, line, units, as_json=as_json)


@command("init", "init", "init --output /etc/panel-gateway/panel-gateway.toml")
@click.option(
    "--output", type=options.FILE, default="panel-gateway.toml", show_default=True, metavar="FILE", help="What to write."
)
def init(output: Path) -> int:
    """Ask for the site, its lines and panels and a first user, and write a configuration with comments.

    On request with a certificate that signs itself, for HTTPS.
    """
    from gateway.cli import setting_up

    return setting_up.init(output)


@command("certificate", "certificate", "certificate --names gate.example,192.0.2.7", "certificate --replace")
@options.config
@click.option("--names", default="", metavar="NAMES", help="Names and addresses by which it is reached, comma-separated.")
@click.option("--replace", is_flag=True, help="Make a new pair in place of the one that is there.")
def certificate(config: Path, names: str, replace: bool) -> int:
    """Make a certificate that signs itself, with its key, where [http.tls] of a configuration expects them.

    Where it has no [http.tls]: beside it, and what to put into it is printed. Without --names it is for this machine's names
    and for those of http.hosts.
    """
    from gateway.cli import certificates

    return certificates.certificate(config, names, replace=replace)
