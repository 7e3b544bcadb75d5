/** A time profile tried out: its next openings while one types, and what every panel would make of it, before it is saved. */

import { act } from "../action.js";
import { ask, get } from "../api.js";
import { h, onDemand, show, told } from "../dom.js";
import { because, became } from "../outcomes.js";
import { itemPath } from "../places.js";
import { bodyOf, fieldsOf, fresh, inParts } from "../recurrence.js";
import { recurrenceForm } from "../recurrence_form.js";
import { moment } from "../times.js";
import { listed, some } from "../words.js";
import { inWords } from "../zone.js";

const TYPING_MS = 250;
const ITEM = "/api/v1/access/timeprofile/item/";
const MOST_PANELS = 200;
/** So many panels each have a line of their own; of more of them those that are alike share one. */
const MOST_LINES = 12;
const MISSING = { fromDate: "date_from", toDate: "date_to", fromTime: "date_from", toTime: "date_to", until: "repeat_end" };

export async function render(root, context) {
  const site = (await ask("POST", "/gateway/v1/openings", { body: { list_items: [] }, signal: context.signal })).body;
  const written = site.timestamps === "local_as_utc" ? "UTC" : site.zone;
  const [uid] = context.path;
  const known = uid && (await ask("GET", ITEM + encodeURIComponent(uid), { signal: context.signal }));
  const seen = known ? { body: known.body, etag: known.etag } : null;
  const linkId = seen?.body.link_id ?? newLinkId();
  if (seen) context.title(`Change ${seen.body.name || "a time profile"}`);
  const openings = h("section", { class: "card", "aria-labelledby": "openings" });
  const plan = h("section", { class: "card", "aria-labelledby": "plan" });
  const conflict = h("section", { role: "alert" });
  const buttons = h("div", { class: "buttons" });
  const trial = { item: null, groups: [] };
  const opened = new Set();
  let form = null;
  let timer = null;
  let turn = 0;
  let asking = new AbortController();

  function use(fields) {
    form = recurrenceForm(fields, site, changed);
    show(root, h("p", { class: "muted" }, introduction(seen)), conflict, h("div", { class: "columns" }, h("div", { class: "part" }, form.element, buttons), h("div", { class: "part" }, openings, plan)));
    changed();
  }

  function changed() {
    clearTimeout(timer);
    turn++;
    asking.abort();
    asking = new AbortController();
    trial.item = null;
    showButtons();
    timer = setTimeout(() => look(turn), TYPING_MS);
  }

  async function look(mine) {
    const fields = form.read();
    const missing = Object.keys(MISSING).find((key) => !fields[key] && isNeeded(key, fields));
    if (missing) return tell(`${MISSING[missing]}: expected a ${missing.endsWith("Time") ? "time" : "date"}, got none`);
    const item = { ...kept(seen?.body), link_id: linkId, ...bodyOf(fields, written, seen?.body) };
    const options = { body: { list_items: [item] }, signal: AbortSignal.any([asking.signal, context.signal]) };
    try {
      const [next, planned] = await Promise.all(["openings", "plan?grouped=1"].map((path) => ask("POST", `/gateway/v1/${path}`, options)));
      if (mine !== turn) return;
      form.complain(null);
      trial.item = item;
      trial.groups = planned.body.items[0].groups;
      show(openings, openingsOf(next.body.items[0], site.zone));
      show(plan, planOf(trial.groups, seen, opened));
      showButtons();
    } catch (error) {
      if (mine === turn && !options.signal.aborted) tell(error.message);
    }
  }

  function tell(detail) {
    const isAtAField = form.complain(detail);
    show(openings, h("h2", { id: "openings" }, "The next openings"), h("p", { class: "note" }, isAtAField ? "There is a mistake in the form." : detail));
    show(plan, h("h2", { id: "plan" }, "On the panels"), h("p", { class: "note" }, "Nothing to plan yet."));
  }

  function showButtons() {
    if (!context.may("operator")) return show(buttons, h("p", { class: "muted" }, "Your role may try it out; an operator can save it."));
    show(buttons, h("button", { type: "button", class: "primary", disabled: trial.item === null, onclick: save }, seen ? "Save the change…" : "Save…"));
  }

  async function save() {
    const { item, groups } = trial;
    const panels = groups.flatMap((group) => group.panels);
    let failed = null;
    const done = await act({
      title: `Save ${item.name ? `“${item.name}”` : "this time profile"}?`,
      text: whatItDoes(groups, panels),
      button: "Save",
      steps: () => {
        const sent = send(item, seen);
        sent.catch((error) => (failed = error));
        if (!panels.length) return [{ subject: "gateway", run: () => sent.then(() => ({ sign: "ok", text: "kept; bound to no panel" }), unsaved) }];
        if (panels.length > MOST_LINES) return [{ subject: some(panels.length, "panel"), run: () => sent.then(atMany, unsaved) }];
        return panels.map((panel) => ({ subject: panel, run: () => sent.then((answer) => atPanel(panel, answer), unsaved) }));
      },
    });
    if (!done) return;
    if (failed?.status === 412) return tellConflict();
    if (!failed) context.go(itemPath("timeprofile", seen?.body.uid ?? (await uidOf(item.link_id))));
  }

  async function tellConflict() {
    const now = await ask("GET", ITEM + seen.body.uid).catch((error) => ({ gone: error }));
    if (now.gone) return show(conflict, h("div", { class: "mistake" }, "Somebody deleted it meanwhile. What you typed is still here; saved, it would be a new one."));
    show(conflict, conflictOf(fieldsOf(seen.body, written), fieldsOf(now.body, written), form.read(), { theirs: () => take(now, true), mine: () => take(now, false) }));
    conflict.scrollIntoView({ block: "nearest" });
  }

  /** The version that is there now is the one to be changed from now on; `reads`: in the form, too. */
  function take(now, reads) {
    Object.assign(seen, { body: now.body, etag: now.etag });
    show(conflict);
    if (reads) use(fieldsOf(now.body, written));
    else changed();
  }

  show(openings, h("h2", { id: "openings" }, "The next openings"), h("p", { class: "muted" }, "…"));
  show(plan, h("h2", { id: "plan" }, "On the panels"), h("p", { class: "muted" }, "…"));
  use(seen ? fieldsOf(seen.body, written) : fresh(site.zone, site.at));
}

