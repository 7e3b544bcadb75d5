/** What is wrong first, with what helps; then every panel, by its line. */

import { act } from "../action.js";
import { ask, get } from "../api.js";
import { h, show, told } from "../dom.js";
import { REMEDIES, actOn, buttonOf, choose, verbsOf } from "../panel_verbs.js";
import { panelPath } from "../places.js";
import { STATES, gravity, outcome, sign, state } from "../signs.js";
import { row, table } from "../tables.js";
import { ago, clock, lasts, moment } from "../times.js";
import { ms, number, percent, some, withCode } from "../words.js";

const EVERY_S = 5;
const MOST_ROWS = 200;
const MOST_PROBLEMS = 50;
const COLUMNS = ["Panel", "State", "Held", "Waiting", "Clock", "Last seen", "Actions"];

export function render(root, context) {
  const problems = h("section", { "aria-labelledby": "problems" });
  const sums = h("section", { "aria-label": "Sums", class: "sums" });
  const panels = h("section", { "aria-labelledby": "panels" });
  show(root, problems, sums, panels);
  const filter = { text: "", all: false };
  let known = null;
  const drawPanels = () => known && show(panels, panelsOf(known, filter, context, drawPanels, soon));
  const soon = context.every(EVERY_S, async () => {
    const ask = (path) => get(`/gateway/v1/${path}`, { signal: context.signal });
    // Problems first: on a large site the other answers take the gateway longer.
    show(problems, problemsOf(problems, (await ask("problems")).problems, context, () => soon()));
    const [seen, { lines }] = await Promise.all([ask("panels"), ask("lines")]);
    known = { ...seen, lines };
    show(sums, sumsOf(known));
    drawPanels();
  });
  context.on(null, (event) => event.category === "system" && soon());
}

// problems

function problemsOf(root, found, context, soon) {
  const head = h("h2", { id: "problems" }, found.length ? some(found.length, "problem") : "Problems");
  if (!found.length) return [head, h("p", { class: "card" }, outcome("ok", "Nothing is wrong: every panel does what is asked of it."))];
  const most = root.dataset.all ? found.length : MOST_PROBLEMS;
  const all = () => ((root.dataset.all = "yes"), soon());
  return [
    head,
    h("ul", { class: "problems" }, found.slice(0, most).map((problem) => problemOf(problem, context, soon))),
    found.length > most && h("p", {}, h("button", { type: "button", onclick: all }, `Show ${some(found.length - most, "other problem")}`)),
  ];
}

function problemOf(problem, context, soon) {
  const { code, severity, since, panel, line, text, remedy, command } = problem;
  const remedies = remediesOf(problem, context, soon);
  return h(
    "li",
    { class: `problem ${severity}`, "data-key": `${code} ${panel ?? ""} ${line ?? ""}` },
    sign(severity),
    h(
      "div",
      {},
      h("p", { class: "what" }, h("bdi", {}, withCode(text))),
      h("p", { class: "muted" }, since === null ? "" : [h("time", { title: moment(since) }, `Since ${clock(since)}`), ". "], withCode(capital(remedy)), "."),
      remedies.length ? h("div", { class: "buttons" }, remedies) : h("p", { class: "command" }, "On the gateway: ", h("code", {}, told(command))),
    ),
  );
}

function remediesOf({ code, panel, line }, context, soon) {
  const button = (text, work) => h("button", { type: "button", onclick: async () => (await work()) && soon() }, text);
  const isAdmin = context.may("admin");
  if (code === "line_unavailable") return [h("a", { class: "button", href: `/lines/${encodeURIComponent(line)}` }, "Show the line")];
  if (code === "clock_not_trusted") return isAdmin ? [button("Say that the clock is right", trustClock)] : [];
  if (code === "store_not_trusted") return isAdmin ? [button("Take the store as it is", trustStore)] : [];
  const verbs = context.may("operator") ? (REMEDIES[code] ?? []) : [];
  return verbs.map((verb) => button(buttonOf(verb), () => actOn(panel, verb, context.signal)));
}

async function trustClock() {
  const { at, up_s: up } = (await get("/gateway/v1/clock")).clock;
  return act({
    title: "Is the gateway's clock right?",
    text: `It shows ${moment(at)}. Where that is right, every door opens by it from now on, until the host boots or its clock is set.`,
    button: "It is right",
    danger: true,
    steps: () => [
      {
        subject: "clock",
        run: async () => {
          const { clock: now } = (await ask("POST", `/gateway/v1/clock/trust?at=${at}&up_s=${up}`)).body;
          return now.trusted ? { sign: "ok", text: "trusted" } : { sign: "error", text: now.reason };
        },
      },
    ],
  });
}

