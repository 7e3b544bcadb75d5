"""What stands in a configuration in place of a password or an API key."""

from __future__ import annotations

import click

from gateway.cli.options import OneOf, Text, command


@command("password", "password", "password <admin.password")
def password() -> int:
    """Ask for a password, or read it from a pipe, and print the password_hash of a user."""
    from gateway.cli import secrets

    return secrets.password()


@command("api-key", "api-key nightly-report --role viewer", "api-key lift-control --role operator --note 'the lifts of house 3'")
@click.argument("name", type=Text("the name of a machine"))
@click.option("--role", type=OneOf(("viewer", "operator", "admin")), required=True, help="What it may do.")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
def api_key(name: str, role: str, note: str) -> int:
    """Make an API key for a machine: the key, which is shown only now, and what stands in the configuration."""
    from gateway.cli import secrets

    return secrets.api_key(name, role, note)
