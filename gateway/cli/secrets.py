"""`panel-gateway password` and `api-key`: makes what a configuration holds in place of a secret."""

from __future__ import annotations

import sys

import click
from pydantic import ValidationError

from config.api_keys import key_hash, new_key
from config.files import MOST_PASSWORD, password_in
from config.findings import in_words
from config.password_hash import PasswordHash
from config.settings import ApiKeySettings
from config.toml import quoted
from gateway.cli.output import Mistakes, say
from gateway.cli.output import note as tell


def password() -> int:
    """Raises Mistakes where there is no password."""
    given = asked_password("Password") if sys.stdin.isatty() else password_in(sys.stdin.read(MOST_PASSWORD))
    if not given:
        raise Mistakes(["expected a password, got none"])
    say(f'password_hash = "{PasswordHash.of(given)}"')
    return 0


def asked_password(question: str) -> str:
    """The password that the person at the terminal types twice."""
    return str(click.prompt(question, hide_input=True, confirmation_prompt=True, err=True))


def api_key(name: str, role: str, note: str) -> int:
    """Raises Mistakes for a name that a configuration does not accept."""
    key = new_key()
    try:
        ApiKeySettings.model_validate({"name": name, "hash": key_hash(key), "role": role, "note": note})
    except ValidationError as error:
        raise Mistakes([f"{one['loc'][0]}: {in_words(one, ApiKeySettings)}" for one in error.errors(include_url=False)]) from None
    tell(f"the key, which is shown only now: {key}")
    said = {"name": name, "hash": key_hash(key), "role": role, **({"note": note} if note else {})}
    say("[[api_keys]]\n" + "\n".join(f"{each} = {quoted(value)}" for each, value in said.items()))
    return 0
