"""Composition root and life cycle: settings -> store -> fleet -> lines and drivers -> routes; the same way back at the end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from config.loader import ConfigurationError, load_settings
from config.panel_model import ModelError, PanelModel, load_models
from config.secret_files import unusable_secrets
from config.settings import HttpSettings, LineSettings, Settings
from config.tls import BadPair, read_pair
from drivers.bus.statistics import LineStatistics
from drivers.clock import HostClock, SystemClock
from drivers.factory import BuildLine, build_line
from drivers.trace import who
from gateway.access.doors import Doors
from gateway.api.connections import Limits
from gateway.api.inert import InertSettings
from gateway.api.known_addresses import FACT, KnownAddresses
from gateway.api.listening import CannotListen, Listeners
from gateway.api.live import reconfigure
from gateway.api.routes import build_app, build_runner
from gateway.api.services import ApiServices, LineChoice, ReloadReport
from gateway.concurrency import Remembered, Supervisor, in_a_thread
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.fleet import Fleet
from gateway.journal.journal import Journal
from gateway.journal.manager import Manager
from gateway.journal.manager_settings import ManagerChoice, ManagerLink
from gateway.journal.receivers import Receivers
from gateway.journal.retention import Retention
from gateway.ops import descriptors, local_socket
from gateway.ops.audit import audit
from gateway.ops.host_network import host_network
from gateway.ops.keeping import Keeper
from gateway.ops.loop_lag import LoopLag
from gateway.ops.metrics import Metrics
from gateway.ops.problem_watch import ProblemWatch
from gateway.ops.serial_number import serial_number
from gateway.ops.systemd import notify, watchdog_interval_s
from gateway.release import RELEASED_AT
from gateway.schedules.time_profile import Readings
from gateway.site import Site
from gateway.store.contract import StoreDamaged, StoreError, StoreNewer
from gateway.store.sqlite_store import SqliteStore
from gateway.web.pages import add_pages

_log = logging.getLogger(__name__)

STOP_S = 20.0
"""How long a stop may take in all; the service manager waits longer."""
REQUESTS_S = 10.0
"""The part of `STOP_S` that requests under way may take at most."""
_QUEUE = 1024
"""The length of the queue of connections that wait to be accepted."""
_WRITABLE_S = 2.0
"""How long an answer of the store counts. Asking costs a durable write, and /readyz is open to everybody."""
WIRES_S = 3.0
"""The part of `STOP_S` that is reserved for exchanges on the wires, however long the rest takes."""


class CannotStart(Exception):
    """The gateway cannot start; the text says why and names the place."""


class StoreRefused(CannotStart):
    """The store cannot be opened, and will not be by itself."""


def fleet_options(settings: Settings, released_at: float = RELEASED_AT) -> FleetOptions:
    """`released_at`: no clock that shows an earlier time is trusted (Unix seconds)."""
    site = settings.site
    return FleetOptions(
        readings=Readings(ZoneInfo.no_cache(site.timezone), site.window_reading, site.looper_reading, site.timestamp_reading),
        horizon_days=site.horizon_days,
        aggregate=site.aggregate,
        deadline_s=settings.http.deadline_ms / 1000,
        clock=Rules(site.clock_source, site.clock_step_s, released_at),
    )


def changed_beyond_reload(old: Settings, new: Settings) -> tuple[str, ...]:
    """What a reload cannot change, one `key.path: what` each."""
    changed = [
        (section, key)
        for section in ("http", "store")
        for key, value in getattr(new, section)
        if value != getattr(getattr(old, section), key)
    ]
    if None not in (old.http.tls, new.http.tls) and ("http", "tls") in changed:
        changed.remove(("http", "tls"))  # another certificate is read, see _read_again
    return tuple(f"{section}.{key}: needs a restart" for section, key in changed)


def _line_view(line: LineSettings, seen: LineStatistics) -> dict[str, object]:
    units = [{"unit": p.unit, "panel": p.id, **asdict(seen.units[p.unit])} for p in line.panels if p.unit in seen.units]
    place = {name: getattr(line, name, None) for name in ("host", "port")}
    return {"id": line.id, "kind": line.kind, **place, **asdict(seen.line), "units": units}


def _minutes_view(seen: LineStatistics, ahead_s: float) -> dict[str, object]:
    """`ahead_s`: how far the wall clock is ahead of the monotonic one."""
    minutes = [{"at": int(each.begun + ahead_s), **asdict(each)} for each in seen.minutes]
    return {"minutes": [{key: value for key, value in each.items() if key != "begun"} for each in minutes]}


class Gateway:
    """One running gateway. `start`, then `wait`, then `stop`; `stop` is safe wherever the start got to."""

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        clock: HostClock,
        http: HttpSettings | None = None,
        build: BuildLine = build_line,
        released_at: float = RELEASED_AT,
    ) -> None:
        """`build`: makes the lines, of whatever protocols. `released_at`: no clock that shows an earlier time is trusted."""
        self._settings = settings.model_copy(update={"http": http or settings.http})
        self._config = config
        self._file = settings
        self._clock = clock
        self._build = build
        self._released_at = released_at
        self._metrics = Metrics()
        self._bound = False
        self._reloading = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._stop_by = 0.0

    async def start(self) -> str:
        """Start, and return the URL that the gateway listens at. Raises CannotStart."""
        try:
            return await self._start()
        except (StoreDamaged, StoreNewer) as error:
            path = self._settings.store.path
            raise StoreRefused(str(error) if str(path) in str(error) else f"{path}: {error}") from error
        except (StoreError, OSError, ModelError, BadPair, CannotListen) as error:
            raise CannotStart(str(error)) from error

    async def _start(self) -> str:
        settings = self._settings
        path = settings.store.path
        is_new = not path.exists()
        self._store = SqliteStore(path)
        snapshot = await self._store.open()
        if snapshot.doubt:
            _log.error("the store is not trusted", extra={"doubt": snapshot.doubt})
        self._stack.push_async_callback(self._store.close)
        self._serial = await serial_number(self._store, snapshot, path, is_new=is_new)
        self._known_addresses = KnownAddresses(self._clock, snapshot.facts.get(FACT, ""))
        store = settings.store
        kept_for = Retention(store.event_days, store.event_limit)
        self.journal = Journal(self._store, snapshot, lambda: self._fleet.stamp(), kept_for, lambda: self._fleet.clock().trusted)
        self._writable = Remembered(self._store.writable, self._clock, _WRITABLE_S)
        self._fleet = Fleet(
            self._store,
            snapshot,
            self._clock,
            fleet_options(settings, self._released_at),
            rules=settings.bindings,
            groups=settings.groups,
            doors=settings.doors,
            listeners=(self._metrics.listen, audit, self.journal.listen),
            keep_events=self.journal.keep,
        )
        self._doors = Doors(self._fleet, self._clock, settings.doors)
        self._metrics.watch(self._fleet.panels, lambda: {each.id: len(each.holds) for each in self._fleet.departed()})
        self._metrics.watch_clock(self._fleet.clock)
        self._metrics.watch_store(self._fleet.store_view)
        self._receivers = Receivers(self.journal, self._store, snapshot.facts, self._clock, self._fleet.stamp, self._device_of)
        self._problems = ProblemWatch(
            self._fleet,
            self._writable.value,
            path,
            lambda: self._listening.certificate_ends_at,
            self._receivers.behind,
            self._unusable_secrets,
        )
        self._metrics.watch_problems(self._problems.counts)
        self._metrics.watch_journal(self.journal, self._receivers.view)
        self._manager = ManagerChoice(snapshot.facts, settings.manager, self._put_or_drop, self._receivers.manage)
        self._beside = Supervisor()
        lag = LoopLag()
        self._metrics.watch_loop(lag.worst_s)
        self._beside.spawn(lag.run(), "loop lag")
        keeper = Keeper(FACT, self._known_addresses, self._store, self._fleet.stamp)
        self._stack.push_async_callback(keeper.keep)
        self._stack.push_async_callback(self._beside.stop, 0)
        self._writing = self._beside.spawn(self.journal.run(), "journal")
        self._stack.push_async_callback(self._end_journal)
        self._stack.push_async_callback(self._receivers.stop)
        self._inert = InertSettings(snapshot.facts, self._keep)
        self._site = Site(self._fleet, self._clock, self._build)
        self._stack.push_async_callback(lambda: self._site.stop(self._left()))
        self._stack.push_async_callback(lambda: self._fleet.stop(self._left() - WIRES_S))
        local = await self._bind()
        await self._site.apply(settings.lines, self._models(settings))
        await self._fleet.start()
        await self._receivers.apply(settings.webhooks)
        await self._receivers.manage(self._manager.current())
        self._beside.spawn(keeper.run(), "known addresses")
        self._beside.spawn(self._problems.run(), "problems")
        await self._listening.start_serving(_QUEUE)
        if local is not None:
            await local.start_serving()
        self._bound = True
        for plain in self.urls[1:]:
            _log.info("plain http beside tls", extra={"url": plain})
        return self.urls[0]

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it listens; the first is for clients, the others are beside it."""
        return self._listening.urls

    async def _end_journal(self) -> None:
        """What was told until now is made durable."""
        self.journal.stop()
        await asyncio.wait([self._writing])

    def _device_of(self, link: ManagerLink) -> Manager:
        return Manager(link, self._serial, lambda: self._doors.doors)

    async def _put_or_drop(self, key: str, value: str | None) -> None:
        await self._store.put_fact(key, value, self._fleet.stamp())

    async def _keep(self, key: str, value: str) -> None:
        await self._put_or_drop(key, value)

    async def _bind(self) -> asyncio.Server | None:
        """The port and the local socket are taken before a line is opened; nobody is answered yet. Raises CannotStart."""
        self._app = build_app(
            ApiServices(
                fleet=self._fleet,
                doors=self._doors,
                settings=self._settings,
                clock=self._clock,
                reload=self.reload,
                lines=self.lines,
                configured=self.configured,
                health=self.unhealthy,
                ready=self.not_ready,
                device_serial=self._serial,
                inert=self._inert,
                network=host_network,
                metrics=self._metrics.exposition,
                trust_store=self._fleet.believe,
                store=self._fleet.store_view,
                problems=self._problems.look,
                known_addresses=self._known_addresses,
                journal=self.journal,
                manager=self._manager,
            )
        )
        add_pages(self._app)
        http = self._settings.http
        used, lines = descriptors.in_use(), len(self._settings.lines)
        most = descriptors.connections(descriptors.allowed(), used, lines, http.max_connections)
        if most < http.max_connections:
            _log.warning("fewer connections than configured", extra={"max_connections": most})
        runner = build_runner(self._app, REQUESTS_S, Limits(most, http.max_connections_per_address))
        self._stack.push_async_callback(runner.cleanup)
        await runner.setup()
        server = runner.server
        assert server is not None, "setup() makes it"
        tls = None if http.tls is None else read_pair(http.tls.certificate, http.tls.key)
        self._listening = Listeners(server, http, tls, descriptors.ACCEPTED_AT_ONCE)
        await self._listening.bind()
        self._stack.callback(self._unbind)
        return await self._bind_locally(server)

    async def _bind_locally(self, server: web.Server) -> asyncio.Server | None:
        """None where there can be no such socket: what the site is for works without the command line."""
        place = local_socket.place_of(self._settings.store.path)
        try:
            channel = local_socket.bound(place)
        except OSError as error:
            _log.warning("commands cannot ask this gateway", extra={"socket": str(place), "error": str(error)})
            return None
        listening = await asyncio.get_running_loop().create_unix_server(server, sock=channel, start_serving=False)
        self._stack.callback(local_socket.remove, place)
        self._stack.callback(listening.close)
        return listening

    def _unbind(self) -> None:
        self._bound = False
        self._listening.close()

    async def stop(self) -> None:
        """Stop: no new requests, no new exchanges; what is on the wires is finished, then the last state is stored."""
        self._stop_by = self._clock.monotonic() + STOP_S
        await self._stack.aclose()

    def _left(self) -> float:
        """Seconds left of the stop, with some kept for its last part."""
        return max(WIRES_S, self._stop_by - self._clock.monotonic())

    async def wait(self, stop: asyncio.Event, failed: asyncio.Future[None]) -> None:
        """Wait until `stop` is set; raises what a background task, or a task reported by `failed`, died of."""
        stopping = asyncio.create_task(stop.wait())
        fatal = (self._fleet.failed, self._site.failed, self._beside.failed, self._receivers.failed, failed)
        try:
            ends: set[asyncio.Future[Any]] = {stopping, *fatal}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        for one in fatal:
            if one.done():
                one.result()

    def unhealthy(self) -> tuple[str, ...]:
        """The problems that keep the gateway from working at all."""
        return tuple(
            text
            for text, failed in (
                ("a background task died", self._fleet.failed),
                ("a background task died", self._beside.failed),
                ("a background task died", self._receivers.failed),
                ("a line's worker died", self._site.failed),
            )
            if failed.done()
        )

    async def not_ready(self) -> tuple[str, ...]:
        """The problems that keep the gateway from doing what it is asked. Panels do not count."""
        clock = self._fleet.clock()
        doubt = self._fleet.doubt()
        wrong = [
            (not await self._writable.value(), "the store takes no writes"),
            (bool(doubt), f"the store is not trusted: {doubt} (`restore FILE` or `trust-store`)"),
            (not self._bound, "the port is not bound"),
            (not clock.trusted, clock.reason or "the system clock is not trusted"),
        ]
        return self.unhealthy() + tuple(text for is_wrong, text in wrong if is_wrong)

    def lines(self, choice: LineChoice) -> object:
        """The body of `/gateway/v1/lines`: the counts of each chosen line, and of each unit on it."""
        there = [line for line in self._settings.lines if line.id in self._site.lines]
        found = [line for line in there if choice.takes(line.id, [panel.id for panel in line.panels])]
        seen = [(line, self._site.lines[line.id].bus.statistics()) for line in found[choice.places]]
        ahead_s = self._clock.wall() - self._clock.monotonic()
        views = [_line_view(line, counts) | (_minutes_view(counts, ahead_s) if choice.minutes else {}) for line, counts in seen]
        return {"lines": views, "total": len(found)}

    def configured(self) -> Settings:
        """The configuration in use."""
        return self._settings

    def _unusable_secrets(self) -> tuple[str, ...]:
        return tuple(map(str, unusable_secrets(self._settings)))

    async def reload(self) -> ReloadReport:
        """Apply the changes in the configuration file; a file with mistakes changes nothing."""
        async with self._reloading:
            report = await self._read_again()
        if report.applied:
            _log.info("configuration reloaded", extra={"changes": report.changes, **who()})
        else:
            _log.error("configuration refused, nothing changed", extra={"mistakes": report.mistakes, **who()})
        return report

    async def _read_again(self) -> ReloadReport:
        config = self._config
        if config is None:
            return ReloadReport(False, mistakes=("this gateway has no configuration file",))
        try:
            wanted = await in_a_thread(lambda: load_settings(config), "configuration")
            models = await in_a_thread(lambda: self._models(wanted), "panel models")
            refused = changed_beyond_reload(self._file, wanted)
            if refused:
                return ReloadReport(False, mistakes=refused)
            tls = wanted.http.tls
            pair = None if tls is None else await in_a_thread(lambda: read_pair(tls.certificate, tls.key), "certificate")
            others = reconfigure(self._app, wanted) or wanted.users != self._settings.users
        except (ConfigurationError, ModelError) as error:
            return ReloadReport(False, mistakes=error.mistakes)
        except BadPair as error:
            return ReloadReport(False, mistakes=(str(error),))
        except OSError as error:
            return ReloadReport(False, mistakes=(f"users: {error}",))
        self._file = wanted
        certified = ("certificate changed",) if pair is not None and self._listening.change(pair) else ()
        changes = await self._apply(wanted.model_copy(update={"http": self._settings.http}), models)
        return ReloadReport(True, changes=certified + changes + (("users changed",) if others else ()))

    async def _apply(self, wanted: Settings, models: Mapping[str, PanelModel]) -> tuple[str, ...]:
        old, self._settings = self._settings, wanted
        self._fleet.set_doors(wanted.doors)  # before a panel comes, whose identifiers would open by the doors of before
        await self._doors.change(wanted.doors)
        changes = await self._site.apply(wanted.lines, models)
        changes += ("doors changed",) if wanted.doors != old.doors else ()
        if wanted.bindings != old.bindings or wanted.groups != old.groups:
            self._fleet.set_rules(wanted.bindings, wanted.groups)
            changes += ("bindings changed",)
        if await self._receivers.apply(wanted.webhooks):
            changes += ("webhooks changed",)
        if wanted.manager != old.manager:
            changes += ("manager changed",)
        await self._manager.reconfigure(wanted.manager)
        follows_law = self._fleet.set_options(fleet_options(wanted, self._released_at))
        if wanted.site != old.site:
            changes += ("site changed",)
        elif follows_law:
            changes += ("the time zone has other rules",)
        return changes + (("API keys changed",) if wanted.api_keys != old.api_keys else ())

    @staticmethod
    def _models(settings: Settings) -> Mapping[str, PanelModel]:
        return load_models(settings.site.models_dir)


