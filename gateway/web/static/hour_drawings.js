/** A week and a year as drawings: what is open as asked, and where a panel does otherwise. Words beside them say the same. */

import { h, s } from "./dom.js";
import { DAYS, changesInWords, compared, length, planInWords, plansOf, weekInWords } from "./calendars.js";
import { dayAfter, dayInWords, weekdayOf } from "./zone.js";

const LEFT = 46;
const TOP = 16;
const ROW = 17;
const WIDTH = 760;
const MINUTE = (WIDTH - LEFT) / 1440;
const CELL = 11;
const STEP = 13;
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" });
let patterns = 0;

/**
 * @param asked  the calendar that is asked for
 * @param other  another one, to be compared with it; null: none
 * @param first  the day on which they begin
 * @param pick   (date, minute): somebody pointed at a moment
 */
export function weekDrawing({ title, asked, other, first, pick }) {
  const dates = DAYS.map((_, day) => dayAfter(first, day));
  const [hatch, pattern] = hatched();
  const [askedOn, otherOn] = [plansOf(asked), plansOf(other ?? asked)];
  const rows = dates.flatMap((date, day) => {
    const { both, missing, extra } = compared(askedOn(date), otherOn(date));
    const y = TOP + day * ROW + 3;
    const bars = (kind, spans, fill) =>
      spans.map(([start, end]) => s("rect", { class: `bar ${kind}`, x: LEFT + start * MINUTE, y, width: (end - start) * MINUTE, height: ROW - 6, rx: 2, fill }));
    return [
      s("text", { class: "label", x: 0, y: y + 9 }, `${DAYS[weekdayOf(date)]} ${Number(date.slice(8))}`),
      s("rect", { class: "track", x: LEFT, y, width: WIDTH - LEFT, height: ROW - 6, rx: 2 }),
      bars("open", both),
      bars("missing", missing, hatch),
      bars("extra", extra),
    ];
  });
  const hours = [0, 6, 12, 18, 24].map((hour) =>
    s("text", { class: "label", x: LEFT + hour * 60 * MINUTE, y: 10, "text-anchor": hour === 24 ? "end" : hour ? "middle" : "start" }, hour),
  );
  const lines = [6, 12, 18].map((hour) => s("path", { class: "line", d: `M${LEFT + hour * 60 * MINUTE} ${TOP}v${7 * ROW}` }));
  const drawing = s("svg", { class: "week", viewBox: `0 0 ${WIDTH} ${TOP + 7 * ROW}`, role: "img", "aria-label": `${title}, the next seven days. ${dates.map((date) => `${dayInWords(date)} ${planInWords(otherOn(date))}`).join("; ")}` }, pattern, hours, rows, lines);
  drawing.addEventListener("click", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
    const day = Math.floor((point.y - TOP) / ROW);
    const minute = Math.floor((point.x - LEFT) / MINUTE / 15) * 15;
    if (day in DAYS && minute >= 0 && minute < 1440) pick(dates[day], minute);
  });
  return scrolled(`${title}, a week`, drawing);
}

export function yearDrawing({ title, asked, other, first, days, pick }) {
  const start = weekdayOf(first);
  const [askedOn, otherOn] = [plansOf(asked), plansOf(other ?? asked)];
  const weeks = Math.ceil((start + days) / 7);
  const months = [];
  let wrong = 0;
  const cells = Array.from({ length: days }, (_, at) => {
    const date = dayAfter(first, at);
    const [plan, wanted] = [otherOn(date), askedOn(date)];
    const differs = planInWords(plan) !== planInWords(wanted);
    wrong += differs;
    const x = LEFT + Math.floor((start + at) / 7) * STEP;
    const y = TOP + ((start + at) % 7) * STEP;
    if (date.endsWith("-01")) months.push(s("text", { class: "label", x, y: 10 }, MONTH.format(new Date(`${date}T00:00Z`))));
    const shade = length(plan) ? Math.min(4, 1 + Math.floor(length(plan) / 360)) : 0;
    const hint = `${dayInWords(date)}: ${planInWords(plan)}${differs ? `, asked: ${planInWords(wanted)}` : ""}`;
    return s("g", {}, s("rect", { class: `day shade-${shade} ${differs ? "differs" : ""}`, x, y, width: CELL, height: CELL, rx: 2, "data-date": date }, s("title", {}, hint)), differs && s("path", { class: "mark", d: `M${x + 3} ${y + 3}l5 5m0-5l-5 5` }));
  });
  const names = [0, 2, 4, 6].map((day) => s("text", { class: "label", x: 0, y: TOP + day * STEP + 9 }, DAYS[day]));
  const label = `${title}, day by day. ${wrong ? `${wrong} days differ from what is asked` : "Each day is as asked"}`;
  const width = LEFT + weeks * STEP;
  const drawing = s("svg", { class: "year", viewBox: `0 0 ${width} ${TOP + 7 * STEP}`, role: "img", "aria-label": label }, months, names, cells);
  drawing.addEventListener("click", ({ target }) => target.dataset?.date && pick(target.dataset.date, null));
  return scrolled(`${title}, a year`, drawing);
}

function scrolled(label, drawing) {
  return h("div", { class: "drawing", tabindex: 0, role: "group", "aria-label": label }, drawing);
}

/** The same in words. */
export function inWords(calendar) {
  const changes = changesInWords(calendar.changes);
  return [
    h("ul", { class: "plain" }, weekInWords(calendar.week).map((line) => h("li", {}, line))),
    changes.length > 0 && [h("p", { class: "muted" }, "Otherwise on:"), h("ul", { class: "plain" }, changes.map((line) => h("li", {}, line)))],
  ];
}

/** What the bars of a comparison mean. */
export function key() {
  const one = (kind, text) => h("li", {}, s("svg", { class: "swatch", viewBox: "0 0 16 12", "aria-hidden": "true" }, swatch(kind)), text);
  return h("ul", { class: "key" }, one("open", "open as asked"), one("missing", "asked for, and closed"), one("extra", "open, and not asked for"));
}

function swatch(kind) {
  const [hatch, pattern] = hatched();
  return [pattern, s("rect", { class: `bar ${kind}`, x: 1, y: 1, width: 14, height: 10, rx: 2, fill: kind === "missing" ? hatch : null })];
}

function hatched() {
  const id = `hatch-${++patterns}`;
  const lines = s("path", { class: "hatch", d: "M-1 1l2-2M0 6l6-6M5 7l2-2" });
  return [`url(#${id})`, s("defs", {}, s("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, lines))];
}
