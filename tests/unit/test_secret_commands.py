"""`password` and `api-key`: what they print is what a configuration takes, and the secret is in none of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from config.api_keys import key_hash
from config.loader import load_settings
from config.password_hash import PasswordHash, md5_form
from config.settings import Settings, UserSettings
from gateway.__main__ import main
from gateway.cli.credentials import credentials
from gateway.cli.output import Mistakes


def test_the_hash_of_a_password_logs_its_user_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("pass wörd\n"))
    assert main(["password"]) == 0
    printed = capsys.readouterr().out
    file = tmp_path / "site.toml"
    file.write_text(f'[[users]]\nname = "admin"\n{printed}', encoding="utf-8")
    (user,) = load_settings(file).users
    assert user.password_hash is not None
    assert PasswordHash.parsed(user.password_hash).fits(md5_form("pass wörd"))
    assert "wörd" not in printed


def test_no_password_is_a_mistake(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["password"]) == 1
    assert "expected a password, got none" in capsys.readouterr().err


def test_an_api_key_is_shown_once_and_its_hash_is_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["api-key", "report", "--role", "viewer", "--note", 'the "nightly" one']) == 0
    printed = capsys.readouterr()
    key = printed.err.split()[-1]
    file = tmp_path / "site.toml"
    file.write_text(printed.out, encoding="utf-8")
    (kept,) = load_settings(file).api_keys
    assert (kept.name, kept.hash, kept.role, kept.note) == ("report", key_hash(key), "viewer", 'the "nightly" one')
    assert key not in printed.out


def test_a_name_that_no_configuration_takes_makes_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["api-key", "a:b", "--role", "viewer"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, "name: expected a name without a colon" in printed.err) == ("", True)
    with pytest.raises(SystemExit):
        main(["api-key", "report"])


def test_a_command_asks_over_http_with_the_key_of_the_environment_and_with_no_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(users=(UserSettings(name="admin", password_hash=str(PasswordHash.of("123456"))),))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(Mistakes, match="PANEL_GATEWAY_API_KEY"):
        credentials(settings)
    monkeypatch.setenv("PANEL_GATEWAY_API_KEY", "pgk_x")
    assert credentials(settings) == {"Authorization": "Bearer pgk_x"}
