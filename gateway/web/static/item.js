/** A person or a time profile: what is asked, compiled and held, as a week and a year, panel by panel, and why at a moment. */

import { act } from "./action.js";
import { ask, get } from "./api.js";
import { clockOf, differingDates, isEverOpen, weekInWords } from "./calendars.js";
import { h, onDemand, show, told } from "./dom.js";
import { inWords, key, weekDrawing, yearDrawing } from "./hour_drawings.js";
import { because, became } from "./outcomes.js";
import { itemPath } from "./places.js";
import { moment } from "./times.js";
import { isolated, listed, some } from "./words.js";
import * as zones from "./zone.js";

const EVERY_S = 30;
const PAGE = 20;
const MOST_NAMES = 12;
const WORDS = { identifier: { one: "person", other: "timeprofile" }, timeprofile: { one: "time profile", other: "identifier" } };

export async function item(root, context, kind) {
  const [uid] = context.path;
  if (!/^\d+$/.test(uid ?? "")) return show(root, nothing(kind));
  const seen = await ask("GET", `/api/v1/access/${kind}/item/${uid}`, { signal: context.signal }).catch((error) => {
    if (error.status === 400) return null;
    throw error;
  });
  const body = seen?.body;
  const query = `kind=${kind}&uid=${uid}`;
  const only = context.query.get("panel");
  const facts = h("section", { class: "card", "aria-label": "Facts" });
  const hours = h("section", { "aria-labelledby": "asked" });
  const why = h("section", { class: "card", "aria-labelledby": "why" });
  const panels = h("section", { "aria-labelledby": "panels" });
  const state = { shown: PAGE, opened: new Set(only ? [only] : []), zone: "UTC" };
  const asks = whyNot(why, query, context, kind);
  const draw = async () => {
    const found = await get(`/gateway/v1/hours?${query}&limit=${state.shown}`, { signal: context.signal }).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    if (!found) return show(root, nothing(kind));
    context.title(found.name || `${capital(WORDS[kind].one)} ${uid}`);
    asks.begin(found.zone);
    show(hours, askedOf(found, asks.pick));
    show(panels, panelsOf(found, state, asks.pick, () => soon()));
  };
  show(root, facts, hours, why, panels);
  show(facts, body ? await factsOf(seen, kind, context) : h("p", {}, `This ${WORDS[kind].one} was deleted; a panel may still hold it.`));
  const soon = context.every(EVERY_S, draw);
  context.on(null, (event) => event.link_id && event.link_id === body?.link_id && soon());
  if (only) panels.dataset.only = only;
}

function nothing(kind) {
  return h("p", { class: "empty" }, `There is no such ${WORDS[kind].one}. `, h("a", { href: "/matrix" }, "All of them are in the matrix"), ".");
}

// facts

