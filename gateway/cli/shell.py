"""The completion script of a shell and the manual page, both made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.shell_completion import get_completion_class

from gateway.cli.options import Command
from gateway.cli.output import say
from gateway.cli.root import COMPLETION, NAME, root
from gateway.release import RELEASE_DATE, VERSION


def completion(shell: str) -> int:
    """`shell`: bash, zsh or fish."""
    made = get_completion_class(shell)
    assert made is not None, "the option offers those that there are"
    say(made(root, {}, NAME, COMPLETION).source())
    return 0


def manual(ctx: click.Context) -> int:
    """Prints the page in the language of man(7)."""
    say("\n".join(_page(ctx)))
    return 0


def _page(ctx: click.Context) -> Iterator[str]:
    yield f'.TH PANEL-GATEWAY 1 {RELEASE_DATE} "panel-gateway {VERSION}"'
    yield from (".SH NAME", f"{NAME} \\- {_plain(_text(root)).rstrip('.')}")
    yield from (".SH SYNOPSIS", f".B {_plain(NAME)}", ".I COMMAND", "[OPTIONS]", ".SH COMMANDS")
    for name in root.list_commands(ctx):
        yield from _commands(root, ctx, name)
    yield from (".SH EXIT STATUS", _plain(_STATUS))


_STATUS = (
    "0 where the command did what was asked, 1 for mistakes and refusals, 2 for wrong usage, 3 where --exit-code is given and "
    "something is not as asked; serve also 78, where the configuration's text or the store is refused and another start does not "
    "help."
)


def _commands(group: click.Group, ctx: click.Context, name: str, before: str = "") -> Iterator[str]:
    """A command, and those that belong to it."""
    found = group.get_command(ctx, name)
    assert found is not None, "it was listed"
    yield from _entry(click.Context(found, info_name=before + name))
    if isinstance(found, click.Group):
        for each in found.list_commands(ctx):
            yield from _commands(found, ctx, each, f"{before}{name} ")


def _entry(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    yield f".SS {_plain(' '.join([ctx.info_name or '', *command.collect_usage_pieces(ctx)[1:]]))}"
    yield _plain(_text(command))
    for param in command.params:
        record = param.get_help_record(ctx)
        if record is not None:
            yield from (".TP", f".B {_plain(record[0])}", _plain(record[1]))
    for example in command.examples if isinstance(command, Command) else ():
        yield from (".PP", ".EX", _plain(f"{NAME} {example}"), ".EE")


def _text(command: click.Command) -> str:
    return " ".join((command.help or "").split())


def _plain(text: str) -> str:
    """The text as it is, whatever man(7) would make of its marks."""
    marked = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{marked}" if marked.startswith((".", "'")) else marked
