/** The traffic of every line over the last hour, and of its units since the start. */

import { get } from "../api.js";
import { hourChart, overTheHour } from "../charts.js";
import { h, show, told } from "../dom.js";
import { panelPath } from "../places.js";
import { outcome } from "../signs.js";
import { row, table } from "../tables.js";
import { ms, percent, some } from "../words.js";

const EVERY_S = 10;
const PAGE = 20;
const TYPING_MS = 250;
const ERRORS = {
  timeouts: ["no reply", "e1"],
  crc: ["damaged", "e2"],
  protocol: ["unexpected", "e3"],
  connections_lost: ["connection lost", "e4"],
  exceptions: ["refused by the unit", "e5"],
};
const UNIT = [
  "Panel",
  "Unit",
  ...["Load", "Exchanges", "No reply", "Damaged", "Unexpected", "Refused", "Retries", "95 % within"].map((text) => ({ text, number: true })),
];

export function render(root, context) {
  const [only] = context.path;
  if (only !== undefined) context.title(`Line ${only}`);
  const asked = { find: "", shown: PAGE };
  const search = h("input", { type: "search", "aria-label": "Filter lines by their or their panels' names", placeholder: "Filter lines", hidden: true, oninput: found });
  const list = h("div", { class: "part" });
  show(root, only === undefined ? search : h("p", {}, h("a", { href: "/lines" }, "All lines")), list);
  let typing = null;
  let turn = 0;
  function found() {
    Object.assign(asked, { find: search.value, shown: PAGE });
    clearTimeout(typing);
    typing = setTimeout(() => draw().catch(context.failed), TYPING_MS);
  }
  function more() {
    asked.shown += PAGE;
    draw().catch(context.failed);
  }
  async function draw() {
    const mine = ++turn;
    const query = new URLSearchParams({ minutes: 1, ...(only === undefined ? { limit: asked.shown, ...(asked.find && { find: asked.find }) } : { line: only }) });
    const { lines, total } = await get(`/gateway/v1/lines?${query}`, { signal: context.signal });
    if (mine !== turn) return;
    const rest = total - lines.length;
    search.hidden = !asked.find && total < 9;
    show(
      list,
      lines.map((line) => lineOf(line, only !== undefined)),
      !lines.length && h("p", { class: "empty" }, only !== undefined ? "There is no such line." : asked.find ? "No line matches the filter." : "No lines are configured yet."),
      rest > 0 && h("button", { type: "button", onclick: more }, `Show more of ${some(rest, "other line")}`),
    );
  }
  context.every(EVERY_S, draw);
}

function lineOf(line, withUnits) {
  const now = Date.now() / 1000;
  const id = `line-${line.id}`;
  const over = (value, absent = null) => overTheHour(line.minutes, now, value, absent);
  const errors = Object.entries(ERRORS).map(([key, [name, kind]]) => ({ name, kind, values: over((minute) => minute[key], 0) }));
  const seen = errors.filter((one) => one.values.some(Boolean));
  const failed = seen.reduce((sum, one) => sum + one.values.reduce((a, b) => a + b, 0), 0);
  return h(
    "section",
    { class: "card", "data-key": line.id, "aria-labelledby": id },
    h(
      "div",
      { class: "head" },
      h("h2", { id }, withUnits ? told(line.id) : h("a", { href: `/lines/${encodeURIComponent(line.id)}` }, told(line.id)), " ", h("span", { class: "tag" }, line.kind)),
      failed ? outcome("warning", `${some(failed, "failed exchange")} within the hour`) : outcome("ok", "no failed exchange within the hour"),
    ),
    h(
      "div",
      { class: "charts" },
      hourChart({ title: "Load", format: (value) => (value === null ? "–" : percent(value)), most: 0.1, series: [{ name: "now", kind: "a", values: over((minute) => minute.load, 0) }] }),
      hourChart({
        title: "An exchange takes",
        format: ms,
        series: [
          { name: "95 % within", kind: "b", values: over((minute) => minute.exchange_ms.p95) },
          { name: "half within", kind: "a", values: over((minute) => minute.exchange_ms.p50) },
        ],
      }),
      hourChart({
        title: "Failed exchanges",
        stacked: true,
        most: 1,
        format: (value) => `${Math.round(value ?? 0)}`,
        series: seen.length ? seen : [{ name: "none", kind: "e1", values: new Array(60).fill(0) }],
      }),
    ),
    h("p", { class: "muted small" }, `${some(line.exchanges, "exchange")} since the start, ${line.queue_depth} waiting now`),
    withUnits && units(line),
  );
}

function units(line) {
  return table(`Units of ${line.id}, since the start`, UNIT, line.units.map(unitRow));
}

function unitRow(unit) {
  const refused = Object.values(unit.exceptions).reduce((a, b) => a + b, 0);
  const figures = [unit.exchanges, unit.timeouts, unit.crc, unit.protocol, refused, unit.retries].map(String);
  return row(unit.panel, UNIT, [h("a", { href: panelPath(unit.panel) }, told(unit.panel)), `${unit.unit}`, percent(unit.load_1m), ...figures, ms(unit.exchange_ms.p95)]);
}
