"""`panel-gateway models` and `models check FILE`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from config.panel_model import load_model
from gateway.cli import model_check
from gateway.cli.output import Mistakes, counted, say, say_json
from gateway.cli.reading import read_models, read_settings
from gateway.cli.tables import table


def models(config: Path | None, *, as_json: bool) -> int:
    """`config`: whose own models count, too."""
    folder = read_settings(config).site.models_dir if config else None
    rows = model_check.model_rows(read_models(folder))
    if as_json:
        say_json({"models": [asdict(row) for row in rows]})
    else:
        head = ("model", "title", "schedules", "outputs", "options")
        say(table([head, *((row.name, row.title, row.schedules, row.outputs, ", ".join(row.options)) for row in rows)]))
    return 0


def check_model(file: Path, *, as_json: bool) -> int:
    mistakes = model_check.check_model_file(file)
    if as_json:
        say_json({"mistakes": mistakes})
        return 1 if mistakes else 0
    if mistakes:
        raise Mistakes([f"{file}: {mistake}" for mistake in mistakes])
    vectors = len(load_model(file).vectors)
    say(f"{file}: no mistakes, {counted(vectors, 'golden vector')} {'holds' if vectors == 1 else 'hold'}")
    return 0
