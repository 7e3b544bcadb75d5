"""Commands about files: a configuration, a request, a panel model."""

from __future__ import annotations

from pathlib import Path

import click

from config.nearest import did_you_mean
from gateway.cli import options
from gateway.cli.options import Asked, Command, command


@command("check", "check --config site.toml", "check --strict")
@options.config
@options.as_json
@click.option("--strict", is_flag=True, help="Exit with status 1 for warnings, too.")
def check(config: Path, as_json: bool, strict: bool) -> int:
    """List every mistake in a configuration, and warn of what may surprise."""
    from gateway.cli import check

    return check.check(config, as_json=as_json, strict=strict)


@command(
    "plan",
    "plan request.json",
    "plan deletion.json --exit-code",
    "plan request.json --panels @doors,gate:3",
    "plan request.json --frames",
    "plan request.json --url http://192.0.2.7:8080",
)
@options.asking
@click.argument("request", type=options.FILE, metavar="REQUEST.json")
@click.option("--panels", type=options.PANELS, help="Panels in place of the bindings, comma-separated: @doors,gate:3.")
@click.option("--frames", is_flag=True, help="Show every frame that would be written, too.")
@options.exit_code
def plan(asked: Asked, request: Path, panels: str | None, frames: bool, exit_code: bool) -> int:
    """Show what a request would do to every panel; nothing is written.

    It goes by the store as it lies there; with --url, by what the gateway there knows now.

    The file is JSON: an object with `list_items` (time profiles and people to be made or changed), `link_ids` (those to be
    deleted), or both.
    """
    from gateway.cli import planning

    return planning.plan(asked, request, panels, frames=frames, exit_code=exit_code)


@command("apply", "apply request.json", "apply deletion.json --wait")
@options.asking
@click.argument("request", type=options.FILE, metavar="REQUEST.json")
@options.wait
def apply(asked: Asked, request: Path, wait: bool) -> int:
    """Do what a request asks for: items of `list_items` are made or changed, those of `link_ids` deleted.

    The file is JSON: an object with `list_items` (time profiles and people), `link_ids` (of either), or both. Of a file with a
    mistake nothing is done. A panel that is away is not waited for: the gateway goes on trying.
    """
    from gateway.cli import applying

    return applying.apply(asked, request, wait=wait)


@command("diff", "diff new.toml", "diff new.toml --json")
@options.config
@options.as_json
@click.argument("changed", type=options.FILE, metavar="CONFIG")
def diff(config: Path, as_json: bool, changed: Path) -> int:
    """Show what a changed configuration would do before it is put in place and reloaded."""
    from gateway.cli import comparing

    return comparing.diff(config, changed, as_json=as_json)


class Models(options.Placed, click.Group):
    """`models` lists, `models check FILE` checks; both take the options, wherever they stand."""

    command_class = Command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise click.UsageError(f"expected check, got {args[0]!r}{did_you_mean(args[0], self.commands)}", ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options.write_examples(formatter, ("models", "models check own-panel.toml"))


@click.group("models", cls=Models, invoke_without_command=True, subcommand_metavar="[check FILE]")
@click.option("--config", type=options.FILE, metavar="FILE", help="Configuration whose site.models_dir counts, too.")
@options.as_json
@click.pass_context
def models(ctx: click.Context, config: Path | None, as_json: bool) -> int:
    """List panel models, or check a model file."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = as_json
        return 0
    from gateway.cli import models

    return models.models(config, as_json=as_json)


@models.command("check")
@click.argument("file", type=options.FILE, metavar="FILE")
@click.option("--config", type=options.FILE, metavar="FILE", help="Without effect.")
@options.as_json
@click.pass_obj
def check_model(before: bool, file: Path, config: Path | None, as_json: bool) -> int:
    """Validate a model file and run its golden vectors."""
    from gateway.cli import models

    return models.check_model(file, as_json=as_json or before)
