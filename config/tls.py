"""A certificate with its key, as TLS needs them."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config.files import read_file
from config.findings import Finding

MOST = 1024 * 1024
_PLACE = "http.tls"
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VALIDITY = re.compile(rb"\x30[\x1e-\x22](?:\x17\x0d[0-9]{12}Z|\x18\x0f[0-9]{14}Z)(?:\x17\x0d([0-9]{12})Z|\x18\x0f([0-9]{14})Z)")
"""UTCTime up to the year 2049, GeneralizedTime from then on."""


class BadPair(Exception):
    """What is wrong with a certificate and its key. `place`: which key of the configuration is to blame."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place = place
        self.what = what


@dataclass(frozen=True, slots=True)
class Pair:
    """`context`: TLS 1.2 and up for a server; `digest` tells two pairs apart; `expires_at`: Unix seconds, None where the
    certificate does not say it in the usual form."""

    context: ssl.SSLContext
    digest: bytes
    expires_at: float | None


def read_pair(certificate: Path, key: Path) -> Pair:
    """Raises BadPair."""
    digest = hashlib.sha256()
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            text = read_file(path, MOST)
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
        raise BadPair(_PLACE, _whats_missing(certificate, key)) from error
    except OSError as error:
        raise BadPair(_PLACE, f"{error.strerror}") from error
    return Pair(context, digest.digest(), _expires_at(certificate.read_text("utf-8", "replace")))


def _whats_missing(certificate: Path, key: Path) -> str:
    """OpenSSL does not say which of two files is garbled."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except (ssl.SSLError, OSError):
        return f"{certificate} holds no certificate in PEM"
    return f"{key} holds no key in PEM"


def _expires_at(pem: str) -> float | None:
    """The end of the validity of the first certificate. Python's library reads it of a peer's certificate only.

    In front of the validity there is no other sequence of two times (RFC 5280, section 4.1).
    """
    found = _PEM.search(pem)
    times = None if found is None else _VALIDITY.search(ssl.PEM_cert_to_DER_cert(found[0]))
    if times is None:
        return None
    short, long = times[1], times[2]
    text = (short or long).decode()
    year = int(text[:4]) if long else 2000 + int(text[:2]) - 100 * (int(text[:2]) >= 50)
    month, day, hour, minute, second = (int(text[-10:][place : place + 2]) for place in range(0, 10, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


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
