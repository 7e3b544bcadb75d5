"""Every kind of event: its category, its priority, and what it is in English. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Category = Literal["access", "info", "system", "emergency"]
Priority = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class EventKind:
    """`text`: one sentence for people, as the vendor's lists show it."""

    category: Category
    priority: Priority
    text: str


KINDS: Mapping[str, EventKind] = MappingProxyType(
    {
        "access_granted_by_valid_identifier": EventKind("access", "medium", "Access granted by a valid identifier"),
        "access_denied_by_not_valid_identifier": EventKind("access", "medium", "Access denied: the identifier is not valid"),
        "access_denied_by_unknown_card": EventKind("access", "medium", "Access denied: unknown identifier"),
        "access_denied_by_not_valid_input_code": EventKind("access", "medium", "Access denied: the code is not valid"),
        "access_denied_by_unknown_qr_code": EventKind("access", "medium", "Access denied: unknown QR code"),
        "access_granted_by_api_call": EventKind("access", "medium", "A door was opened by an API call"),
        "access_granted_by_remote_server_api_call": EventKind("access", "medium", "A door was opened by a remote server"),
        "access_denied_by_remote_server_api_call": EventKind("access", "medium", "Access denied by a remote server"),
        "door_command_failed": EventKind("access", "high", "A door was commanded, and the panel did not confirm it"),
        "door_held_open": EventKind("access", "medium", "A door is held open"),
        "door_hold_ended": EventKind("access", "low", "A door is no longer held open"),
        "emergency_lock_is_opened": EventKind("emergency", "high", "A door is held open for an emergency"),
        "emergency_lock_is_closed": EventKind("emergency", "medium", "The emergency opening of a door ended"),
        "lock_was_opened_by_exit_btn": EventKind("access", "low", "A door was opened by its exit button"),
        "door_sensor_was_opened": EventKind("access", "low", "A door was opened"),
        "door_sensor_was_closed": EventKind("access", "low", "A door was closed"),
        "lock_is_opened_too_long": EventKind("access", "high", "A door is open for too long"),
        "output_on": EventKind("info", "low", "An output was switched on"),
        "output_off": EventKind("info", "low", "An output was switched off"),
        "successful_login_api_call": EventKind("info", "low", "Somebody logged in"),
        "incorrect_login_api_call": EventKind("info", "medium", "A login was refused"),
        "panel_away": EventKind("system", "high", "A panel does not answer"),
        "panel_back": EventKind("system", "medium", "A panel answers again"),
        "panel_replaced": EventKind("system", "high", "Another unit stands at a panel's place and is filled"),
        "panel_restarted": EventKind("system", "medium", "A panel restarted"),
        "panel_clock_set": EventKind("system", "low", "A panel's log tells that its clock was set"),
        "panel_committed": EventKind("system", "low", "A panel's log tells of a commit"),
        "panel_event": EventKind("system", "low", "A panel's log tells of something unknown"),
        "clock_set": EventKind("system", "low", "A panel's clock was set"),
        "clock_not_set": EventKind("system", "high", "A panel's clock could not be set"),
        "drift_found": EventKind("system", "high", "A panel held something other than it had acknowledged"),
        "drift_repaired": EventKind("system", "medium", "A panel holds again what it must hold"),
        "item_refused": EventKind("system", "medium", "A panel cannot hold what is asked"),
        "events_lost": EventKind("system", "high", "Events were lost"),
        "events_cleared": EventKind("system", "medium", "The log was cleared"),
    }
)