async def serve(settings: Settings, config: Path | None, ready: Callable[[str], None], http: HttpSettings | None = None) -> int:
    """Run a gateway until SIGTERM or SIGINT; SIGHUP reads `config` again. `ready` is called once with its URL.

    `http`: where to listen in place of the file's `[http]`, as the command line says.

    Raises CannotStart, and whatever a background task died of: the process ends with a non-zero status then.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    gateway = Gateway(settings, config, SystemClock(), http)
    beside = Supervisor()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # during the start the file is read anyway
    try:
        url = await gateway.start()
        loop.add_signal_handler(signal.SIGHUP, lambda: beside.spawn(_reload(gateway), "reload"))
        beside.spawn(_feed_watchdog(gateway), "watchdog")
        notify(f"READY=1\nSTATUS=listening at {url}")
        ready(url)
        await gateway.wait(stop, beside.failed)
    finally:
        notify("STOPPING=1")
        await gateway.stop()
        beside.failed.cancel()
        await beside.stop(0)
    return 0


async def _reload(gateway: Gateway) -> None:
    now_us = int(asyncio.get_running_loop().time() * 1_000_000)
    notify(f"RELOADING=1\nMONOTONIC_USEC={now_us}")
    await gateway.reload()
    notify("READY=1")


async def _feed_watchdog(gateway: Gateway) -> None:
    """Feed systemd's watchdog from the working loop: when it hangs or a task has died, systemd restarts the service."""
    interval = watchdog_interval_s()
    while interval is not None and not gateway.unhealthy():
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
