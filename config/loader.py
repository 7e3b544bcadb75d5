"""A configuration file read: TOML -> Settings. All mistakes come in one report, each with its key path.

Relative paths are relative to the file. No message holds a value of a password.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.cross_checks import cross_checks
from config.files import MOST_CONFIGURATION, read_file
from config.panel_model import ModelError, PanelModel, load_models
from config.settings import LINE_KINDS, Settings
from config.toml import TomlMistake, parse_toml


class ConfigurationError(Exception):
    """Mistakes in a configuration, each `key.path: what`, in the order of the file's keys where that can be told."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def load_settings(path: Path, models: Mapping[str, PanelModel] | None = None, leave_out: Collection[str] = ()) -> Settings:
    """`models`: the known panel models by name; None: the shipped ones and those of `site.models_dir`. `leave_out`: tables of
    the file that are not looked at, as if they were not there.

    Raises ConfigurationError.
    """
    read = {key: value for key, value in _read(path).items() if key not in leave_out}
    raw = _placed(read, path.absolute().parent)
    mistakes: dict[str, str] = {}
    settings = _validated(raw, mistakes)
    if models is None:
        models = _models(raw, mistakes)
    crossed: dict[str, str] = {}
    for key, what in cross_checks(raw, models):
        crossed.setdefault(key, what)
    mistakes |= crossed  # they say more of a key than its type does
    if mistakes or settings is None:
        raise ConfigurationError(tuple(f"{key}: {what}" for key, what in mistakes.items()))
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_file(path, MOST_CONFIGURATION).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError((f"file: not readable: {error.strerror}",)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError((f"file: not UTF-8 text, at byte {error.start}",)) from error
    except TomlMistake as error:
        raise ConfigurationError((str(error),)) from error


def _placed(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths as absolute ones; the default store lies beside the file too."""
    store = raw.get("store", {})
    if isinstance(store, dict):
        default = str(Settings().store.path)
        raw = {**raw, "store": {**store, "path": _joined(folder, store.get("path", default))}}
    if isinstance(raw.get("site"), dict) and "models_dir" in raw["site"]:
        raw = {**raw, "site": {**raw["site"], "models_dir": _joined(folder, raw["site"]["models_dir"])}}
    if isinstance(raw.get("users"), list):
        raw = {**raw, "users": [_user_placed(user, folder) for user in raw["users"]]}
    if isinstance(raw.get("lines"), list):
        raw = {**raw, "lines": [_line_placed(line, folder) for line in raw["lines"]]}
    return raw


def _user_placed(user: Any, folder: Path) -> Any:
    if isinstance(user, dict) and "password_file" in user:
        return {**user, "password_file": _joined(folder, user["password_file"])}
    return user


def _line_placed(line: Any, folder: Path) -> Any:
    """A port that is text is a device path; what looks like an URL (pyserial has some) stays."""
    if isinstance(line, dict) and "port" in line and "://" not in str(line["port"]):
        return {**line, "port": _joined(folder, line["port"])}
    return line


def _joined(folder: Path, value: Any) -> Any:
    return str(folder / value) if isinstance(value, str) and value else value


def _validated(raw: dict[str, Any], mistakes: dict[str, str]) -> Settings | None:
    # By way of JSON: strict types there know arrays and paths, which strict Python types do not. A date fits nowhere.
    text = json.dumps(raw, default=lambda value: {"date or time": str(value)})
    try:
        return Settings.model_validate_json(text)
    except ValidationError as error:
        for one in error.errors(include_input=False, include_url=False):
            if one["type"] in _NO_KIND:
                mistakes.setdefault(f"{_path(raw, one['loc'])}.kind", _NO_KIND[one["type"]])
            else:
                mistakes.setdefault(_path(raw, one["loc"]), _said(one["type"], one["msg"]))
    return None


def _path(raw: Any, location: Iterable[int | str]) -> str:
    """`lines[0].panels[2].unit`; what pydantic adds for the alternatives of a value, as the kind of a line, is left away."""
    path, at = "", raw
    for part in location:
        if isinstance(at, dict) and part == at.get("kind") and part not in at:
            continue
        if isinstance(at, list) and isinstance(part, int):
            path, at = f"{path}[{part}]", at[part] if part < len(at) else None
        elif isinstance(at, dict) and isinstance(part, str):
            path, at = f"{path}.{part}" if path else part, at.get(part)
        else:
            break
    return path


*_OTHERS, _LAST = (f"'{kind}'" for kind in LINE_KINDS)
_NO_KIND = {
    "union_tag_invalid": f"input should be {', '.join(_OTHERS)} or {_LAST}",
    "union_tag_not_found": "is missing",
}
_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "string_pattern_mismatch": "letters, digits, dot, dash and underscore only, at most 64, a letter or digit first",
}


def _said(kind: str, message: str) -> str:
    return _WORDS.get(kind, message[:1].lower() + message[1:].removeprefix("Value error, "))


def _models(raw: Mapping[str, Any], mistakes: dict[str, str]) -> Mapping[str, PanelModel] | None:
    """None where they cannot be known: then no panel is blamed for its model."""
    site = raw.get("site", {})
    named = site.get("models_dir") if isinstance(site, dict) else None
    folder = Path(named) if isinstance(named, str) else None
    if folder is not None and not folder.is_dir():
        mistakes.setdefault("site.models_dir", f"no folder {folder}")
        return None
    try:
        return load_models(folder)
    except ModelError as error:
        mistakes.setdefault("site.models_dir", "; ".join(error.mistakes))
    except (OSError, UnicodeDecodeError) as error:
        mistakes.setdefault("site.models_dir", f"not readable: {error}")
    return None
