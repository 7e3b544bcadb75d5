/** One panel: what it is like, what it is, how full it is, and what it does not hold as asked, with what can be asked of it. */

import { get } from "../api.js";
import { h, show, told } from "../dom.js";
import { because, became } from "../outcomes.js";
import { actOn, buttonOf, verbsOf } from "../panel_verbs.js";
import { itemPath } from "../places.js";
import { state } from "../signs.js";
import { row, table } from "../tables.js";
import { ago, clock, lasts, moment } from "../times.js";
import { ms, number, percent, some } from "../words.js";

const EVERY_S = 5;
const PAGE = 50;
const LACKING = ["Item", "What became of it", "Asked for", "Slots"];
const SLOTS = { timeprofile: "Slots of time profiles", identifier: "Slots of people" };

export function render(root, context) {
  const [id] = context.path;
  if (id === undefined) return show(root, nothing());
  context.title(`Panel ${id}`);
  let shown = PAGE;
  const ask = (path) => get(`/gateway/v1/${path}`, { signal: context.signal });
  async function draw() {
    const found = await ask(`panels/${encodeURIComponent(id)}?items=lacking&limit=${shown}`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    if (found === null) return show(root, nothing());
    const [panel] = found.panels;
    const [{ lines }, { doors }] = await Promise.all([ask(`lines?line=${encodeURIComponent(panel.line)}`), ask("doors")]);
    const unit = lines[0]?.units.find((each) => each.panel === id);
    const more = () => ((shown += PAGE), draw().catch(context.failed));
    show(root, stateOf(panel, context, soon), factsOf(panel, unit, doors.filter((door) => door.panel === id)), lackingOf(panel, more));
  }
  const soon = context.every(EVERY_S, draw);
  context.on(null, (event) => event.panel === id && event.category === "system" && soon());
  return undefined;
}

function nothing() {
  return h("p", { class: "empty" }, "There is no such panel. ", h("a", { href: "/overview" }, "All of them are in the overview"), ".");
}

function stateOf(panel, context, soon) {
  const verb = (name) => h("button", { type: "button", onclick: async () => (await actOn(panel.id, name, context.signal)) && soon() }, `${buttonOf(name)}…`);
  const why = panel.away_reason ?? panel.last_error;
  return h(
    "section",
    { class: "card part", "aria-labelledby": "state", "data-key": "state" },
    h("div", { class: "head" }, h("h2", { id: "state" }, "State"), state(panel.state)),
    panel.away_since !== null && h("p", {}, "Away since ", h("time", {}, clock(panel.away_since)), ": what is said of it is as it was seen last."),
    why && h("p", { class: "note" }, told(why)),
    panel.identity_note && h("p", { class: "note" }, told(panel.identity_note)),
    panel.warnings.length > 0 && h("ul", {}, panel.warnings.map((text) => h("li", {}, told(text)))),
    context.may("operator") && h("div", { class: "buttons" }, [...verbsOf(panel), "erase"].map(verb)),
  );
}

function factsOf(panel, unit, doors) {
  const drift = panel.clock_drift_ms;
  const facts = [
    ["Model", told(panel.model)],
    ["Line", h("a", { href: `/lines/${encodeURIComponent(panel.line)}` }, told(panel.line))],
    ["Serial number", panel.serial === null ? "not known" : told(panel.serial)],
    panel.found_serial !== null && panel.found_serial !== panel.serial && ["Found in its place", told(panel.found_serial)],
    ["Clock", drift === null ? "not known" : `${drift > 0 ? "+" : ""}${(drift / 1000).toFixed(1)} s, kept by ${panel.dst === "gateway" ? "the gateway" : "itself"}`],
    ["Seen last", panel.last_seen_at === null ? "never" : h("time", { title: moment(panel.last_seen_at) }, ago(panel.last_seen_at))],
    ["Written last", panel.acknowledged_at === null ? "never" : h("time", { title: moment(panel.acknowledged_at) }, ago(panel.acknowledged_at))],
    ["Items held", `${number(panel.held)} of ${number(panel.desired)}`],
    ...Object.entries(panel.slots).map(([kind, { own, foreign, of }]) => [SLOTS[kind], `${number(own)}${foreign ? `, and ${number(foreign)} of others` : ""} of ${number(of)}`]),
    ["Load", unit ? `${percent(unit.load_1m)} of its line's time` : "not known"],
    unit && ["Exchanges", `${some(unit.exchanges, "exchange")}, 95 % within ${ms(unit.exchange_ms.p95)}, ${number(unit.timeouts)} without a reply`],
    panel.endurance && ["Writes left today", `${Math.floor(panel.endurance.left)} of about ${Math.round(panel.endurance.per_day)}`],
    ["Restarts seen", number(panel.resets)],
    doors.length > 0 && ["Doors", h("ul", { class: "inline" }, doors.map((door) => h("li", {}, told(door.name))))],
  ];
  return h(
    "section",
    { class: "card", "aria-label": "Facts", "data-key": "facts" },
    h("dl", { class: "facts" }, facts.filter(Boolean).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
  );
}

function lackingOf(panel, more) {
  const rest = panel.lacking - panel.items.length;
  return h(
    "section",
    { class: "part", "aria-labelledby": "lacking", "data-key": "lacking" },
    h("h2", { id: "lacking" }, panel.lacking ? `${some(panel.lacking, "item")} not held as asked` : "Items"),
    panel.lacking ? table("Items that it does not hold as asked", LACKING, panel.items.map((item, at) => itemRow(item, at))) : h("p", { class: "empty" }, panel.desired ? "It holds everything that is asked of it." : "Nothing is asked of it."),
    rest > 0 && h("button", { type: "button", onclick: more }, `Show more of ${some(rest, "other item")}`),
    h("p", { class: "muted" }, h("a", { href: "/matrix" }, "What it holds is in the matrix"), "."),
  );
}

/** An item may be lacking at several outputs of the panel: `at` tells the rows apart. */
function itemRow(item, at) {
  const { kind, sign, text } = became({ asked: item.desired_generation !== null, outcome: item.outcome, reason: item.reason });
  const why = because(item, moment);
  const name = told(item.name || (item.link_id ?? `number ${item.uid}`));
  return row(`${item.kind} ${item.uid} ${item.link_id} ${at}`, LACKING, [
    item.uid === null ? name : h("a", { href: itemPath(item.kind, item.uid) }, name),
    [h("span", { class: `cell-sign ${kind}`, "aria-hidden": "true" }, sign), ` ${text}`, why && [": ", told(why)]],
    item.asked_at === null ? "–" : h("time", { title: moment(item.asked_at) }, `${lasts(Date.now() / 1000 - item.asked_at)} ago`),
    item.slots.length ? item.slots.join(", ") : "none",
  ]);
}