function trustStore() {
  return act({
    title: "Take the store as it is?",
    text: "All doors open by what the store says, although it is older than what was last written to it: who was removed since then may come in again.",
    button: "Take it as it is",
    danger: true,
    steps: () => [{ subject: "store", run: async () => (await ask("POST", "/gateway/v1/store/trust"), { sign: "ok", text: "trusted" }) }],
  });
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// sums

function sumsOf({ panels, lines, clock: host }) {
  const inSync = panels.filter((panel) => panel.state === "in_sync").length;
  const [held, desired, refused] = ["held", "desired", "refused"].map((key) => panels.reduce((sum, panel) => sum + panel[key], 0));
  const lag = Math.max(0, ...panels.map((panel) => panel.lag_s));
  const load = Math.max(0, ...lines.map((line) => line.load_1m));
  return [
    tile("Panels in sync", `${inSync} of ${panels.length}`, inSyncSaid(panels)),
    tile("Items held", `${number(held)} of ${number(desired)}`, refused ? ["warning", `${number(refused)} refused`] : held >= desired ? ["ok", "converged"] : ["busy", `oldest change ${lasts(lag)} ago`]),
    tile("Busiest line", lines.length ? percent(load) : "–", load > 0.8 ? ["warning", "nearly full"] : ["ok", "of its time"]),
    tile("Gateway's clock", clock(host.at), host.trusted ? ["ok", "trusted"] : ["error", "not trusted"]),
  ];
}

/** The gravest of all states, and how many panels are in it. */
function inSyncSaid(panels) {
  const [worst] = [...panels].sort((a, b) => gravity(b.state) - gravity(a.state));
  if (!worst || worst.state === "in_sync") return ["ok", "all of them"];
  const [kind, text] = STATES[worst.state] ?? STATES.unknown;
  return [kind, `${panels.filter((panel) => panel.state === worst.state).length} ${text}`];
}

function tile(what, figure, [kind, text]) {
  return h("div", { class: "tile" }, h("p", { class: "muted" }, what), h("p", { class: "figure" }, figure), outcome(kind, text));
}

// panels

function panelsOf({ panels, departed, lines }, filter, context, draw, soon) {
  const search = h("input", {
    type: "search",
    "aria-label": "Filter panels by name, line or state",
    placeholder: "Filter panels",
    oninput: (event) => ((filter.text = event.target.value.toLowerCase()), draw()),
  });
  const words = filter.text.split(/\s+/).filter(Boolean);
  const chosen = panels.filter((panel) => words.every((word) => `${panel.id} ${panel.line} ${panel.model} ${panel.state}`.toLowerCase().includes(word)));
  const worst = filter.all || chosen.length <= MOST_ROWS ? chosen : [...chosen].sort((a, b) => gravity(b.state) - gravity(a.state)).slice(0, MOST_ROWS);
  const rest = chosen.length - worst.length;
  return [
    h("div", { class: "head" }, h("h2", { id: "panels" }, "Panels and lines"), panels.length > 8 && search),
    !panels.length && h("p", { class: "empty" }, "No panels are configured yet."),
    panels.length > 0 && !chosen.length && h("p", { class: "empty" }, "No panel matches the filter."),
    worst.length > 0 &&
      table("Panels by their lines", COLUMNS, lines.map((line) => lineOf(line, worst.filter((panel) => panel.line === line.id), context, soon))),
    rest > 0 && h("button", { type: "button", onclick: () => ((filter.all = true), draw()) }, `Show ${some(rest, "other panel")}`),
    departed.map((panel) => h("p", { "data-key": `left ${panel.id}`, class: "note" }, told(panel.id), " has left the configuration.")),
  ];
}

function lineOf(line, panels, context, soon) {
  if (!panels.length) return null;
  const heading = h(
    "th",
    { colspan: COLUMNS.length, scope: "rowgroup" },
    h("a", { href: `/lines/${encodeURIComponent(line.id)}` }, told(line.id)),
    h("span", { class: "muted" }, ` ${line.kind}, load ${percent(line.load_1m)}, 95 % of exchanges within ${ms(line.exchange_ms.p95)}`),
  );
  return h("tbody", { "data-key": `line ${line.id}` }, h("tr", { class: "group" }, heading), panels.map((panel) => panelRow(panel, context, soon)));
}

function panelRow(panel, context, soon) {
  const work = async () => (await choose(panel.id, verbsOf(panel), context.signal)) && soon();
  const more = (text) => h("span", { class: "muted small" }, text);
  const drift = panel.clock_drift_ms;
  return row(panel.id, COLUMNS, [
    [h("a", { href: panelPath(panel.id) }, told(panel.id)), more(panel.model)],
    [state(panel.state), panel.away_since !== null && more(`since ${clock(panel.away_since)}`)],
    [`${panel.held} of ${panel.desired}`, panel.refused > 0 && more(`${panel.refused} refused`)],
    panel.pending ? [some(panel.pending, "item"), more(`for ${lasts(panel.lag_s)}`)] : "nothing",
    drift === null ? "–" : `${drift > 0 ? "+" : ""}${(drift / 1000).toFixed(1)} s`,
    panel.last_seen_at === null ? "never" : h("time", { title: moment(panel.last_seen_at) }, ago(panel.last_seen_at)),
    context.may("operator") && h("button", { type: "button", class: "quiet", "aria-label": `Actions for ${panel.id}`, onclick: work }, "Actions…"),
  ]);
}
