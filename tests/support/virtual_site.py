"""A whole site on virtual time: real fleet, lines, drivers and SQLite file, simulated panels behind connections without sockets.

`kill` ends a gateway as SIGKILL does: no task finishes, nothing is closed, and the next one opens the store's files as they lie.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from config.panel_model import load_models
from config.settings import ModbusRtuLine, ModbusRtuTcpLine, Settings
from gateway.app import fleet_options
from gateway.fleet.fleet import Fleet
from gateway.ops.metrics import Metrics
from gateway.site import Site
from gateway.store.sqlite_store import SqliteStore
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from simulators.responder import Responder, swap
from tests.support.virtual_tcp import FarHost, VirtualTcpLoop
from tests.support.virtual_time import VirtualClock

T = TypeVar("T")
_THREAD_S = 0.002
"""What a thread's work takes of virtual time."""
_LEFT_BEHIND = ("-shm", ".lock")
"""What nobody takes over from a killed process."""


class OneThread(VirtualTcpLoop):
    """What is given to threads is carried out at once, and answered a little later: histories repeat."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *arguments: Any
    ) -> asyncio.Future[T]:
        answer: asyncio.Future[T] = self.create_future()
        try:
            tell = partial(answer.set_result, func(*arguments))
        except Exception as error:
            tell = partial(answer.set_exception, error)
        self.call_later(_THREAD_S, lambda: None if answer.done() else tell())
        return answer


class _Store(SqliteStore):
    """`medium` sees each connection that writes."""

    def __init__(self, path: Path, medium: Callable[[sqlite3.Connection], None]) -> None:
        super().__init__(path, prepare=medium)

    def _in_turn(self, work: Callable[[], T], then: Callable[[Future[T]], None]) -> asyncio.Future[None]:
        """As the loop does with what is given to threads."""
        loop = asyncio.get_running_loop()
        over, done = loop.create_future(), Future[T]()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)

        def tell() -> None:
            over.set_result(None)
            then(done)

        loop.call_later(_THREAD_S, tell)
        return over

    def die(self) -> None:
        """Leave nothing of its process but files."""
        self._closing = True
        for timer in (self._flush_timer, self._mark_timer):
            if timer is not None:
                timer.cancel()
        self._file.close()
        self._stop_thread()


class VirtualSite:
    """Inside a OneThread loop. `clock` is the host's; panels live by `right`, the true time, which nobody moves."""

    def __init__(self, settings: Settings, folder: Path, start: float) -> None:
        self.settings = settings
        self.clock, self.right = VirtualClock(start), VirtualClock(start)
        self.panels: dict[str, SimulatedPanel] = {}
        self.hosts: dict[str, FarHost] = {}
        self.lives = 0
        self.restrict: Callable[[sqlite3.Connection], None] = lambda connection: None
        """What the medium allows to every connection of the store from now on."""
        self._folder = folder
        self._connections: list[sqlite3.Connection] = []
        self._fleet: Fleet | None = None
        loop = cast("OneThread", asyncio.get_running_loop())
        for line in settings.lines:
            panels = [build_panel(each, self.right.wall, loop.time) for each in line.panels]
            self.panels.update({each.id: each for each in panels})
            baudrate = line.baudrate if isinstance(line, ModbusRtuLine | ModbusRtuTcpLine) else None
            self.hosts[line.id] = loop.hosts[int(line.port)] = FarHost(Responder(panels), baudrate)

    @property
    def fleet(self) -> Fleet:
        assert self._fleet is not None
        return self._fleet

    @property
    def database(self) -> Path:
        return self._folder / f"life-{self.lives}" / "store.db"

    async def open(self) -> None:
        """Another gateway, on what the one before left."""
        if not self.lives:
            self.database.parent.mkdir()
        self._store = _Store(self.database, self._connected)
        snapshot = await self._store.open()
        options = fleet_options(self.settings, released_at=0)
        metrics = Metrics()
        fleet = Fleet(
            self._store,
            snapshot,
            self.clock,
            options,
            rules=self.settings.bindings,
            groups=self.settings.groups,
            listeners=(metrics.listen,),
        )
        metrics.watch(fleet.panels, dict)
        self._fleet, self._site = fleet, Site(fleet, self.clock)
        await self._site.apply(self.settings.lines, load_models(None))
        await fleet.start()

    def _connected(self, connection: sqlite3.Connection) -> None:
        self._connections.append(connection)
        self.restrict(connection)

    def set_medium(self, restrict: Callable[[sqlite3.Connection], None]) -> None:
        """`restrict` is told of every connection, of the open one too."""
        self.restrict = restrict
        for connection in self._connections[-1:]:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed meanwhile
                restrict(connection)

    async def kill(self) -> None:
        self.lives += 1
        left = self._folder / f"life-{self.lives - 1}"
        self.database.parent.mkdir()
        for file in left.iterdir():
            if not file.name.endswith(_LEFT_BEHIND):
                shutil.copy(file, self.database.parent / file.name)
        refusing = {name: host.refuses for name, host in self.hosts.items()}
        for host in self.hosts.values():
            host.refuses = True
            host.hang_up()
        while everything := asyncio.all_tasks() - {asyncio.current_task()}:  # one that finishes an exchange goes on once
            for task in everything:
                task.cancel()
            await asyncio.wait(everything, timeout=0)
        for name, host in self.hosts.items():
            host.refuses = refusing[name]
        self._store.die()
        self._connections.clear()
        self._fleet = None
        shutil.rmtree(left)

    async def close(self) -> None:
        fleet, self._fleet = self.fleet, None
        assert not fleet.failed.done(), fleet.failed.exception()
        await fleet.stop(5)
        await self._site.stop(5)
        await self._store.close()
        self._connections.clear()

    def responder_of(self, name: str) -> Responder:
        panel = self.panels[name]
        return next(host.responder for host in self.hosts.values() if host.responder.at(panel.unit) is panel)

    def swap(self, one: str, other: str) -> None:
        """Two units change places, and the connections to both break."""
        swap(self.responder_of(one), self.panels[one], self.responder_of(other), self.panels[other])
        for host in self.hosts.values():
            host.hang_up()


def run_site(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a fresh loop; fails where it leaves a task behind, or where anything failed that nobody waited for."""
    failures: list[Mapping[str, Any]] = []
    with asyncio.Runner(loop_factory=OneThread) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: failures.append(context))
        result = runner.run(main)
        left = asyncio.all_tasks(runner.get_loop())
    assert not left, f"tasks left behind: {left}"
    assert not failures, failures
    return result
