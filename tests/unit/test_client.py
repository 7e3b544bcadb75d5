"""Where the command line looks for the gateway of a configuration."""

import pytest

from config.settings import HttpSettings, Settings
from gateway.cli.client import address_of


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("", "http://127.0.0.1:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
        ("fd00::7", "http://[fd00::7]:8080"),
        ("gateway.example", "http://gateway.example:8080"),
    ],
)
def test_address(host: str, url: str) -> None:
    assert address_of(Settings(http=HttpSettings(host=host))) == url
