"""Asking the running gateway of a configuration: on its local socket, or at a URL with an API key or as the first user."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from config.nearest import did_you_mean, there_are
from config.settings import Settings
from gateway.cli.answers import Panel, Panels, understood
from gateway.cli.credentials import credentials
from gateway.cli.options import Asked
from gateway.cli.output import Mistakes
from gateway.cli.reading import meant, read_settings
from gateway.ops import local_socket
from gateway.ops.terminal import harmless_values

_TIMEOUT_S = 30.0
T = TypeVar("T")


class NoGateway(Mistakes):
    """Nobody answers."""


class Refused(Mistakes):
    """The gateway answers that it did not do it. `error`: its token; `detail`: what it says of it."""

    def __init__(self, lines: Sequence[str], error: str, detail: str) -> None:
        super().__init__(lines)
        self.error, self.detail = error, detail


class _Local(HTTPConnection):
    """HTTP over the socket at a place of the file system."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with local_socket.address_of(self._place) as address:
            self.sock.connect(address)


@dataclass(frozen=True, slots=True)
class Running:
    """The running gateway of a configuration. Its calls raise Mistakes that name the place. `as_it_is`: what it says is for a
    program, not for a terminal.
    """

    settings: Settings
    url: str | None
    ca: Path | None = None
    as_it_is: bool = False

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.site.timezone)

    @property
    def place(self) -> str:
        return self.url or str(self.settings.store.path)

    def get(self, path: str) -> Any:
        """The decoded JSON body."""
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        return self.call("POST", path, body)

    def call(self, method: str, path: str, body: object = None) -> Any:
        with self._answered(method, path, body, {}) as response:
            return self._heard(response.read())

    def read(self, shape: type[T], body: object) -> T:
        """A body as the typed value that it is."""
        return understood(shape, body, self.place)

    def ask(self, shape: type[T], path: str) -> T:
        """What a path answers, as the typed value that it is."""
        return self.read(shape, self.get(path))

    def panel(self, name: str) -> Panel:
        """One panel, with its items."""
        (shown,) = self.ask(Panels, f"/gateway/v1/panels/{quoted(name)}").panels
        return shown

    def events(self, path: str) -> list[object]:
        """A page of JSON lines."""
        return [self._said(line) for line in self._lines(path, "application/x-ndjson") if line]

    def followed(self, path: str) -> Iterator[object]:
        """Events as they come."""
        for line in self._lines(path, "text/event-stream"):
            if line.startswith("data: "):
                yield self._said(line.removeprefix("data: "))

    def _said(self, line: str) -> object:
        """What a line says; the line itself where that is no JSON."""
        with suppress(ValueError):
            return self._heard(line)
        return line

    def _heard(self, body: bytes | str) -> Any:
        found = decoded(body)
        return found if self.as_it_is else harmless_values(found)

    def _lines(self, path: str, accept: str) -> Iterator[str]:
        """The lines of an answer as they come."""
        with self._answered("GET", path, None, {"Accept": accept}) as response:
            for line in response:
                yield line.decode("utf-8", "replace").rstrip("\r\n")

    @contextmanager
    def _answered(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        connection, more = self._connection()
        sent = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, sent, {**headers, **more})
            response = connection.getresponse()
            if response.status >= 400:
                raise self._refused(response)
            yield response
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not trusted: {error.verify_message.rstrip('.')}; --ca FILE names one that is"
            raise Mistakes([f"{self.place}: {why}"]) from error
        except TimeoutError as error:
            raise Mistakes([f"{self.place}: no answer within {_TIMEOUT_S:g} s"]) from error
        except (OSError, HTTPException, ValueError) as error:
            told = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NoGateway([f"{self.place}: no gateway answers there ({told})"]) from error
        finally:
            connection.close()

    def _refused(self, response: HTTPResponse) -> Refused:
        try:
            read = harmless_values(decoded(response.read()))
        except ValueError:  # of a proxy before the gateway
            read = None
        body = read if isinstance(read, dict) else {}
        error, told = str(body.get("error") or ""), str(body.get("detail") or body.get("error") or "")
        if mistakes := body.get("mistakes"):
            return Refused(list(mistakes), error, told)
        near = self._near(told) if error == "unknown_panel" else ""
        return Refused([f"{self.place}: {told or f'status {response.status}'}{near}"], error, told)

    def near_line(self, name: str) -> str:
        """The line that may be meant."""
        known = {line.id: line for line in self.settings.lines}
        beside = next((id for id, line in known.items() if name in [panel.id for panel in line.panels]), None)
        if beside is not None:
            return f"; it is a panel of the line {beside}"
        return did_you_mean(name, known) or there_are(known)

    def _near(self, told: str) -> str:
        """The panel or group that may be meant where `told` says that there is none of a name."""
        name = told.removeprefix("panels: ").rpartition(": ")[0]
        return meant(name, self.settings) or there_are(panel.id for line in self.settings.lines for panel in line.panels)

    def _connection(self) -> tuple[HTTPConnection, Mapping[str, str]]:
        """What to ask on, with the headers that say who asks."""
        if self.url is None:
            return _Local(_local_place(self.settings)), {}
        scheme, _, place = self.url.partition("://")
        if scheme == "https":
            return HTTPSConnection(place, timeout=_TIMEOUT_S, context=_trusting(self.ca)), credentials(self.settings)
        return HTTPConnection(place, timeout=_TIMEOUT_S), credentials(self.settings)


def running(asked: Asked) -> Running:
    """Raises Mistakes where the configuration has some. The gateway that runs has read its secrets, and tells of those that are
    gone since.
    """
    return Running(read_settings(asked.config, secrets=False), asked.url, asked.ca, asked.as_json)


def _trusting(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise Mistakes([f"--ca: {ca} holds no certificate in PEM"]) from error
    except OSError as error:
        raise Mistakes([f"--ca: {ca}: {error.strerror}"]) from error


def decoded(body: bytes | str) -> Any:
    """Raises ValueError."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def quoted(name: str) -> str:
    """A name as a part of a path. Bytes of the terminal that are no text are a name that nothing has."""
    return quote(name, safe="", errors="replace")


def _local_place(settings: Settings) -> Path:
    store = settings.store.path
    try:
        return local_socket.answering(store)
    except PermissionError as error:
        raise Mistakes([f"{store}: its gateway answers only root and its own user; --url asks over HTTP instead"]) from error
    except OSError as error:
        raise NoGateway([f"{store}: no gateway of this store answers ({error.strerror})"]) from error