function introduction(seen) {
  return seen ? "What you change is tried out as you type. Nothing is saved until you say so." : "Say when something is to be open. What it means is shown as you type; nothing is saved until you say so.";
}

function isNeeded(key, { allDay, repeat, ends }) {
  if (key.endsWith("Time")) return !allDay;
  return key !== "until" || (repeat !== "once" && ends === "date");
}

/** What the item has besides what the form says. */
function kept(body) {
  const { uid, identifiers, ...rest } = body ?? {};
  return rest;
}

/** Browsers give random UUIDs to pages of secure origins only. */
function newLinkId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

async function uidOf(linkId) {
  const { rows } = await get(`/gateway/v1/matrix?find=${linkId}&limit=1`);
  return rows[0]?.uid ?? "";
}

/** By link_id, since the answer says what became of it panel by panel; what was made without one goes by its number. */
async function send(item, seen) {
  const ifMatch = seen?.etag;
  if (seen && seen.body.link_id === null) {
    const { link_id: _, ...body } = item;
    await ask("PATCH", ITEM + seen.body.uid, { body, ifMatch });
    const { panels, total } = await get(`/gateway/v1/hours?uid=${seen.body.uid}&days=1&limit=${MOST_PANELS}`);
    return { panels, total };
  }
  return (await ask("POST", "/api/v1/access/timeprofile/items/link", { body: { list_items: [item] }, ifMatch })).body.result[0];
}

function unsaved(error) {
  return { sign: "error", text: error.status === 412 ? "nothing was saved: somebody else changed it meanwhile" : error.message };
}

function atPanel(panel, { panels }) {
  const result = panels.find((each) => each.panel === panel);
  if (!result) return { sign: "unknown", text: "it is not bound to it any more" };
  const { kind, text } = became(result);
  return { sign: kind, text: [text, because(result, moment)].filter(Boolean).join(": ") };
}

/** Of many panels those that are alike together, the worst of them by its sign. */
function atMany({ panels, total = panels.length }) {
  const alike = [...Map.groupBy(panels, (each) => [became(each).text, because(each, moment)].filter(Boolean).join(": "))];
  const kinds = panels.map((each) => became(each).kind);
  const worst = ["error", "warning", "unknown", "busy"].find((kind) => kinds.includes(kind)) ?? "ok";
  const texts = alike.map(([text, all]) => `${some(all.length, "panel")} ${text}`);
  const rest = total > panels.length ? [`${some(total - panels.length, "other panel")} on its own page`] : [];
  return { sign: worst, text: [...texts.slice(0, MOST_LINES), ...(texts.length > MOST_LINES ? ["and so on"] : []), ...rest].join("; ") };
}

