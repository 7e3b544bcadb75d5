"""Files that never end, or were never meant to be read, hang nothing and end nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.files import read_file, read_password
from config.loader import ConfigurationError, load_settings
from config.panel_model import ModelError, load_model, load_models
from config.settings import Settings
from config.toml import parse_toml

ABSURD = {
    "deep arrays": ("a = " + "[" * 5000 + "]" * 5000, "file: nested more than 32 deep, at line 1"),
    "deep on line 3": ("\n\na = " + "[" * 5000 + "]" * 5000, "file: nested more than 32 deep, at line 3"),
    "deep inline tables": ("a = " + "{b=" * 3000 + "1" + "}" * 3000, "file: nested more than 32 deep, at line 1"),
    "deep dotted keys": (".".join(["a"] * 3000) + " = 1", "nested more than 32 deep"),
    "deep headers": ("[" + ".".join(["a"] * 3000) + "]", "nested more than 32 deep"),
    "endless header": ("\n[" + ".".join(["a"] * 200_000) + "]", "nested more than 32 deep, at line 2"),
    "endless quoted key": (" . ".join(['"a"'] * 100_000) + " = 1", "nested more than 32 deep, at line 1"),
    "endless literal key": (".".join(["'a'"] * 100_000) + " = 1", "nested more than 32 deep, at line 1"),
    "endless key in a table": ("a = [{" + ".".join(["a"] * 100_000) + " = 1}]", "nested more than 32 deep, at line 1"),
    "long integer": ("[http]\nport = " + "1" * 5001, "a number that is no 64-bit integer, at line 2"),
    "long integer with marks": ("[http]\n\nport = " + "1_1" * 2501, "a number that is no 64-bit integer, at line 3"),
    "long hexadecimal": ("[http]\nport = 0x" + "f" * 5001, "http.port: no 64-bit integer"),
    "long binary": ("[http]\nport = 0b" + "1" * 50_001, "http.port: no 64-bit integer"),
}


@pytest.mark.parametrize(("text", "said"), ABSURD.values(), ids=ABSURD)
def test_absurd_toml_is_a_mistake_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "absurd.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file)
    assert said in refused.value.mistakes[0]
    with pytest.raises(ModelError) as model:
        load_model(file)
    assert said.removeprefix("file: ") in model.value.mistakes[0]


@pytest.mark.parametrize(
    "text",
    [
        'name = "' + "a." * 5000 + '"',
        "name = 'it\\'\n# \"" + "a." * 5000,
        'name = "say \\"a.b\\"' + ". " * 5000 + '"',
        "list = [" + "1.5, " * 5000 + "]",
        "[a.b]\nc.d = 1 # " + "." * 5000,
    ],
    ids=["string", "literal and comment", "quoted", "numbers", "comment"],
)
def test_dots_that_are_no_key_are_read(text: str) -> None:
    assert parse_toml(text)


@pytest.fixture(params=["fifo", "/dev/zero", "/dev/full", "folder", "huge"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "endless.toml"
    match request.param:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "huge":
            with path.open("wb") as file:
                file.truncate(10**12)
        case device:
            path.symlink_to(device)
    return path


def test_what_never_ends_is_refused(endless: Path) -> None:
    with pytest.raises(OSError, match=r"not a regular file|larger than|Is a directory"):
        read_file(endless, 1000)
    with pytest.raises(ModelError, match=r"not readable"):
        load_model(endless)
    with pytest.raises(ModelError, match=r"not readable"):
        load_models(endless.parent)
    with pytest.raises(ConfigurationError, match=r"not readable"):
        load_settings(endless)
    config = endless.parent / "site.conf"
    config.write_text(f'[[users]]\nname = "admin"\npassword_file = "{endless}"\n')
    with pytest.raises(ConfigurationError, match=r"users\[0\].password_file: .* is not readable"):
        load_settings(config)


def test_a_password_may_be_a_link_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("pass wörd\r\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    assert read_password(tmp_path / "link") == "pass wörd"


@pytest.mark.parametrize(
    ("http", "place"),
    [
        ('trusted_proxies = ["10.0.0.300"]', "http.trusted_proxies[0]"),
        ('trusted_proxies = ["10.0.0.1/8"]', "http.trusted_proxies[0]"),
        ('origins = ["gate.example"]', "http.origins[0]"),
        ('origins = ["https://gate.example", "https://gate.example/"]', "http.origins[1]"),
        ('hosts = ["gate.example:80"]', "http.hosts[0]"),
        ("max_connections = 10", "http.max_connections"),
        ("max_connections_per_address = 0", "http.max_connections_per_address"),
    ],
)
def test_mistakes_of_the_http_settings_have_their_place(tmp_path: Path, http: str, place: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f"[http]\n{http}\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file)
    assert refused.value.mistakes[0].startswith(f"{place}: ")


def test_the_http_settings_have_their_defaults() -> None:
    http = Settings().http
    assert (http.origins, http.hosts, http.trusted_proxies) == ((), (), ())
    assert (http.max_connections, http.max_connections_per_address) == (1000, 100)
