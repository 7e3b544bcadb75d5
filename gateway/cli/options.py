"""Options that several commands have, and what people type as their values. Imports nothing that takes time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
from click.shell_completion import CompletionItem

from config.nearest import did_you_mean

ENVIRONMENT = "PANEL_GATEWAY_CONFIG"
INSTALLED = Path("/etc/panel-gateway/panel-gateway.toml")
_LEVEL = "panel-gateway.log-level"
_LAST_UNIT = 247
_MOST_DIGITS = 9
_LONGEST = 80
_SENTENCE = 200
"""Letters of help; more than any first sentence has."""
_WITH_VALUE = ("--config", "--url", "--ca")
P = ParamSpec("P")
Decorated = Callable[..., int]


class Placed(click.Command):
    """Its mistakes of usage say which command they are of."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out
            raise


class Command(Placed):
    """A command with examples, each what follows `panel-gateway`. One without --log-level says what it does by itself."""

    examples: tuple[str, ...] = ()

    def invoke(self, ctx: click.Context) -> Any:
        from gateway.ops import logs

        logs.configure(level=ctx.meta.get(_LEVEL, "warning"))
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Iterable[str]) -> None:
    """A section of help, where there are any."""
    if examples := tuple(examples):
        with formatter.section("Examples"):
            for example in examples:
                formatter.write_text(f"panel-gateway {example}")


def write_commands(formatter: click.HelpFormatter, commands: Iterable[tuple[str, click.Command]]) -> None:
    """Rows of help with the whole of the first sentence."""
    formatter.write_dl([(name, each.get_short_help_str(_SENTENCE)) for name, each in commands])


class Listing(click.Group):
    """A group of commands of which `list` is meant where none is named. Options may stand before the command, too."""

    def add(self, added: click.Command) -> click.Command:
        self.add_command(added)
        return added

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest, before = list(args), list[str]()
        while rest and rest[0].startswith("-") and rest[0] not in ctx.help_option_names:
            before.append(rest.pop(0))
            if before[-1] in _WITH_VALUE and rest:
                before.append(rest.pop(0))
        if ctx.resilient_parsing and not args:
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, [*(rest[:1] or ["list"]), *before, *rest[1:]])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        of_list = self.commands["list"].shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        return of_list or super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            write_commands(formatter, self.commands.items())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        every = (each for each in self.commands.values() if isinstance(each, Command))
        write_examples(formatter, dict.fromkeys(example for each in every for example in each.examples))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not ctx.resilient_parsing:
            expected = f"expected one of {', '.join(self.commands)}, got {args[0]!r}{did_you_mean(args[0], self.commands)}"
            raise click.UsageError(expected, ctx)
        return super().resolve_command(ctx, args)


def command(name: str, *examples: str) -> Callable[[Decorated], Command]:
    """The function's docstring is the command's help."""

    def made(function: Decorated) -> Command:
        made = click.command(name, cls=Command)(function)
        made.examples = examples
        return made

    return made


class WholeNumber(click.ParamType[int]):
    """`expected`: in words, for help and mistakes; `most` None: any number."""

    name = "number"

    def __init__(self, expected: str, least: int, most: int | None = None) -> None:
        self.expected, self.least, self.most = expected, least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        number = _whole(str(value))
        if number is None or number < self.least or (self.most is not None and number > self.most):
            self.fail(f"expected {self.expected}, got {_short(value)}", param, ctx)
        return number


def _whole(text: str) -> int | None:
    """None where it is no whole number, or has more digits than any that is meant."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class Units(click.ParamType[range]):
    """`1-32`, or one number."""

    name = "units"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        if isinstance(value, range):
            return value
        first, _, last = str(value).partition("-")
        low, high = _whole(first), _whole(last or first)
        if low is None or high is None or not 1 <= low <= high <= _LAST_UNIT:
            self.fail(f"expected units such as 1-32, from 1 to {_LAST_UNIT}, got {_short(value)}", param, ctx)
        return range(low, high + 1)


class Text(click.ParamType[str]):
    """Any text but an empty one, which is a variable of a script that has no value. `expected`: in words."""

    name = "text"

    def __init__(self, expected: str) -> None:
        self.expected = expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail(f"expected {self.expected}, got ''", param, ctx)
        return str(value)


class _File(click.Path):
    """The path of a file."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("expected the path of a file, got ''", param, ctx)
        return super().convert(value, param, ctx)


class OneOf(click.Choice[str]):
    """A word of a few, as they are written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            near = did_you_mean(value, self.choices)
            self.fail(f"expected one of {', '.join(self.choices)}, got {_short(value)}{near}", param, ctx)
        return str(value)


PORT = WholeNumber("a port from 0 to 65535", 0, 65535)
UNITS = Units()
COUNT = WholeNumber("a whole number from 1 to 1000000", 1, 1_000_000)
DAYS = WholeNumber("a whole number from 1 to 3660", 1, 3_660)
ITEM = Text("a name, a number or a link_id")
DOOR = Text("the id, the name or the number of a door")
LINE = Text("the id of a line")
PANEL = Text("the id of a panel")
PANELS = Text("panels such as lobby, gate:3 or @doors")
SECONDS = WholeNumber("whole seconds from 1 to 86400", 1, 86_400)
FILE = _File(path_type=Path)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is told to each command that asks the running gateway. `url` None: its socket on this machine; `ca`: a file with the
    certificates that are trusted there, in place of this machine's."""

    config: Path
    url: str | None
    as_json: bool
    ca: Path | None = None


