"""A changed configuration touches only what it concerns."""

from config.settings import LineSettings, ModbusRtuLine, PanelSettings
from gateway.site import difference


def _line(name: str, *panels: PanelSettings, baudrate: int = 9600) -> LineSettings:
    return ModbusRtuLine(id=name, port=f"/dev/{name}", baudrate=baudrate, panels=panels)


def _panel(name: str, unit: int) -> PanelSettings:
    return PanelSettings(id=name, model="open-access-panel", unit=unit)


LOBBY, GATE, ROOF = _panel("lobby", 1), _panel("gate", 2), _panel("roof", 3)


def test_equal_configurations_have_no_difference() -> None:
    lines = (_line("a", LOBBY, GATE),)
    todo = difference(lines, lines)
    assert todo.changes == ()
    assert (todo.remove_panels, todo.remove_lines, todo.add_lines, todo.add_panels) == ((), (), (), ())


def test_a_changed_panel_is_made_anew_alone() -> None:
    changed = GATE.model_copy(update={"unit": 9})
    todo = difference((_line("a", LOBBY, GATE),), (_line("a", LOBBY, changed),))
    assert todo.remove_panels == ("gate",)
    assert [panel.id for _, panel in todo.add_panels] == ["gate"]
    assert todo.remove_lines == ()
    assert todo.changes == ("panel gate changed",)


def test_a_changed_line_is_made_anew_with_its_panels_and_no_other() -> None:
    before = (_line("a", LOBBY), _line("b", GATE))
    todo = difference(before, (_line("a", LOBBY), _line("b", GATE, baudrate=19200)))
    assert todo.remove_lines == ("b",)
    assert [line.id for line in todo.add_lines] == ["b"]
    assert todo.remove_panels == ("gate",)


def test_coming_and_going() -> None:
    todo = difference((_line("a", LOBBY), _line("b", GATE)), (_line("a", LOBBY, ROOF),))
    assert todo.remove_lines == ("b",)
    assert todo.remove_panels == ("gate",)
    assert [panel.id for _, panel in todo.add_panels] == ["roof"]
    assert todo.changes == ("line b removed", "panel gate removed", "panel roof added")


def test_a_panel_that_moves_to_another_line_is_made_anew() -> None:
    todo = difference((_line("a", LOBBY, GATE), _line("b")), (_line("a", LOBBY), _line("b", GATE)))
    assert todo.remove_panels == ("gate",)
    assert [(line.id, panel.id) for line, panel in todo.add_panels] == [("b", "gate")]


def test_panels_of_a_changed_model_are_made_anew() -> None:
    lines = (_line("a", LOBBY, GATE.model_copy(update={"model": "other"})),)
    todo = difference(lines, lines, {"other"})
    assert (todo.remove_panels, todo.changes) == (("gate",), ("panel gate changed",))
