/** What happened at the site: the latest first, live, chosen by what people look for, and as a file. */

import { get } from "../api.js";
import { h, show, told } from "../dom.js";
import { detailOf, latestFirst, personOf, placeOf, signOf, textOf } from "../happenings.js";
import { sign } from "../signs.js";
import { row, table } from "../tables.js";
import { moment } from "../times.js";
import { number, some } from "../words.js";

const SHOWN = 200;
/** So many are asked for at first, the last ones; then, where somebody looks further back, as many as the gateway gives at once. */
const FIRST = 1000;
const MOST = 10000;
const COLUMNS = ["Time", "What happened", "Where", "Who", "Details"];
const CATEGORIES = { "": "Everything", access: "Access", system: "Panels and lines", emergency: "Emergency", info: "Logins and outputs" };

export function render(root, context) {
  const category = h("select", { id: "category", onchange: draw }, Object.entries(CATEGORIES).map(([value, text]) => h("option", { value }, text)));
  const words = h("input", { id: "words", type: "search", placeholder: "Door, person, panel…", oninput: draw });
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: paused }, "Pause");
  const save = h("button", { type: "button", onclick: saved }, "Save as CSV");
  const count = h("p", { class: "muted", role: "status" });
  const further = h("button", { type: "button", hidden: true, onclick: () => ((asked = MOST), load().catch(context.failed)) }, "Look further back");
  const rows = h("tbody");
  show(
    root,
    h(
      "form",
      { class: "tools", role: "search", "aria-label": "Events", onsubmit: (event) => event.preventDefault() },
      h("div", { class: "field" }, h("label", { for: "category" }, "Show"), category),
      h("div", { class: "field" }, h("label", { for: "words" }, "With the words"), words),
      h("div", { class: "buttons" }, pause, save),
    ),
    count,
    h("p", {}, further),
    table("Events, the latest first", COLUMNS, [rows]),
  );
  let asked = FIRST;
  let events = null;
  let held = [];
  let doors = [];

  function chosen() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    return events.filter((event) => {
      if (category.value && event.category !== category.value) return false;
      const text = [textOf(event), placeOf(event, doors), personOf(event), detailOf(event), event.panel ?? ""].join(" ").toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
  }

  function draw() {
    if (events === null) return;
    const found = chosen();
    const waiting = held.length ? `, ${held.length} new while paused` : "";
    const reach = further.hidden ? "" : ` of the last ${number(events.length)}`;
    show(count, `${some(found.length, "event")}${reach}${found.length > SHOWN ? `, the latest ${SHOWN} shown` : ""}${waiting}`);
    show(rows, found.slice(0, SHOWN).map((event) => rowOf(event, doors)), !found.length && nothing());
  }

  function nothing() {
    const text = events.length ? "No event matches." : "Nothing has happened yet.";
    return h("tr", { "data-key": "nothing" }, h("td", { colspan: 5, class: "muted" }, text));
  }

  function paused() {
    const stopped = pause.getAttribute("aria-pressed") === "false";
    pause.setAttribute("aria-pressed", stopped);
    show(pause, stopped ? "Go on" : "Pause");
    if (!stopped) [events, held] = [latestFirst([...events, ...held]), []];
    draw();
  }

  function saved() {
    const link = h("a", { href: URL.createObjectURL(new Blob([csvOf(chosen(), doors)], { type: "text/csv" })), download: "events.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
    context.say("The events were saved as events.csv");
  }

  context.on(null, (event) => {
    if (pause.getAttribute("aria-pressed") === "true") held = [event, ...held].slice(0, MOST);
    else if (events !== null) events = latestFirst([...events, event]).slice(0, MOST);
    else held = [event, ...held];
    later();
  });
  let drawing = null;
  function later() {
    drawing ??= setTimeout(() => ((drawing = null), context.signal.aborted || draw()), 250);
  }

  async function load() {
    const [lines, all] = await Promise.all([
      get(`/gateway/v1/events?last=${asked}`, { signal: context.signal, accept: "application/x-ndjson" }),
      get("/gateway/v1/doors", { signal: context.signal }),
    ]);
    const before = lines.split("\n").filter(Boolean).map(JSON.parse);
    doors = all.doors;
    const last = before.at(-1)?.id ?? 0;
    events = latestFirst([...before, ...[...(events ?? []), ...held].filter((event) => event.id > last)]);
    held = [];
    further.hidden = asked === MOST || before.length < asked;
    draw();
  }
  return load();
}

function rowOf(event, doors) {
  return row(event.id, COLUMNS, [
    h("time", { class: "nowrap" }, moment(event.at)),
    h("span", { class: "outcome" }, sign(signOf(event)), h("span", {}, textOf(event))),
    told(placeOf(event, doors)),
    told(personOf(event)),
    h("span", { class: "muted" }, told(detailOf(event))),
  ]);
}

function csvOf(events, doors) {
  const head = ["id", "time", "kind", "text", "place", "panel", "person", "details"];
  const lines = events.map((event) => [
    event.id,
    new Date(event.at * 1000).toISOString(),
    event.kind,
    textOf(event),
    placeOf(event, doors),
    event.panel ?? "",
    personOf(event),
    detailOf(event),
  ]);
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** A spreadsheet takes what begins like a formula for one. */
function cell(value) {
  const text = String(value);
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}
