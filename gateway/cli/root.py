"""The command line: which commands there are, and how one ends.

A command is loaded when it is named, and what it does when it is carried out: help and completion import neither the web server
nor the configuration. Exit status: 0 done, 1 mistakes or refused, 2 usage; `serve` also 78: the configuration's text or the store
is refused, and a restart does not help. With `--exit-code`, 3 where something is not as asked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from io import FileIO, StringIO, TextIOWrapper
from traceback import extract_tb

import click
from click.shell_completion import shell_complete

from config.nearest import did_you_mean
from gateway.cli.options import write_commands
from gateway.cli.output import Mistakes
from gateway.ops.terminal import harmless
from gateway.release import VERSION

NAME = "panel-gateway"
COMPLETION = "_PANEL_GATEWAY_COMPLETE"
REFUSED = 78
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Run": {"serve": "running", "lab": "running", "simulate": "running", "reload": "running"},
    "Look": {"status": "asking", "doctor": "asking", "explain": "asking"},
    "Doors": dict.fromkeys(("who", "where", "when", "doors", "open", "hold", "release", "events"), "doors"),
    "Lists": dict.fromkeys(("profiles", "people", "bindings", "lines"), "lists"),
    "Panels": dict.fromkeys(("sync", "retry", "accept", "reinit", "erase", "forget"), "verbs"),
    "Items and configuration": dict.fromkeys(("plan", "apply", "check", "diff", "models"), "files"),
    "Users": {"password": "users", "api-key": "users"},
    "Install": dict.fromkeys(("ports", "scan", "init", "certificate"), "installing"),
    "Store and clock": dict.fromkeys(("backup", "restore", "trust-store", "trust-clock"), "storing"),
    "Shell": {"completion": "shell", "manual": "shell"},
}
"""Each command under its heading in the help, and the module of `gateway.cli.commands` that has it."""
_LONG = ("serve", "lab", "simulate")
"""They leave a whole trace of a defect in the log."""
_HOMES = {name: module for commands in SECTIONS.values() for name, module in commands.items()}


class Root(click.Group):
    """All commands, none of them loaded before it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _HOMES.get(cmd_name)
        return None if home is None else _loaded(home, cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _HOMES and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"no such command {args[0]!r}{did_you_mean(args[0], [*_HOMES, '--help', '--version'])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in SECTIONS.items():
            with formatter.section(heading):
                write_commands(formatter, [(name, found) for name in names if (found := self.get_command(ctx, name))])


def _loaded(home: str, name: str) -> click.Command:
    found = getattr(import_module(f"gateway.cli.commands.{home}"), name.replace("-", "_"))
    assert isinstance(found, click.Command), name
    return found


@click.group(
    NAME,
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=f"'{NAME} COMMAND --help' shows the options of a command, with examples.",
)
@click.version_option(VERSION, prog_name=NAME, message="%(prog)s %(version)s")
def root() -> None:
    """The BAS-IP panel API for the hardware panels of a site."""


def run(arguments: Sequence[str] | None, simulators: object) -> int:
    """Carry out one command; returns the exit status. `simulators`: what `lab` and `simulate` run. Raises SystemExit for help and
    for mistakes of usage."""
    _prepare_streams()
    if instruction := os.environ.get(COMPLETION):
        return shell_complete(root, {}, NAME, COMPLETION, instruction)
    given = list(sys.argv[1:] if arguments is None else arguments)
    ctx: click.Context | None = None
    try:
        with root.make_context(NAME, given, obj=simulators) as ctx:
            status = int(root.invoke(ctx) or 0)
            sys.stdout.flush()
            return status
    except click.exceptions.Exit as left:
        raise SystemExit(left.exit_code) from None
    except click.ClickException as error:
        _complain(_wrong(error))
        raise SystemExit(2) from None
    except Mistakes as mistakes:
        _complain(mistakes.lines)
        return REFUSED if mistakes.is_final and ctx is not None and ctx.invoked_subcommand == "serve" else 1
    except (KeyboardInterrupt, click.Abort):
        return 130
    except OSError as error:
        if error.filename is not None:
            _complain([f"{error.filename}: {error.strerror}"])
            return 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            _complain([f"standard output: {error.strerror}"])
        return 1
    except Exception as error:
        if ctx is None or ctx.invoked_subcommand in _LONG:
            raise
        _complain([_defect(error)])
        return 1


def _prepare_streams() -> None:
    """What the caller closed is empty, or goes nowhere; what the terminal's encoding lacks is written in ASCII."""
    sys.stdin = sys.stdin or StringIO()
    sys.stdout, sys.stderr = (
        stream or TextIOWrapper(FileIO(os.devnull, "w"), write_through=True) for stream in (sys.stdout, sys.stderr)
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(OSError):  # a stream that has moved since it was opened, by a parent that gave this process another
                stream.reconfigure(errors="backslashreplace")


def _complain(lines: Iterable[str]) -> None:
    from gateway.ops.logs import complain

    complain(map(harmless, lines))


def _defect(error: Exception) -> str:
    """A defect of the program in one line, for somebody who reports it."""
    place = extract_tb(error.__traceback__)[-1]
    return f"{NAME} {VERSION} has a defect, please report it: {error!r}, {place.filename} line {place.lineno}"


def _wrong(error: click.ClickException) -> Iterator[str]:
    """A mistake of usage in one line: the command, the place, what was expected."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        yield from error.format_message().splitlines()
        return
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    place = "" if ctx is None else f"{ctx.command_path}: "
    yield place + _said(error, ctx)


def _said(error: click.ClickException, ctx: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        known = [] if ctx is None else [name for param in ctx.command.params for name in param.opts]
        return f"no such option {error.option_name!r}{did_you_mean(error.option_name, [*known, '--help'])}"
    if isinstance(error, click.BadOptionUsage) and ctx is not None:
        every = ctx.command.get_params(ctx)  # with --help, which is none of its params
        (option,) = (each for each in every if error.option_name in each.opts and isinstance(each, click.Option))
        expected = "expected no value" if option.is_flag else f"expected {option.make_metavar(ctx)}, got nothing"
        return f"{error.option_name}: {expected}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        named = f"{error.param.opts[0]} " if isinstance(error.param, click.Option) else ""
        return f"expected {named}{error.param.make_metavar(ctx or click.Context(root))}, got nothing"
    if isinstance(error, click.BadParameter) and error.param is not None:
        named = error.param.opts[0] if isinstance(error.param, click.Option) else error.param.human_readable_name
        return f"{named}: {error.message}"
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]
