/**
 * What is so, by colour and by sign: nobody has to tell colours apart.
 */

import { h, s } from "./dom.js";

/** Paths in a square of 16: a tick, an exclamation mark, a cross, a question mark, a line, three dots, an i. */
const PATHS = {
  ok: "M3.5 8.5l3 3 6-7",
  warning: "M8 3.5v5.5M8 12v.5",
  error: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  unknown: "M5.8 6a2.2 2.2 0 1 1 3.2 2q-1 .6-1 1.6M8 12.2v.3",
  idle: "M4 8h8",
  busy: "M4 8h.01M8 8h.01M12 8h.01",
  info: "M8 7.5v4.5M8 4v.5",
};

/** What a screen reader says for the sign. */
const SAID = {
  ok: "good",
  warning: "warning",
  error: "problem",
  unknown: "not known",
  idle: "nothing to do",
  busy: "under way",
  info: "note",
};

/** The sign alone. `ok`, `warning`, `error`, `unknown`, `idle`, `busy` or `info`. */
export function sign(kind, said = SAID[kind]) {
  const drawing = s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: PATHS[kind] }));
  return h("span", { class: `sign ${kind}` }, drawing, said && h("span", { class: "hidden" }, `${said}: `));
}

/** A sign with its words. */
export function outcome(kind, text, before = null) {
  return h("span", { class: `outcome ${kind}` }, sign(kind), h("span", {}, before, before && ": ", text));
}

/** The sign and the words of each state of a panel. */
export const STATES = {
  in_sync: ["ok", "in sync"],
  syncing: ["busy", "syncing"],
  away: ["error", "away"],
  refused: ["warning", "refuses items"],
  drifted: ["warning", "changed by somebody"],
  foreign: ["warning", "foreign slots"],
  wrong_device: ["error", "wrong device"],
  identity_changed: ["error", "another unit"],
  failed: ["error", "failed"],
  unknown: ["unknown", "not known yet"],
};

/** The state of a panel, as `/gateway/v1/panels` says it. */
export function state(word) {
  const [kind, text] = STATES[word] ?? ["unknown", word];
  return outcome(kind, text);
}

/** How grave a state is, from 0. */
export function gravity(word) {
  return ["ok", "idle", "busy", "info", "unknown", "warning", "error"].indexOf((STATES[word] ?? ["unknown"])[0]);
}
