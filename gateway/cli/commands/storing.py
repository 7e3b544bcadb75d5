"""Commands for the store's file, and an operator's word for the store and the host's clock."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli import options
from gateway.cli.options import Asked, command


@command("backup", "backup /var/backups/site.db --keep 7")
@options.config
@click.argument("target", type=options.FILE, metavar="FILE")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--keep",
    type=options.COUNT,
    default=1,
    metavar="N",
    help="How many copies to keep: FILE is the newest, FILE.1 the one before.",
)
def backup(config: Path, target: Path, force: bool, keep: int) -> int:
    """Copy the store while the gateway works."""
    from gateway.cli import store

    return store.backup(config, target, force=force, keep=keep)


@command("restore", "restore /var/backups/site.db")
@options.config
@options.as_json
@click.argument("copy", type=options.FILE, metavar="FILE")
def restore(config: Path, as_json: bool, copy: Path) -> int:
    """Put a backup in the place of the store, which is set aside."""
    from gateway.cli import store

    return store.restore(config, copy, as_json=as_json)


@command("trust-store", "trust-store")
@options.asking
def trust_store(asked: Asked) -> int:
    """Trust a store that is older than its mark, as it is."""
    from gateway.cli import store

    return store.trust_store(asked)


@command("trust-clock", "trust-clock", "trust-clock --yes")
@options.asking
@options.yes
def trust_clock(asked: Asked, yes: bool) -> int:
    """Say that this host's clock is right, until the host boots or its clock is set."""
    from gateway.cli import clock

    return clock.trust_clock(asked, yes=yes)
