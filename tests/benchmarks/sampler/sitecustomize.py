"""A sampling profiler that any Python process takes up when this folder is on its PYTHONPATH and SAMPLES names a file.

Every millisecond of CPU (or tick of the kernel, if that is longer) it notes where the main thread is. SIGUSR1 begins anew;
SIGUSR2 ends and writes the file: the functions by samples of their own and by samples with everything they call.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

_EVERY_S = 0.001
_TOP = 50


class Sampler:
    def __init__(self, target: Path) -> None:
        self._target = target
        self._own: Counter[str] = Counter()
        self._with_calls: Counter[str] = Counter()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, self._clear)
        signal.signal(signal.SIGUSR2, self._write)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        atexit.register(signal.setitimer, signal.ITIMER_PROF, 0)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self._own[_name(frame)] += 1
        seen = set()
        caller: FrameType | None = frame
        while caller is not None:
            seen.add(_name(caller))
            caller = caller.f_back
        self._with_calls.update(seen)

    def _clear(self, number: int, frame: FrameType | None) -> None:
        self._own.clear()
        self._with_calls.clear()
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def _write(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        total = max(1, self._own.total())
        lines = [f"{total} samples"]
        for title, counts in (("its own", self._own), ("with what it calls", self._with_calls)):
            lines += [f"-- {title}", *(f"{count / total:6.1%} {name}" for name, count in counts.most_common(_TOP))]
        written = self._target.with_suffix(".part")
        written.write_text("\n".join(lines) + "\n")
        written.rename(self._target)


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(code.co_filename.split('/')[-3:])}:{code.co_qualname}"


if "SAMPLES" in os.environ:
    Sampler(Path(os.environ["SAMPLES"])).start()
