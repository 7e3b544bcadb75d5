/** What became of a person or a time profile at a panel: a kind for its colour, a sign for those who see none, and words. */

/** By outcome: `{kind, sign, text}`. `kind` is a style of `items.css`. */
const HELD = {
  exact: { kind: "ok", sign: "✓", text: "held as asked" },
  narrowed: { kind: "ok", sign: "≈", text: "held, with less than asked" },
  materialised: { kind: "ok", sign: "◷", text: "held as dates, renewed in time" },
  gateway_held: { kind: "ok", sign: "⌂", text: "switched by the gateway" },
};
const LACKING = {
  pending: { kind: "busy", sign: "…", text: "not held yet" },
  refused: { kind: "error", sign: "×", text: "refused" },
};
const WAITS = { kind: "warning", sign: "!", text: "not held yet" };
const LEAVING = { kind: "error", sign: "⊖", text: "to be taken away, and may still be held" };

/** For a legend, in the order of a story. */
export const LEGEND = [...Object.values(HELD), LACKING.pending, WAITS, LACKING.refused, LEAVING].map((each) =>
  each === WAITS ? { ...each, text: "not held: something is in the way" } : each === LACKING.pending ? { ...each, text: "under way" } : each,
);

const REASONS = {
  no_reply: "the panel does not answer",
  corrupt_reply: "the panel's answers are damaged",
  unexpected_reply: "the panel answers something else",
  bus_unavailable: "its line is not available",
  quarantined: "the panel is left alone for a while, since it does not answer",
  panel_rejected: "the panel rejected it",
  verify_failed: "what was read back is not what was written",
  wrong_device: "another kind of device answers in its place",
  identity_changed: "another unit answers in its place",
  no_free_slot: "the panel has no free slot",
  not_representable: "the panel cannot express it",
  profile_not_held: "the panel does not hold a time profile that it names",
  clock_not_set: "the time is not known",
  not_started: "it begins later",
  below_resolution: "it is shorter than the panel's steps",
  queue_full: "the line has too much to do",
  deadline_passed: "it was not done in time",
  not_durable: "the store did not take it",
  endurance_spent: "the panel's memory may not be written more often today",
  failed: "a defect of the gateway; it is tried again",
  departed: "the panel has left the configuration",
};

/** `{kind, sign, text}` of a result as `/matrix`, `/hours` and `/plan` have it; what is planned is neither asked nor done yet. */
export function became({ asked = true, success, outcome, reason }) {
  if (!asked) return LEAVING;
  if (success !== false && HELD[outcome]) return HELD[outcome];
  if (outcome === "pending" && reason) return WAITS;
  return LACKING[outcome] ?? { kind: "unknown", sign: "?", text: outcome };
}

/** Why it is so, in words; empty where there is nothing to say. */
export function because({ reason, message, cuts = [], valid_until: until, still_grants_text: grants }, moment) {
  const parts = [
    reason && (REASONS[reason] ?? reason),
    message,
    cuts.length && `less than asked: ${cuts.map((cut) => cut.replaceAll("_", " ")).join(", ")}`,
    until && `written until ${moment(until)}`,
    grants && `it may still open ${grants}`,
  ].filter(Boolean);
  return parts.join("; ");
}