async function factsOf(seen, kind, context) {
  const { body } = seen;
  const uids = (kind === "identifier" ? body.time_profiles : body.identifiers).uid_items;
  const { other } = WORDS[kind];
  const named = await Promise.all(uids.slice(0, MOST_NAMES).map((uid) => get(`/api/v1/access/${other}/item/${uid}`, { signal: context.signal }).catch(() => ({ uid }))));
  const links = named.map((one) => h("li", {}, h("a", { href: itemPath(other, one.uid) }, told(one.name ?? one.identifier_owner?.name ?? `number ${one.uid}`))));
  const more = uids.length > MOST_NAMES && h("li", {}, `and ${uids.length - MOST_NAMES} more`);
  const list = (none) => (links.length ? h("ul", { class: "inline" }, links, more) : none);
  const rows =
    kind === "identifier"
      ? [
          ["Shows", [`${TYPES[body.identifier_type] ?? body.identifier_type} `, told(String(body.identifier_number))]],
          ["Opens", LOCKS[body.lock] ?? body.lock],
          ["While", list("count" in body.time_profiles && body.time_profiles.link_ids.length === 0 ? "its time profiles: it names none" : "at any time")],
          ["Valid", body.valid.time.is_permanent ? "without an end" : `${moment(body.valid.time.from)} to ${moment(body.valid.time.to)}`],
          ["Entries", body.valid.passes.is_permanent ? "any number" : `${body.valid.passes.max_passes}, ${body.additional.passes_left} left`],
        ]
      : [["For", list("nobody names it")]];
  return [
    h("dl", { class: "facts" }, [...rows, ["Id", h("code", {}, told(body.link_id ?? `number ${body.uid}`))]].map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    h(
      "div",
      { class: "buttons" },
      kind === "timeprofile" && h("a", { class: "button", href: `/try/${body.uid}` }, context.may("operator") ? "Change it" : "Look at its recurrence"),
      context.may("operator") && h("button", { type: "button", onclick: () => remove(seen, kind, context) }, "Delete…"),
    ),
  ];
}

/** Only what is still as it was shown. */
async function remove({ body, etag }, kind, context) {
  const family = `/api/v1/access/${kind}`;
  const name = isolated(body.name || body.identifier_owner?.name || `number ${body.uid}`);
  const run = async () => {
    const said =
      body.link_id === null
        ? await ask("DELETE", `${family}/item/${body.uid}`, { ifMatch: etag })
        : await ask("DELETE", `${family}/items/link?panels=failed`, { body: { link_ids: [body.link_id] }, ifMatch: etag });
    const failed = said.body.result?.[0].panels ?? [];
    if (body.link_id === null) return { sign: "ok", text: "deleted" }; // that answer tells of no panels
    if (!failed.length) return { sign: "ok", text: "deleted; no panel holds it any more" };
    const names = failed.slice(0, MOST_NAMES).map(({ panel }) => isolated(panel));
    const more = failed.length > MOST_NAMES ? ` and ${some(failed.length - MOST_NAMES, "other panel")}` : "";
    return { sign: "warning", text: `deleted, but it may still be held: ${names.join(", ")}${more}` };
  };
  const done = await act({
    title: `Delete ${name}?`,
    text: kind === "identifier" ? `${name} is taken from every panel: no door opens to it any more.` : `${name} is taken from every panel: nothing opens by it any more. People who have no other time profile are let in nowhere.`,
    button: "Delete",
    danger: true,
    steps: () => [{ subject: name, run }],
  });
  if (done) context.go(itemPath(kind, body.uid));
}

const TYPES = { card: "card", ukey: "key fob", inputCode: "code", qr: "QR code", license_plate: "number plate" };
const LOCKS = { first: "the first door of each panel", second: "the second door of each panel", all: "every door of each panel" };

// hours

function askedOf(found, pick) {
  const asked = found.calendars[found.asked];
  return [
    h("h2", { id: "asked" }, "As asked"),
    !isEverOpen(asked) && h("p", { class: "note" }, "It opens nothing in the year to come."),
    h("div", { class: "drawings card" }, drawings("As asked", found, asked, null, pick), words(asked)),
    h("p", { class: "muted small" }, `By the clock of the site, ${found.zone}. Point at a moment to ask why.`),
  ];
}

function drawings(title, found, asked, other, pick) {
  const both = { title, asked, other, first: found.from, days: found.days, pick };
  return [weekDrawing(both), yearDrawing(both)];
}

function words(calendar) {
  return h("details", { class: "words" }, h("summary", {}, "In words"), inWords(calendar));
}

function panelsOf(found, state, pick, again) {
  const differ = found.panels.filter((each) => differs(each, found) || !each.success).length;
  const rest = found.total - found.panels.length;
  return [
    h("div", { class: "head" }, h("h2", { id: "panels" }, "Panel by panel"), h("p", { class: "muted" }, found.total ? `${differ} of ${some(found.panels.length, "panel")} differ` : "")),
    !found.total && h("p", { class: "empty" }, "It is bound to no panel: nothing opens by it."),
    differ > 0 && key(),
    found.panels.map((panel) => panelOf(panel, found, state, pick)),
    rest > 0 && h("button", { type: "button", onclick: () => ((state.shown += PAGE), again()) }, `Show more of ${some(rest, "other panel")}`),
  ];
}

function panelOf(panel, found, state, pick) {
  const said = became(panel);
  const why = because(panel, moment);
  const id = `panel-${panel.panel}`;
  const isOpen = state.opened.has(panel.panel);
  const toggle = (event) => state.opened[event.target.open ? "add" : "delete"](panel.panel);
  return h(
    "article",
    { class: "card panel-hours", "data-key": panel.panel, "aria-labelledby": id },
    h("div", { class: "head" }, h("h3", { id }, told(panel.panel)), h("p", { class: `outcome ${said.kind}` }, h("span", { class: `cell-sign ${said.kind}`, "aria-hidden": "true" }, said.sign), said.text)),
    why && h("p", {}, told(capital(why)), "."),
    h("p", { class: "muted" }, differenceOf(panel, found)),
    h("details", { open: isOpen || differs(panel, found), ontoggle: toggle }, h("summary", {}, "Its hours"), sidesOf(panel, found, pick)),
  );
}

/** Dates that are written when their time comes are no difference. */
function differs(panel, found) {
  if (panel.differs_at !== "compiled" || panel.outcome !== "materialised" || panel.compiled !== panel.held) return panel.differs_at !== null;
  const last = zones.wallAt(found.zone, panel.valid_until).slice(0, 10);
  return zones.dayAfter(found.from, 0) >= last || differingDates(found.calendars[found.asked], found.calendars[panel.compiled], found.from, found.days)[0] < last;
}

function sidesOf({ compiled, held }, found, pick) {
  if (compiled !== null && compiled === held) return sideOf("As compiled and held", compiled, found, pick);
  return [sideOf("As compiled", compiled, found, pick), sideOf("As held", held, found, pick)];
}

function differenceOf(panel, found) {
  const { compiled, held, differs_at: at } = panel;
  if (at && !differs(panel, found)) return "It holds what is asked until then; later dates are written in time.";
  if (compiled === null) return held === null ? "The panel has no place for it, and what it holds is not known." : "The panel has no place for it.";
  if (at === "compiled") return "What is compiled for the panel differs from what is asked.";
  if (at === "held") return "What the panel holds differs from what is compiled for it.";
  return held === null ? "What it holds is not known." : "It holds what is asked.";
}

function sideOf(title, place, found, pick) {
  if (place === null) return h("p", { class: "muted" }, `${title}: ${title === "As held" ? "not known" : "nothing"}.`);
  const [asked, calendar] = [found.calendars[found.asked], found.calendars[place]];
  if (place === found.asked) return h("p", {}, `${title}: as asked, ${weekInWords(calendar.week).join("; ")}.`);
  return h("figure", { class: "drawings" }, h("figcaption", {}, title), drawings(title, found, asked, calendar, pick), words(calendar));
}

// why

function whyNot(place, query, context, kind) {
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const input = h("input", { id: "moment", type: "datetime-local", required: true, onchange: () => ask() });
  const form = h(
    "form",
    { class: "filters", onsubmit: (event) => (event.preventDefault(), ask()) },
    h("div", { class: "field" }, h("label", { for: "moment" }, "Moment, by the site's clock"), input),
    h("button", { type: "submit" }, "Why?"),
  );
  show(place, h("h2", { id: "why" }, "Why, or why not?"), form, answer);
  const opened = new Set();
  let zone = null;
  let turn = 0;

  async function ask() {
    if (!input.value || !zone) return;
    const mine = ++turn;
    const at = zones.instantOf(zone, input.value);
    try {
      const [found, access] = await Promise.all([
        get(`/gateway/v1/explain?${query}&at=${at}&grouped=1`, { signal: context.signal }),
        kind === "identifier" && get(`/gateway/v1/access?${query.replace("kind=identifier&", "")}&at=${at}`, { signal: context.signal }),
      ]);
      if (mine === turn) show(answer, explained(found, access, zone, opened));
    } catch (error) {
      if (mine === turn && !context.signal.aborted) show(answer, h("p", { class: "mistake" }, error.message));
    }
  }

  return {
    begin(found) {
      if (zone) return;
      zone = found;
      input.value = zones.wallAt(zone, Date.now() / 1000).slice(0, 16);
      ask();
    },
    pick(date, minute) {
      input.value = `${date}T${minute === null ? input.value.slice(11, 16) || "12:00" : clockOf(minute)}`;
      place.scrollIntoView({ block: "nearest" });
      ask();
    },
  };
}

const OPEN = { true: "open", false: "closed", null: "not known" };
const PLACE = { true: "open", false: "closed", null: "no place for it" };

const HELD = { true: "and the panel holds it", false: "but the panel does not hold it", null: "what the panel holds is not known" };

function explained(found, access, zone, opened) {
  const people = access ? access.people : [];
  const doors = people.slice(0, MOST_NAMES).map((each) => `${each.door} (${each.asked ? "as asked" : "though not asked"}, ${HELD[each.held]})`);
  if (people.length > MOST_NAMES) doors.push(some(people.length - MOST_NAMES, "other door"));
  return [
    h("p", {}, h("strong", {}, zones.inWords(zone, found.at)), `: as asked it is ${found.asked ? "open" : "closed"}`, found.message && `: ${found.message}`, "."),
    access && h("p", {}, doors.length ? `Doors then: ${doors.join(", ")}.` : "No door opens then."),
    found.groups.length > 0 &&
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          { class: "stacked" },
          h("caption", { class: "hidden" }, "Each panel at that moment"),
          h("thead", {}, h("tr", {}, ["Panel", "As compiled", "As held", "Why"].map((text) => h("th", { scope: "col" }, text)))),
          h("tbody", {}, found.groups.map((each) => explainedAt(each, found.asked, opened))),
        ),
      ),
  ];
}

function explainedAt({ panels, compiled, held, differs_at: at, message }, asked, opened) {
  const key = panels[0];
  const names = () => told(listed(panels));
  const cell = (label, value, words, differs) => h("td", { "data-label": label }, h("span", { class: differs ? "outcome error" : "" }, differs && h("span", { class: "cell-sign error", "aria-hidden": "true" }, "≠"), words[value], differs && h("span", { class: "hidden" }, `, not as ${at === "held" ? "compiled" : "asked"}`)));
  return h(
    "tr",
    { "data-key": key },
    h("th", { scope: "row" }, panels.length <= MOST_NAMES ? names() : onDemand(opened, key, some(panels.length, "panel"), names)),
    cell("As compiled", compiled, PLACE, at === "compiled" && compiled !== asked),
    cell("As held", held, OPEN, at === "held"),
    h("td", { "data-label": "Why" }, told(saidOf(message))),
  );
}

/** An outcome stands for itself where there is nothing else to say. */
function saidOf(message) {
  const { kind, text } = became({ outcome: message });
  return kind === "unknown" ? (message ?? "") : text;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
