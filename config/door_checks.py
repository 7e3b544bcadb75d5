"""What types alone cannot tell of `[[doors]]`: doors that point nowhere, twice at one output, or at one that profiles hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from config.findings import Finding
from config.panel_model import PanelModel
from config.raw_tables import Once, tables

Panels = Mapping[str, PanelModel | None]


def doors(raw: Mapping[str, Any], panels: Panels, unknown: Callable[[str, Panels], str | None]) -> Iterator[Finding]:
    """`unknown` says what is wrong with the name of a panel, or of an output of one (`gate:3`)."""
    ids, numbers, outputs = Once(), Once(), Once()
    closed: dict[str, str] = {}
    for path, door in tables(raw, "doors"):
        for key, values in (("id", ids), ("number", numbers)):
            value = door.get(key)
            if isinstance(value, int | str) and (first := values.again(value, f"{path}.{key}")):
                yield Finding(f"{path}.{key}", f"{value!r} is already used at {first}")
        panel, output = door.get("panel"), door.get("output")
        if not isinstance(panel, str):
            continue
        if ":" in panel or (wrong := unknown(panel, panels)):
            yield Finding(f"{path}.panel", "expected a panel; its output has a key of its own" if ":" in panel else str(wrong))
        elif type(output) is int and output >= 0:
            place = f"{panel}:{output}"
            if wrong := unknown(place, panels):
                yield Finding(f"{path}.output", wrong)
            elif first := outputs.again(place, f"{path}.output"):
                yield Finding(f"{path}.output", f"{place} is already the door at {first}")
            elif door.get("allow_door_hold") is not True:
                closed[place] = path
    yield from _held(raw, closed)


def _held(raw: Mapping[str, Any], closed: Mapping[str, str]) -> Iterator[Finding]:
    """Places where a binding would have time profiles hold the output of a door that does not allow it."""
    groups = raw.get("groups")
    lists = [(f"groups.{name}", members) for name, members in groups.items()] if isinstance(groups, dict) else []
    lists += [(f"{path}.panels", rule.get("panels")) for path, rule in tables(raw, "bindings")]
    for path, names in lists:
        for index, name in enumerate(names if isinstance(names, list) else []):
            panel, _, output = name.partition(":") if isinstance(name, str) else ("", "", "")
            door = closed.get(f"{panel}:{int(output)}") if output.isdecimal() else None
            if door is not None:
                why = f"{name} is the door at {door}: time profiles hold it only with its allow_door_hold"
                yield Finding(f"{path}[{index}]", why)
