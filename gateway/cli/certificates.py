"""Makes a certificate that signs itself, with its key: enough for browsers that were told to trust it, and for `--ca`.

`panel-gateway certificate` makes one for a configuration that is there already.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from config.loader import ConfigurationError, load_http
from config.settings import HttpSettings
from config.toml import quoted
from gateway.cli.new_files import write_in_place
from gateway.cli.output import Mistakes, say

PAIR = ("tls.pem", "tls.key")
"""The files beside a configuration that names none."""
_DAYS = 3650
_SECONDS = 60.0
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_REQUEST = """\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = {first}
[extensions]
subjectAltName = {names}
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
"""
"""It signs nothing else: who has the key can pretend to be this gateway, and nobody else."""


def certificate(config: Path, names: str, *, replace: bool) -> int:
    """`names`: with `,` between them; empty: this machine's, and those that the configuration has. Raises Mistakes."""
    http = _http(config)
    tls, places = http.tls, [config.with_name(name) for name in PAIR]
    if tls is not None:
        places = [tls.certificate, tls.key]
    if names and (mistake := name_mistake(names)) is not None:
        raise Mistakes([f"--names: {mistake}"])
    there = [str(place) for place in places if place.exists()]
    if there and not replace:
        raise Mistakes([f"{' and '.join(there)}: there already; --replace makes a new pair, which has to be trusted anew"])
    wanted = split(names) or [*names_here(), *(name for name in http.hosts if _alternative(name) is not None)]
    try:
        for place, text in zip(places, made_pair(wanted), strict=True):
            write_in_place(place, text)
    except OSError as error:
        raise Mistakes([f"{error.filename}: {error.strerror}"]) from error
    say(f"{places[0]}: for browsers and for --ca, names {', '.join(wanted)}; {places[1]}: its key, not readable by everybody")
    if tls is None:
        certificate, key = (quoted(place.name) for place in places)
        say(f"\nput this into {config}:\n\n[http.tls]\ncertificate = {certificate}\nkey = {key}\n\nthen start the gateway again")
    else:
        say("next: panel-gateway reload")
    return 0


def _http(config: Path) -> HttpSettings:
    try:
        return load_http(config)
    except ConfigurationError as error:
        raise Mistakes([f"{config}: {mistake}" for mistake in error.mistakes]) from error


def names_here() -> list[str]:
    """The names by which this machine is reached from itself, and its own name."""
    return [name for name in (socket.gethostname(), "localhost", "127.0.0.1") if _alternative(name) is not None]


def name_mistake(names: str) -> str | None:
    """What is wrong with names and addresses that have `,` between them; None: nothing."""
    wrong = [name for name in split(names) if _alternative(name) is None]
    return f"expected host names and addresses, got {wrong[0]!r}" if wrong else None if split(names) else "expected at least one"


def split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def made_pair(names: Sequence[str]) -> tuple[str, str]:
    """A certificate for these names, and its key, in PEM. Raises Mistakes."""
    alternatives = ",".join(filter(None, map(_alternative, names)))
    with TemporaryDirectory() as folder:
        request, certificate, key = (Path(folder, name) for name in ("request", "certificate", "key"))
        request.write_text(_REQUEST.format(first=names[0][:64], names=alternatives), encoding="ascii")
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key))
        command = ("openssl", "req", "-x509", "-sha256", "-days", str(_DAYS), "-config", str(request), "-out", str(certificate))
        try:
            subprocess.run((*command, *new_key), check=True, capture_output=True, timeout=_SECONDS)  # noqa: S603 - words of this file
        except FileNotFoundError as error:
            raise Mistakes(["openssl is not installed, which makes certificates: apt-get install openssl"]) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise Mistakes([f"openssl makes no certificate: {error}"]) from error
        return certificate.read_text("ascii"), key.read_text("ascii")


def _alternative(name: str) -> str | None:
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}" if _NAME.fullmatch(name) else None
