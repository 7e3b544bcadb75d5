"""What types alone cannot tell of a configuration: ids used twice, names that nothing has, keys that do not go together.

Works on the file as it was read, mistakes of type and all, so that one report has everything; a value of a wrong type is
passed over here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from config import tls
from config.door_checks import doors
from config.findings import Finding
from config.nearest import did_you_mean
from config.outbound_checks import manager, webhooks
from config.panel_model import ModelError, PanelModel
from config.raw_tables import Once, tables
from config.secret_files import user_password_file
from config.settings import LINE_KINDS, NAME, LineSettings, PanelSettings, serial_number

Models = Mapping[str, PanelModel] | None
Panels = Mapping[str, PanelModel | None]
"""Every panel id with its model, None where that is not known."""

_NO_SERIAL = {"", "F" * 16}
_PASSWORDS = {"password", "password_file", "password_hash"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OUTPUT = re.compile(r"(?P<panel>[^:@]+):(?P<output>[0-9]{1,4})")


def cross_checks(raw: Mapping[str, Any], models: Models) -> Iterator[Finding]:
    """`models`: known panel models by name; None: not known, models are not checked."""
    panels = _known_panels(raw, models)
    yield from _site(raw)
    yield from tls.findings(raw.get("http"))
    yield from _users(raw)
    yield from _api_keys(raw)
    yield from _lines(raw)
    yield from _panels(raw, models)
    yield from _groups(raw, panels)
    yield from _bindings(raw, panels)
    yield from doors(raw, panels, _unknown)
    yield from webhooks(raw)
    yield from manager(raw)


def _line_panels(raw: Mapping[str, Any]) -> Iterator[tuple[type[LineSettings] | None, object, str, Mapping[str, Any]]]:
    """The kind of its line, where a panel is reached, its path, and its table. Lines at a shared place reach the same units."""
    for line_path, line in tables(raw, "lines"):
        kind, host, port = _kind(line), line.get("host"), line.get("port")
        shared = kind is not None and not kind.one_wire and isinstance(host, str) and isinstance(port, int)
        for path, panel in tables(line, "panels"):
            yield kind, (host, port) if shared else line_path, f"{line_path}.{path}", panel


def _kind(line: Mapping[str, Any]) -> type[LineSettings] | None:
    name = line.get("kind")
    return LINE_KINDS.get(name) if isinstance(name, str) else None


def _known_panels(raw: Mapping[str, Any], models: Models) -> Panels:
    known: dict[str, PanelModel | None] = {}
    for *_, panel in _line_panels(raw):
        name, model = panel.get("id"), panel.get("model")
        if isinstance(name, str):
            found = models.get(model) if models is not None and isinstance(model, str) else None
            known[name] = None if found is None else _with_doors(found, panel.get("doors"))
    return known


def _with_doors(model: PanelModel, doors: object) -> PanelModel:
    """The model with as many outputs as this panel of it says to have."""
    if type(doors) is not int:
        return model
    return model.model_copy(update={"capabilities": model.capabilities.model_copy(update={"outputs": doors})})


def _site(raw: Mapping[str, Any]) -> Iterator[Finding]:
    site = raw.get("site")
    zone = site.get("timezone") if isinstance(site, dict) else None
    if isinstance(zone, str) and not _is_zone(zone):
        near = did_you_mean(zone, available_timezones()) or " (expected an IANA name such as Europe/Kyiv)"
        yield Finding("site.timezone", f"no time zone is named {zone!r}{near}")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _users(raw: Mapping[str, Any]) -> Iterator[Finding]:
    names = Once()
    for path, user in tables(raw, "users"):
        name = user.get("name")
        if isinstance(name, str) and (first := names.again(name, f"{path}.name")):
            yield Finding(f"{path}.name", f"{name!r} is already used at {first}")
        elif isinstance(name, str) and ":" in name:
            yield Finding(f"{path}.name", "HTTP Basic cannot carry a name with a colon")
        if len(_PASSWORDS & user.keys()) != 1:
            yield Finding(path, "expected one of password_hash, password_file and password")
        elif user.get("password") == "":
            yield Finding(f"{path}.password", "is empty")
        elif isinstance(user.get("password_file"), str):
            yield from user_password_file(f"{path}.password_file", Path(user["password_file"]))


def _api_keys(raw: Mapping[str, Any]) -> Iterator[Finding]:
    names, hashes = Once(), Once()
    for path, key in tables(raw, "api_keys"):
        for seen, what in ((names, "name"), (hashes, "hash")):
            given = key.get(what)
            if isinstance(given, str) and (first := seen.again(given, f"{path}.{what}")):
                yield Finding(f"{path}.{what}", f"{repr(given) + ' ' if what == 'name' else ''}is already used at {first}")


def _lines(raw: Mapping[str, Any]) -> Iterator[Finding]:
    ids, ports = Once(), Once()
    for path, line in tables(raw, "lines"):
        name = line.get("id")
        if isinstance(name, str) and (first := ids.again(name, f"{path}.id")):
            yield Finding(f"{path}.id", f"{name!r} is already used at {first}")
        yield from _place(path, line, ports)
        if line.get("transport") == "tcp":
            yield from _own_hosts(path, line)


def _place(path: str, line: Mapping[str, Any], ports: Once) -> Iterator[Finding]:
    """A place that no line of this kind can have, or that another line has."""
    kind, host, port = _kind(line), line.get("host"), line.get("port")
    if kind is None:
        return
    wrong = {"host": _wrong_host(kind, line), "port": _wrong_port(kind, port)}
    for key, mistaken in wrong.items():
        if mistaken:
            usual = "a line of this kind has another one" if key in line else "is missing"
            yield Finding(f"{path}.{key}", kind.place_mistake.get(key, usual))
    is_place = isinstance(host, str | None) and isinstance(port, int | str) and not wrong["port"]
    if kind.one_wire and is_place and (first := ports.again((host, port), f"{path}.port")):
        taken = f"{port} is already used at {first}"
        yield Finding(f"{path}.port", taken if host is None else f"{host}:{taken}: one wire is one line")


def _own_hosts(path: str, line: Mapping[str, Any]) -> Iterator[Finding]:
    """Behind one host is one controller, unless what it stands for is a broadcast address, which TCP does not know."""
    homeless = [where for where, panel in tables(line, "panels") if "host" not in panel]
    for where in homeless if len(homeless) > 1 else ():
        yield Finding(f"{path}.{where}.host", "is missing: by TCP each controller of a line has a host of its own")


def _wrong_host(kind: type[LineSettings], line: Mapping[str, Any]) -> bool:
    return line.get("host") in (None, "") if "host" in kind.model_fields else "host" in line


def _wrong_port(kind: type[LineSettings], port: object) -> bool:
    """Whether `port` has the type that belongs to the other kinds of lines, or is a number that is not a port."""
    if "host" in kind.model_fields:
        return isinstance(port, str) or (isinstance(port, int) and not 1 <= port <= 65_535)
    return isinstance(port, int) or port == ""


def _panels(raw: Mapping[str, Any], models: Models) -> Iterator[Finding]:
    ids, units, serials = Once(), Once(), Once()
    neighbours = Counter(place for _, place, _, _ in _line_panels(raw))
    for kind, place, path, panel in _line_panels(raw):
        name, unit = panel.get("id"), panel.get("unit", 1)
        by_serial = kind is not None and kind.by_serial
        if by_serial and "unit" in panel:
            yield Finding(f"{path}.unit", "a panel of such a line has none: it is found by its serial number")
        if unit == 0 and neighbours[place] > 1:
            yield Finding(f"{path}.unit", "0 is for the only panel of a line: a write to 0 may reach all others")
        if kind is not None and not by_serial and type(unit) is int and unit not in kind.units:
            yield Finding(f"{path}.unit", f"must be {kind.units_said}")
        if isinstance(name, str) and (first := ids.again(name, f"{path}.id")):
            yield Finding(f"{path}.id", f"{name!r} is already used at {first}")
        if not by_serial and isinstance(unit, int) and (first := units.again((place, unit), f"{path}.unit")):
            yield Finding(f"{path}.unit", f"{unit} is taken by {first} on this line")
        serial = panel.get("serial")
        if isinstance(serial, int | str) and (first := serials.again(serial_number(serial), f"{path}.serial")):
            yield Finding(f"{path}.serial", f"{serial} stands at {first} already")
        if not by_serial and isinstance(serial, int | str) and serial_number(serial) in _NO_SERIAL:
            yield Finding(f"{path}.serial", "0 and all ones are what units report that have no serial number")
        yield from _model(path, panel, models, kind)


def _model(path: str, panel: Mapping[str, Any], models: Models, kind: type[LineSettings] | None) -> Iterator[Finding]:
    name, options = panel.get("model"), panel.get("options", {})
    if models is None or not isinstance(name, str):
        return
    if name not in models:
        yield Finding(
            f"{path}.model", f"no panel model is named {name!r} (known: {', '.join(sorted(models))}){did_you_mean(name, models)}"
        )
    elif isinstance(options, dict) and all(isinstance(value, bool | int | float | str) for value in options.values()):
        try:
            model = models[name].configured(options)
        except ModelError as error:
            for mistake in error.mistakes:
                key, _, what = mistake.partition(": ")
                yield Finding(f"{path}.{key}" if key.startswith("options") else f"{path}.options", what if what else key)
        else:
            if kind is not None and kind.protocol not in ("", model.protocol):
                yield Finding(f"{path}.model", f"{name} speaks {model.protocol}, and this line {kind.protocol}")
            yield from _lease(path, panel, model)
            yield from _serial(path, panel, model)


def _lease(path: str, panel: Mapping[str, Any], model: PanelModel) -> Iterator[Finding]:
    """Check the lease, the default one too: a lease that the panel cannot express would hold nothing."""
    lease = model.outputs.lease if model.outputs is not None and model.capabilities.output_deadman else None
    wanted = panel.get("hold_lease_s", PanelSettings.model_fields["hold_lease_s"].default)
    if lease is not None and isinstance(wanted, int) and wanted > lease.longest_s:
        told = f"{wanted}" if "hold_lease_s" in panel else f"absent, which is {wanted}"
        yield Finding(f"{path}.hold_lease_s", f"is {told}: this panel is held for at most {lease.longest_s} seconds at a time")


def _serial(path: str, panel: Mapping[str, Any], model: PanelModel) -> Iterator[Finding]:
    tables = ((path, panel), (f"{path}.simulator", panel.get("simulator")))
    for place, table in tables:
        if isinstance(table, dict) and "serial" in table and not model.has_serial:
            yield Finding(f"{place}.serial", f"a {model.name} has no serial number")


def _groups(raw: Mapping[str, Any], panels: Panels) -> Iterator[Finding]:
    groups = raw.get("groups")
    for name, members in groups.items() if isinstance(groups, dict) else ():
        if name == "all":
            yield Finding("groups.all", "@all is every panel; choose another name")
        elif not _ID.fullmatch(name):
            yield Finding(f"groups.{name}", f"expected {NAME}")
        for index, member in enumerate(members if isinstance(members, list) else []):
            if isinstance(member, str) and (what := _unknown(member, panels)):
                yield Finding(f"groups.{name}[{index}]", what)


def _bindings(raw: Mapping[str, Any], panels: Panels) -> Iterator[Finding]:
    groups = raw.get("groups")
    known = {*groups, "all"} if isinstance(groups, dict) else {"all"}
    for path, rule in tables(raw, "bindings"):
        link_id, names = rule.get("link_id"), rule.get("panels")
        if isinstance(link_id, str) and link_id != "*" and not _UUID.fullmatch(link_id):
            yield Finding(f"{path}.link_id", "expected a UUID in lower case or *")
        for index, name in enumerate(names if isinstance(names, list) else []):
            if isinstance(name, str) and (
                what := _unknown_group(name, known) if name.startswith("@") else _unknown(name, panels)
            ):
                yield Finding(f"{path}.panels[{index}]", what)


def _unknown_group(name: str, known: Collection[str]) -> str | None:
    group = name.removeprefix("@")
    return None if group in known else f"no group is named {group!r}{did_you_mean(group, known)}"


def _unknown(name: str, panels: Panels) -> str | None:
    """What is wrong with the name of a panel or of an output of one; None: nothing."""
    if name.startswith("@"):
        return "a group holds panels and outputs, not groups"
    match = _OUTPUT.fullmatch(name)
    panel = match["panel"] if match else name
    if panel not in panels:
        return f"no panel is named {panel!r}{did_you_mean(panel, panels)}"
    model = panels[panel]
    if match is None or model is None or int(match["output"]) < model.capabilities.outputs:
        return None
    outputs = model.capabilities.outputs
    return f"{panel} has outputs 0 to {outputs - 1}" if outputs else f"{panel} has no outputs"
