"""A certificate with its key, as TLS needs them."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.files import read_file
from config.findings import Finding

_MOST = 1024 * 1024
_PLACE = "http.tls"


class BadPair(Exception):
    """What is wrong with a certificate and its key. `place`: which key of the configuration is to blame."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place = place
        self.what = what


@dataclass(frozen=True, slots=True)
class Pair:
    """`context`: TLS 1.2 and up for a server; `digest` tells two pairs apart."""

    context: ssl.SSLContext
    digest: bytes


def read_pair(certificate: Path, key: Path) -> Pair:
    """Raises BadPair."""
    digest = hashlib.sha256()
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            text = read_file(path, _MOST)
        except OSError as error:
            raise BadPair(f"{_PLACE}.{name}", f"cannot read {path}: {error.strerror}") from error
        digest.update(text)
        if b"ENCRYPTED" in text:
            raise BadPair(f"{_PLACE}.{name}", f"{path} is encrypted, and nobody is asked for its password")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadPair(f"{_PLACE}.key", f"{key} is not the key of {certificate}") from error
        raise BadPair(_PLACE, f"{certificate} and {key} hold no certificate with its key in PEM ({error.reason})") from error
    except OSError as error:
        raise BadPair(_PLACE, f"{error.strerror}") from error
    return Pair(context, digest.digest())


def findings(http: object) -> Iterator[Finding]:
    """What is wrong with the table `http` of a configuration, as far as TLS is concerned. The files may be right later."""
    if not isinstance(http, dict):
        return
    tls, plain = http.get("tls"), http.get("plain_port")
    if plain is not None and tls is None:
        yield Finding("http.plain_port", "stands beside [http.tls]: without it, port speaks plain HTTP")
    if type(plain) is int and plain and plain == http.get("port", 8080):
        yield Finding("http.plain_port", f"{plain} is the port of TLS already")
    if isinstance(tls, dict) and isinstance(tls.get("certificate"), str) and isinstance(tls.get("key"), str):
        try:
            read_pair(Path(tls["certificate"]), Path(tls["key"]))
        except BadPair as error:
            yield Finding(error.place, error.what, elsewhere=True)
