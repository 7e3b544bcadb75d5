"""What the shell and `man` know of the commands."""

from __future__ import annotations

import click

from gateway.cli.options import OneOf, command


@command("completion", "completion bash > /etc/bash_completion.d/panel-gateway", "completion fish | source")
@click.argument("shell", type=OneOf(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print what makes a shell complete commands, options and names of panels."""
    from gateway.cli import shell as printed

    return printed.completion(shell)


@command("manual", "manual > /usr/local/share/man/man1/panel-gateway.1")
@click.pass_context
def manual(ctx: click.Context) -> int:
    """Print the manual page, for man."""
    from gateway.cli import shell as printed

    return printed.manual(ctx.find_root())
