/** People and time profiles against panels and doors: what became of each where, by colour and by sign, and why. */

import { get } from "../api.js";
import { h, show, told } from "../dom.js";
import { grid } from "../grid.js";
import { LEGEND, because, became } from "../outcomes.js";
import { itemPath } from "../places.js";
import { moment } from "../times.js";
import { some } from "../words.js";

const EVERY_S = 20;
const PAGE = 50;
const MOST_PAGES = 40;
const TYPING_MS = 250;
const SIZES = { row: 34, column: 38, head: 148, side: 208 };
const NARROW = { ...SIZES, side: 124 };
const KINDS = { "": "People and time profiles", identifier: "People", timeprofile: "Time profiles" };

export function render(root, context) {
  const asked = { kind: "", find: "", differing: false, columns: "" };
  const table = new Pages(asked, context.signal);
  let columns = [];
  let seenRows = [0, 0];
  const sums = h("p", { class: "muted", role: "status" });
  const detail = h("div", { class: "card cell-detail" }, h("p", { class: "muted" }, "Point at a cell, or move to it with the arrow keys, to read what became of it and why."));
  const said = (row, column) => describe(table.row(row), columns[column] === undefined ? null : table.columns[columns[column]], table.cell(row, columns[column]));
  const view = grid({
    label: "People and time profiles by panel and door",
    sizes: window.innerWidth < 600 ? NARROW : SIZES,
    corner: "Person or profile",
    drawHead: (element, column) => drawHead(element, table.columns[columns[column]]),
    drawSide: (element, row) => drawSide(element, table.row(row)),
    drawCell: (element, row, column) => drawCell(element, table.cell(row, columns[column]), said(row, column)),
    onFocus: (row, column) => show(detail, detailOf(table.row(row), table.columns[columns[column]] ?? null, table.cell(row, columns[column]))),
    onEnter: (row, column) => openItem(table.row(row), table.columns[columns[column]], context),
    onSeen: (first, last) => ((seenRows = [first, last]), load().catch(() => {})), // it is asked for again with the next look
    signal: context.signal,
  });
  const empty = h("p", { class: "empty", hidden: true });

  function arrange() {
    const words = asked.columns.toLowerCase().split(/\s+/).filter(Boolean);
    const differs = asked.differing ? table.differing() : null;
    columns = table.columns.flatMap((column, number) => {
      const text = `${column.panel} ${column.name ?? ""} ${column.door ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word)) && (differs?.has(number) ?? true) ? [number] : [];
    });
    const nothing = !table.total || !columns.length;
    empty.hidden = !nothing;
    view.element.hidden = nothing;
    if (nothing) show(empty, whyEmpty(table, asked));
    show(sums, `${some(table.total, "row")}, ${some(columns.length, "column")}`);
    view.resize(table.total, columns.length);
  }

  async function load() {
    if (await table.fill(...seenRows)) arrange();
  }

  const anew = async () => {
    table.forget();
    await table.fill(...seenRows);
    arrange();
  };
  let typing = null;
  const change = (key, value) => {
    asked[key] = value;
    if (key === "columns") return arrange();
    clearTimeout(typing);
    typing = setTimeout(() => anew().catch(context.failed), TYPING_MS);
  };
  show(root, filters(change), empty, h("div", { class: "part" }, view.element, detail), h("div", { class: "head" }, legend(), sums));
  const soon = context.every(EVERY_S, anew);
  context.on(null, (event) => event.category === "system" && soon());
}

/** The rows that were asked for so far; the first pages are forgotten where there are many. */
class Pages {
  columns = [];
  total = 0;
  #pages = new Map();
  #waiting = new Set();
  #turn = 0;

  constructor(asked, signal) {
    this.asked = asked;
    this.signal = signal;
  }

  forget() {
    this.#turn++;
    this.#waiting.clear();
    this.stale = true;
  }

  /** Ask for these rows; true where there is something new to show. */
  async fill(first, last) {
    const stale = this.stale;
    const wanted = [];
    for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE); page++) {
      if ((stale || !this.#pages.has(page)) && !this.#waiting.has(page)) wanted.push(page);
    }
    if (!wanted.length) return false;
    const turn = this.#turn;
    wanted.forEach((page) => this.#waiting.add(page));
    const { kind, find, differing } = this.asked;
    const query = new URLSearchParams({ ...(kind && { kind }), ...(find && { find }), ...(differing && { differing: 1 }), limit: PAGE });
    const answers = await Promise.all(wanted.map((page) => get(`/gateway/v1/matrix?${query}&first=${page * PAGE}`, { signal: this.signal })));
    if (turn !== this.#turn) return false;
    if (stale) this.#pages.clear(), (this.stale = false);
    wanted.forEach((page, place) => {
      this.#waiting.delete(page);
      this.#pages.set(page, unpacked(answers[place]));
    });
    for (const page of [...this.#pages.keys()].slice(0, -MOST_PAGES)) this.#pages.delete(page);
    ({ columns: this.columns, total: this.total } = answers.at(-1));
    return true;
  }

  row(number) {
    return this.#pages.get(Math.floor(number / PAGE))?.rows[number % PAGE];
  }

  cell(row, column) {
    const page = this.#pages.get(Math.floor(row / PAGE));
    return page?.results[page.rows[row % PAGE]?.cells[column] ?? -1];
  }

  /** The columns in which something differs from what is asked, as far as rows are here. */
  differing() {
    const found = new Set();
    for (const { rows, results } of this.#pages.values()) {
      const wrong = results.map((result) => !result.asked || !result.success);
      for (const { cells } of rows) cells.forEach((place, column) => wrong[place] && found.add(column));
    }
    return found;
  }
}

/** A row counts how many columns in turn have a result: here each column has its own. */
function unpacked({ rows, results }) {
  return {
    results,
    rows: rows.map((row) => {
      const cells = [];
      for (let at = 0; at < row.cells.length; at += 2) for (let run = row.cells[at + 1]; run; run--) cells.push(row.cells[at]);
      return { ...row, cells };
    }),
  };
}

// what is drawn

function drawHead(element, column) {
  element.className = `columnheader ${column?.away ? "away" : ""} ${column?.door ? "door" : ""}`;
  element.title = `${placeOf(column)}${column?.away ? " (away)" : ""}`;
  element.replaceChildren(h("span", {}, element.title));
}

function drawSide(element, row) {
  if (!row) return element.replaceChildren("…");
  const kind = h("span", { class: "tag", "aria-hidden": "true" }, row.kind === "identifier" ? "P" : "T");
  element.replaceChildren(kind, h("bdi", { class: row.deleted ? "gone" : "" }, nameOf(row)));
  element.title = nameOf(row);
  element.setAttribute("aria-label", `${nameOf(row)}, ${row.kind === "identifier" ? "person" : "time profile"}${row.deleted ? ", deleted" : ""}`);
}

function drawCell(element, cell, text) {
  const { kind, sign } = cell ? became(cell) : { kind: "none", sign: "" };
  const style = `gridcell ${kind}`;
  if (element.className !== style) element.className = style;
  if (element.textContent !== sign) element.textContent = sign;
  element.setAttribute("aria-label", text);
}

function describe(row, column, cell) {
  if (!row || !column) return "loading";
  const what = cell ? [became(cell).text, because(cell, moment)].filter(Boolean).join(": ") : "nothing to do with it";
  return `${nameOf(row)} at ${placeOf(column)}: ${what}`;
}

function detailOf(row, column, cell) {
  if (!row && !column) return h("p", { class: "muted" }, "Loading…");
  const place = column && [h("strong", {}, told(placeOf(column))), column.away && [" ", h("span", { class: "tag" }, "away, as it was seen last")]];
  if (!row) return h("p", {}, place);
  const item = h("a", { href: pathOf(row, column) }, told(nameOf(row)));
  if (!column) return h("p", {}, item, row.deleted && " was deleted, and may still be held.");
  const { kind, sign, text } = cell ? became(cell) : { kind: "none", sign: "", text: "nothing to do with it" };
  const why = cell && because(cell, moment);
  return h("p", {}, sign && [h("span", { class: `cell-sign ${kind}`, "aria-hidden": "true" }, sign), " "], item, " at ", place, `: ${text}`, why && [". ", told(capital(why)), "."]);
}

function openItem(row, column, context) {
  if (row) context.go(pathOf(row, column));
}

function pathOf(row, column) {
  return `${itemPath(row.kind, row.uid)}${column ? `?panel=${encodeURIComponent(column.panel)}` : ""}`;
}

function placeOf(column) {
  if (!column) return "";
  if (column.name) return column.name;
  return column.output === undefined ? column.panel : `${column.panel}:${column.output}`;
}

function nameOf(row) {
  return row.name || (row.link_id ?? `number ${row.uid}`);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function filters(change) {
  const kinds = Object.entries(KINDS).map(([value, text]) => h("option", { value }, text));
  return h(
    "form",
    { class: "filters", role: "search", "aria-label": "Filter the matrix", onsubmit: (event) => event.preventDefault() },
    h("div", { class: "field" }, h("label", { for: "find" }, "Person or profile"), h("input", { id: "find", type: "search", oninput: (event) => change("find", event.target.value) })),
    h("div", { class: "field" }, h("label", { for: "kind" }, "Show"), h("select", { id: "kind", onchange: (event) => change("kind", event.target.value) }, kinds)),
    h("div", { class: "field" }, h("label", { for: "columns" }, "Panel or door"), h("input", { id: "columns", type: "search", oninput: (event) => change("columns", event.target.value) })),
    h("label", { class: "check" }, h("input", { type: "checkbox", onchange: (event) => change("differing", event.target.checked) }), "Only what differs from what is asked"),
  );
}

function legend() {
  return h(
    "details",
    { class: "legend-box" },
    h("summary", {}, "What the signs mean"),
    h("ul", { class: "signs" }, LEGEND.map(({ kind, sign, text }) => h("li", {}, h("span", { class: `cell-sign ${kind}`, "aria-hidden": "true" }, sign), " ", capital(text)))),
  );
}

function whyEmpty(table, asked) {
  if (asked.differing) return "Nothing differs: every panel holds what is asked of it.";
  if (asked.find || asked.kind || asked.columns) return "Nothing matches the filter.";
  if (table.total) return "No panels are configured yet.";
  return h("span", {}, "There are no people and no time profiles yet. ", h("a", { href: "/try" }, "Make a time profile"), ", or let the management system send them.");
}
