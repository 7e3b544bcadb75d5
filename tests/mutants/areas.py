"""Which sources are mutated, and which tests have to notice. Data; patterns are relative to the top of the tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the sources and the tests that guard it: unit and contract tests, no processes and no benchmarks."""

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]


_FLEET_TESTS = (
    "tests/unit/test_fleet*.py",
    "tests/unit/test_flash*.py",
    "tests/unit/test_bindings.py",
    "tests/unit/test_unit_identity.py",
    "tests/unit/test_model_changed.py",
    "tests/unit/test_output_readings.py",
    "tests/unit/test_panel_events*.py",
    "tests/unit/test_taking_away.py",
    "tests/unit/test_held_profiles.py",
    "tests/unit/test_metrics.py",
    "tests/unit/test_outcome_table.py",
    "tests/unit/test_people*.py",
    "tests/unit/test_request_ids.py",
    "tests/unit/test_units_on_sockets.py",
    "tests/unit/test_whole_look.py",
)

AREAS = (
    Area("panel", ("gateway/fleet/panel/**/*.py",), _FLEET_TESTS),
    Area("desired", ("gateway/fleet/desired.py",), _FLEET_TESTS),
    Area(
        "store",
        ("gateway/store/**/*.py",),
        ("tests/contract/test_store*.py", "tests/unit/test_codec*.py", "tests/unit/test_store*.py"),
    ),
    Area(
        "bus",
        ("drivers/bus/**/*.py",),
        (
            "tests/unit/test_availability.py",
            "tests/unit/test_bus*.py",
            "tests/unit/test_echo.py",
            "tests/unit/test_habits_of_hosts.py",
            "tests/unit/test_line*.py",
            "tests/unit/test_pipeline*.py",
            "tests/unit/test_retry.py",
            "tests/unit/test_rtu*.py",
            "tests/unit/test_side_by_side.py",
            "tests/unit/test_tcp_link*.py",
        ),
    ),
)


def files(tree: Path, patterns: tuple[str, ...]) -> list[str]:
    """The files below `tree` that match any of the patterns, as sorted relative paths.

    Raises LookupError when there is none: a pattern that a move left behind tests nothing.
    """
    found = sorted({str(path.relative_to(tree)) for pattern in patterns for path in tree.glob(pattern) if path.is_file()})
    if not found:
        raise LookupError(f"no file matches {', '.join(patterns)}")
    return found