// what is shown

function openingsOf({ open, openings, more }, zone) {
  const text = ({ from, to }) => {
    if (to === null) return `${inWords(zone, from)}, and it never closes again`;
    const [start, end] = [inWords(zone, from), inWords(zone, to)];
    const sameDay = start.slice(0, -5) === end.slice(0, -5);
    return `${start} – ${sameDay ? end.slice(-5) : end}`;
  };
  return [
    h("h2", { id: "openings" }, "The next openings"),
    !openings.length && h("p", { class: "note" }, "It never opens from now on."),
    open && h("p", {}, "It would be open now."),
    h("ol", { class: "openings" }, openings.map((each) => h("li", {}, text(each)))),
    openings.length > 0 && h("p", { class: "muted small" }, more ? `And so on. By the clock of the site, ${zone}.` : `These are all. By the clock of the site, ${zone}.`),
  ];
}

function planOf(groups, seen, opened) {
  const each = groups.reduce((sum, { panels }) => sum + panels.length, 0) <= MOST_LINES;
  return [
    h("h2", { id: "plan" }, "On the panels"),
    h("p", { class: "muted" }, seen?.body.link_id === null ? "Planned as if it were a new one: it was made without an id." : "What would become of it; nothing is written yet."),
    !groups.length && h("p", { class: "note" }, "It is bound to no panel: it would be kept, and open nothing."),
    h("ul", { class: "outcomes" }, groups.map((group) => plannedAt(group, each, opened))),
  ];
}

const PLANNED = {
  exact: "would hold it as asked",
  narrowed: "would hold less than asked",
  materialised: "would hold it as dates, renewed in time",
  gateway_held: "would be switched by the gateway",
  pending: "would not hold it yet",
  refused: "would refuse it",
};

/** `each`: a line for every panel of the group. Otherwise their names are drawn when somebody asks for them. */
function plannedAt(group, each, opened) {
  const { kind, sign } = became(group);
  const why = because(group, moment);
  const line = (name) => [h("span", { class: `cell-sign ${kind}`, "aria-hidden": "true" }, sign), " ", h("strong", {}, name), ` ${PLANNED[group.outcome] ?? group.outcome}`, why && [": ", told(why)], "."];
  if (each) return group.panels.map((panel) => h("li", { "data-key": panel }, line(told(panel))));
  const key = `group ${group.panels[0]}`;
  return h("li", { "data-key": key }, line(some(group.panels.length, "panel")), onDemand(opened, key, "Which ones?", () => told(listed(group.panels))));
}

function whatItDoes(groups, panels) {
  if (!panels.length) return "The gateway keeps it. It is bound to no panel, so nothing opens by it.";
  const held = groups.filter(({ outcome }) => outcome !== "refused" && outcome !== "pending").reduce((sum, group) => sum + group.panels.length, 0);
  const rest = panels.length - held;
  return `It is written to ${panels.length === 1 ? panels[0] : `${panels.length} panels`}: ${held} would hold it${rest ? `, ${rest} would not (yet)` : ""}. Their doors open by it to everybody whom it is for.`;
}

function conflictOf(before, now, mine, { theirs, mine: keep }) {
  const [old, current, own] = [before, now, mine].map(inParts);
  const changed = Object.keys(current).filter((part) => current[part] !== old[part] || own[part] !== current[part]);
  const row = (part) => h("tr", {}, h("th", { scope: "row" }, part), [old, current, own].map((each, at) => h("td", { "data-label": HEADS[at] }, told(each[part]))));
  return h(
    "div",
    { class: "card conflict" },
    h("h2", {}, "Somebody else changed it meanwhile"),
    h("p", {}, "Nothing of yours was saved. This is what differs:"),
    h("div", { class: "scroll" }, h("table", { class: "stacked" }, h("thead", {}, h("tr", {}, ["Part", ...HEADS].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, changed.map(row)))),
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: theirs }, "Take what is there now"), h("button", { type: "button", onclick: keep }, "Go on with mine")),
  );
}

const HEADS = ["When you began", "Now", "Yours"];