def _which(ctx: click.Context, _: click.Parameter, given: Path | None) -> Path:
    """The configuration of this command. One that is there and cannot be read is complained of by those who read it."""
    if given is not None or ctx.resilient_parsing:
        return given or INSTALLED
    try:
        INSTALLED.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise click.UsageError(
            f"expected a configuration: --config FILE, or its path in ${ENVIRONMENT} (there is no {INSTALLED})", ctx
        ) from error
    except OSError:
        pass
    return INSTALLED


def _web(ctx: click.Context, param: click.Parameter, given: str | None) -> str | None:
    """The URL without a slash at its end. Where the scheme is left out it is HTTP."""
    if given is None or ctx.resilient_parsing:
        return given
    scheme, _, place = given.rpartition("://")
    url = f"{scheme.lower() or 'http'}://{place.rstrip('/')}"
    if not _is_base(url):
        raise click.BadParameter(f"expected a URL such as http://192.0.2.7:8080, got {_short(given)}", ctx, param)
    return url


def _is_base(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        right = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        return False
    return right and parts.scheme in ("http", "https") and url == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


config = click.option(
    "--config",
    type=FILE,
    envvar=ENVIRONMENT,
    callback=_which,
    metavar="FILE",
    help=f"Configuration file; else ${ENVIRONMENT}, else {INSTALLED}.",
)
config_if_any = click.option(
    "--config",
    type=FILE,
    envvar=ENVIRONMENT,
    callback=lambda ctx, param, given: given or (INSTALLED if os.access(INSTALLED, os.R_OK) else None),
    metavar="FILE",
    help=f"Configuration that names lines and models; else ${ENVIRONMENT}, else {INSTALLED}, else none.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts: the API's where it is asked.")
url = click.option(
    "--url",
    callback=_web,
    metavar="URL",
    help="Ask over HTTP, with $PANEL_GATEWAY_API_KEY or as the first user, in place of the socket on this machine.",
)
ca = click.option(
    "--ca", type=FILE, metavar="FILE", help="With an https URL: the certificate to trust, in place of this machine's."
)
log_level = click.option(
    "--log-level",
    type=OneOf(("debug", "info", "warning", "error")),
    default="info",
    expose_value=False,
    callback=lambda ctx, _, level: ctx.meta.__setitem__(_LEVEL, level),
    help="The least level of what is logged; debug: frames, too.",
)
control_port = click.option(
    "--control-port", type=PORT, default=0, metavar="PORT", help="Port of the control URL; 0 picks a free one."
)
exit_code = click.option("--exit-code", is_flag=True, help="Exit with status 3 where something is not as asked.")
wait = click.option("--wait", is_flag=True, help="Wait until it is done, a minute at most.")
when = click.argument("when", nargs=-1, metavar="[WHEN]")
yes = click.option("--yes", is_flag=True, help="Do not ask.")


def asking(function: Callable[Concatenate[Asked, P], int]) -> Decorated:
    """A command that asks the running gateway: it is called with an `Asked` first."""

    @config
    @url
    @ca
    @as_json
    @wraps(function)
    def asked(config: Path, url: str | None, ca: Path | None, as_json: bool, *args: P.args, **rest: P.kwargs) -> int:
        return function(Asked(config, url, as_json, ca), *args, **rest)

    return asked


def _named(path: Path, table: str) -> Iterator[str]:
    """The ids that a configuration gives to its panels, lines or doors; none where it cannot be read."""
    import tomllib

    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return
    lines = read.get("lines", [])
    found = [panel for line in lines for panel in line.get("panels", [])] if table == "panels" else read.get(table, [])
    yield from (each["id"] for each in found if isinstance(each.get("id"), str))


def completed(table: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes ids of `panels`, `lines` or `doors` from the configuration's text."""

    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        path = ctx.params.get("config") or Path(os.environ.get(ENVIRONMENT) or INSTALLED)
        return [CompletionItem(name) for name in _named(path, table) if name.startswith(begun)]

    return complete


def completed_kinds(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Completes the last of kinds of events with `,` between them."""
    from config.event_kinds import KINDS

    before, comma, last = begun.rpartition(",")
    return [CompletionItem(before + comma + kind) for kind in KINDS if kind.startswith(last)]


def panel(*, required: bool = True) -> Callable[[Decorated], Decorated]:
    """The argument PANEL."""
    return click.argument("panel", type=PANEL, required=required, shell_complete=completed("panels"))
