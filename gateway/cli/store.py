"""Commands for the store's file: copies of it, one put back, and an operator's word for it. Each returns the exit status."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping

from config.settings import Settings
from gateway.cli.output import Mistakes, called, note, say
from gateway.store.backups import backup_file, begin_anew, restore_file
from gateway.store.contract import StoreError


def backup(settings: Settings, arguments: Namespace) -> int:
    try:
        backup_file(settings.store.path, arguments.target, force=arguments.force, keep=arguments.keep)
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    say(f"{arguments.target}")
    return 0


def restore(settings: Settings, arguments: Namespace) -> int:
    store = settings.store.path
    try:
        aside = restore_file(arguments.backup, store)
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    say(f"{store}: restored from {arguments.backup}" + (f"; what was there is {aside}" if aside else ""))
    return 0


def new_store(settings: Settings) -> None:
    """Set a store that cannot be opened aside before `serve --new-store`. Raises Mistakes where a whole store is there."""
    try:
        aside = begin_anew(settings.store.path)
    except StoreError as error:
        raise Mistakes([str(error)]) from error
    if aside is not None:
        note(f"{settings.store.path}: an empty site from now on; what was there is {aside}")


def trust_store(settings: Settings, arguments: Namespace) -> int:
    called(settings, "POST", "/gateway/v1/store/trust", arguments.url)
    say(f"{settings.store.path}: trusted from now on")
    return 0


COMMANDS: Mapping[str, Callable[[Settings, Namespace], int]] = {
    "backup": backup,
    "restore": restore,
    "trust-store": trust_store,
}
