"""Commands for the store's file: copies of it, one put back, and an operator's word for it. Each returns the exit status."""

from __future__ import annotations

from pathlib import Path

from config.settings import Settings
from gateway.cli.client import running
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes, note, say, say_json
from gateway.cli.reading import read_settings
from gateway.store.backups import backup_file, begin_anew, restore_file
from gateway.store.contract import StoreError, StoreInUse


def without_advice(error: StoreError) -> str:
    """What is wrong, without the advice to restore a backup."""
    return str(error).partition("; restore a backup")[0]


def backup(config: Path, target: Path, *, force: bool, keep: int) -> int:
    try:
        backup_file(read_settings(config).store.path, target, force=force, keep=keep)
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    say(f"{target}")
    return 0


def restore(config: Path, copy: Path, *, as_json: bool) -> int:
    store = read_settings(config).store.path
    try:
        aside = restore_file(copy, store)
    except StoreInUse as error:
        raise Mistakes([f"{error}: stop it first (systemctl stop panel-gateway)"]) from error
    except StoreError as error:
        raise Mistakes([without_advice(error)]) from error
    if as_json:
        say_json({"store": str(store), "restored_from": str(copy), "set_aside": None if aside is None else str(aside)})
    else:
        say(f"{store}: restored from {copy}" + (f"; what was there is {aside}" if aside else ""))
    return 0


def new_store(settings: Settings) -> None:
    """Set a store that cannot be opened aside before `serve --new-store`. Raises Mistakes where a whole store is there."""
    try:
        aside = begin_anew(settings.store.path)
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    if aside is not None:
        note(f"{settings.store.path}: an empty site from now on; what was there is {aside}")


def trust_store(asked: Asked) -> int:
    gateway = running(asked)
    body = gateway.post("/gateway/v1/store/trust")
    if asked.as_json:
        say_json(body)
    else:
        say(f"{gateway.settings.store.path if asked.url is None else f'the store of {asked.url}'}: trusted from now on")
    return 0
