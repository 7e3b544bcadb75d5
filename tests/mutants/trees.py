"""Copies of the tree in which mutants are tried; the working tree itself is never changed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".mutants"
_LEFT_OUT = shutil.ignore_patterns(".*", "*.egg-info", "build")
_ANOTHER_TIME_S = 100_000
"""A mutant's file is so much younger than the original: compiled files, known by that time, are neither used nor spoilt."""


def digest() -> str:
    """A digest of everything that can change what the tests see, without this package."""
    seen = sha256()
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT)
        if path.suffix in {".py", ".toml", ".sql"} and not inside.parts[0].startswith(".") and "mutants" not in inside.parts:
            seen.update(f"{inside}\0".encode() + path.read_bytes())
    return seen.hexdigest()[:16]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """For as long as this lasts no other run uses the copies. Raises BlockingIOError."""
    WORK.mkdir(exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


class Tree:
    """A copy of `like` in the folder `path`; `of` is the digest of its sources: compiled files of the same ones are kept."""

    def __init__(self, path: Path, of: str, like: Path = ROOT) -> None:
        self.path = path
        mark = self.path / ".digest"
        if not mark.exists() or mark.read_text() != of:
            shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(like, self.path, ignore=_LEFT_OUT, dirs_exist_ok=True)
        mark.write_text(of)

    def environment(self) -> dict[str, str]:
        """For processes that have to import from this copy."""
        return {**os.environ, "PYTHONPATH": str(self.path)}

    @contextlib.contextmanager
    def holding(self, path: str, source: bytes) -> Iterator[None]:
        """For as long as this lasts a file has another content."""
        file = self.path / path
        original, times = file.read_bytes(), file.stat()
        file.write_bytes(source)
        os.utime(file, (times.st_atime, times.st_mtime + _ANOTHER_TIME_S))
        try:
            yield
        finally:
            file.write_bytes(original)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
