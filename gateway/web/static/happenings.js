/** Events in words: what happened, where, to whom, and what became of it. */

import { KINDS } from "./kinds.js";

const SIGNS = [
  [/^access_granted|door_sensor|exit_btn|_back$|_repaired$|^successful|closed$|hold_ended$/, "ok"],
  [/^access_denied|^incorrect/, "warning"],
  [/_away$|_failed$|_lost$|too_long$|drift_found|replaced$|clock_not_set|refused$|emergency_lock_is_opened/, "error"],
];

/** The sign of an event: was somebody let in, turned away, or is something wrong? */
export function signOf({ kind }) {
  return SIGNS.find(([pattern]) => pattern.test(kind))?.[1] ?? "info";
}

/** One sentence; the kind itself where this page does not know it. */
export function textOf({ kind }) {
  return KINDS[kind]?.[1] ?? kind;
}

/** `doors`: as `/gateway/v1/doors` lists them. The door's name, else its panel with the output, else the panel; "" for the site. */
export function placeOf(event, doors) {
  const door = doors.find((one) => (event.door ? one.id === event.door : one.panel === event.panel && one.output === event.output));
  if (door) return door.name;
  if (event.panel === null) return "";
  return event.output === undefined ? event.panel : `${event.panel}, output ${event.output}`;
}

/** Who it was: the owner of an identifier, else its number, else the user who asked for it. */
export function personOf({ identifier, user }) {
  return identifier?.owner || identifier?.number || user || "";
}

/** What else there is to know. */
export function detailOf(event) {
  const { outcome, reason, seconds, address } = event;
  return [
    outcome && outcome !== "acknowledged" && outcome.replaceAll("_", " "),
    reason && reason.replaceAll("_", " "),
    seconds && `${seconds} s`,
    address && `from ${address}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** By the time when they happened: a panel that was away tells later. */
export function latestFirst(events) {
  return events.sort((a, b) => b.at - a.at || b.id - a.id);
}
