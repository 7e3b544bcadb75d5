"""A configuration file read: TOML -> Settings. All mistakes come in one report, each with its key path and its line.

Relative paths are relative to the file. No message holds a value of a password.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.cross_checks import cross_checks
from config.files import MOST_CONFIGURATION, read_file
from config.findings import DATE, Finding, in_words, location_of
from config.panel_model import ModelError, PanelModel, load_models
from config.secret_files import is_of_a_secret
from config.settings import HttpSettings, Settings
from config.toml import TomlMistake, parse_toml
from config.toml_lines import line_of, lines_of
from config.warnings import warnings_of


class ConfigurationError(Exception):
    """Mistakes in a configuration, in the order of the file's keys where that can be told."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        self.mistakes = tuple(str(finding) for finding in findings)
        """Each `key.path: what (line 7)`."""
        super().__init__("\n".join(self.mistakes))

    @property
    def is_final(self) -> bool:
        """Whether the text of the configuration has to change: to read it again later does not help."""
        return not all(finding.elsewhere for finding in self.findings)


def load_settings(
    path: Path,
    models: Mapping[str, PanelModel] | None = None,
    leave_out: Collection[str] = (),
    folder: Path | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    """`models`: the known panel models by name; None: the shipped ones and those of `site.models_dir`. `leave_out`: tables of
    the file that are not looked at, as if they were not there. `folder`: what relative paths are relative to, if not the file's.
    `secrets`: whether the files of passwords, secrets and certificates have to be there.

    Raises ConfigurationError.
    """
    return _settings(_text(path), folder or path.parent, models, leave_out, secrets=secrets)


def load_http(path: Path) -> HttpSettings:
    """The table [http] of a file alone; the certificate that it names need not be there. Raises ConfigurationError."""
    text = _text(path)
    mistakes: dict[str, Finding] = {}
    settings = _validated(_placed({"http": _tables(text).get("http", {})}, path.parent.absolute()), mistakes)
    if settings is None:
        raise ConfigurationError(_on_their_lines(mistakes.values(), text))
    return settings.http


def check_settings(path: Path) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings of a file, and what is allowed there and may surprise. Raises ConfigurationError."""
    text = _text(path)
    settings = _settings(text, path.parent, None, ())
    return settings, _on_their_lines(warnings_of(settings, path), text)


def _settings(
    text: str, folder: Path, models: Mapping[str, PanelModel] | None, leave_out: Collection[str], *, secrets: bool = True
) -> Settings:
    read = {key: value for key, value in _tables(text).items() if key not in leave_out}
    raw = _placed(read, folder.absolute())
    mistakes: dict[str, Finding] = {}
    settings = _validated(raw, mistakes)
    if models is None:
        models = _models(raw, mistakes)
    crossed: dict[str, Finding] = {}
    for finding in cross_checks(raw, models):
        if secrets or not is_of_a_secret(finding):
            crossed.setdefault(finding.place, finding)
    mistakes |= crossed  # they say more of a key than its type does
    if mistakes or settings is None:
        raise ConfigurationError(_on_their_lines(mistakes.values(), text))
    return settings


def _on_their_lines(findings: Iterable[Finding], text: str) -> tuple[Finding, ...]:
    found = tuple(findings)
    lines = lines_of(text) if found else {}
    return tuple(replace(finding, line=line_of(finding.place, lines)) for finding in found)


def _text(path: Path) -> str:
    try:
        return read_file(path, MOST_CONFIGURATION).decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError((Finding("file", f"not readable: {error.strerror}", elsewhere=True),)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError((Finding("file", f"not UTF-8 text, at byte {error.start}"),)) from error


def _tables(text: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except TomlMistake as error:
        place, _, what = str(error).partition(": ")
        raise ConfigurationError((Finding(place, what),)) from error


def _placed(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths as absolute ones; the default store lies beside the file too."""
    store = raw.get("store", {})
    if isinstance(store, dict):
        default = str(Settings().store.path)
        raw = {**raw, "store": {**store, "path": _joined(folder, store.get("path", default))}}
    if isinstance(raw.get("site"), dict) and "models_dir" in raw["site"]:
        raw = {**raw, "site": {**raw["site"], "models_dir": _joined(folder, raw["site"]["models_dir"])}}
    http = raw.get("http")
    if isinstance(http, dict) and "tls" in http:
        own = _file_placed(_file_placed(http["tls"], "certificate", folder), "key", folder)
        raw = {**raw, "http": {**http, "tls": own}}
    if isinstance(raw.get("users"), list):
        raw = {**raw, "users": [_file_placed(user, "password_file", folder) for user in raw["users"]]}
    if isinstance(raw.get("webhooks"), list):
        raw = {**raw, "webhooks": [_file_placed(each, "secret_file", folder) for each in raw["webhooks"]]}
    if "manager" in raw:
        raw = {**raw, "manager": _file_placed(raw["manager"], "password_file", folder)}
    if isinstance(raw.get("lines"), list):
        raw = {**raw, "lines": [_line_placed(line, folder) for line in raw["lines"]]}
    return raw


def _file_placed(table: Any, key: str, folder: Path) -> Any:
    if isinstance(table, dict) and key in table:
        return {**table, key: _joined(folder, table[key])}
    return table


def _line_placed(line: Any, folder: Path) -> Any:
    """A port that is text is a device path; what looks like an URL (pyserial has some) stays."""
    if isinstance(line, dict) and "port" in line and "://" not in str(line["port"]):
        return {**line, "port": _joined(folder, line["port"])}
    return line


def _joined(folder: Path, value: Any) -> Any:
    return str(folder / value) if isinstance(value, str) and value else value


def _validated(raw: dict[str, Any], mistakes: dict[str, Finding]) -> Settings | None:
    # By way of JSON: strict types there know arrays and paths, which strict Python types do not. A date fits nowhere.
    text = json.dumps(raw, default=lambda value: {DATE: str(value)})
    try:
        return Settings.model_validate_json(text)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            place = _path(raw, location_of(one))
            mistakes.setdefault(place, Finding(place, in_words(one, Settings)))
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


def _models(raw: Mapping[str, Any], mistakes: dict[str, Finding]) -> Mapping[str, PanelModel] | None:
    """None where they cannot be known: then no panel is blamed for its model."""
    site, key = raw.get("site", {}), "site.models_dir"
    named = site.get("models_dir") if isinstance(site, dict) else None
    folder = Path(named) if isinstance(named, str) else None
    if folder is not None and not folder.is_dir():
        mistakes.setdefault(key, Finding(key, f"no folder {folder}", elsewhere=True))
        return None
    try:
        return load_models(folder)
    except ModelError as error:
        mistakes.setdefault(key, Finding(key, "; ".join(error.mistakes)))
    except (OSError, UnicodeDecodeError) as error:
        mistakes.setdefault(key, Finding(key, f"not readable: {error}", elsewhere=True))
    return None
