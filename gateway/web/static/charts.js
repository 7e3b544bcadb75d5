/** Small charts of the last hour, minute by minute. A table says the same in numbers, for those who cannot see them. */

import { h, s } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 64;
const MINUTES = 60;

/**
 * @param title    what is drawn
 * @param series   [{name, values, kind}]: sixty values each, the oldest first, null where nothing is known; `kind` is a style
 * @param format   a value in words
 * @param most     the top of the scale, at least
 * @param stacked  bars on each other in place of lines
 */
export function hourChart({ title, series, format, most = 0, stacked = false }) {
  const tops = stacked ? sums(series) : series.flatMap((one) => one.values);
  const top = Math.max(most, ...tops.filter((value) => value !== null), Number.EPSILON);
  const last = series.map((one) => `${one.name} ${format(stacked ? total(one.values) : latest(one.values))}`).join(", ");
  const drawing = s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    s("path", { class: "base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }),
    stacked ? bars(series, top) : series.map((one) => s("path", { class: `series ${one.kind}`, d: lineOf(one.values, top) })),
  );
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", { class: "what" }, title), h("span", { class: "muted" }, `0 to ${format(top)}`)),
    drawing,
    h(
      "ul",
      { class: "legend", "aria-label": `${title}: ${last}` },
      series.map((one) =>
        h("li", {}, h("span", { class: `mark ${one.kind}`, "aria-hidden": "true" }), `${one.name} `, h("strong", {}, format(stacked ? total(one.values) : latest(one.values)))),
      ),
    ),
  );
}

/** Values for sixty minutes until now (Unix seconds) of `[{at, ...}]`; `absent` where nothing happened, null before the first one. */
export function overTheHour(minutes, now, value, absent) {
  const values = new Array(MINUTES).fill(null);
  const placeOf = ({ at }) => MINUTES - 1 - Math.floor((now - at) / 60);
  if (minutes.length) values.fill(absent, Math.max(0, placeOf(minutes[0])));
  for (const minute of minutes) if (placeOf(minute) in values) values[placeOf(minute)] = value(minute);
  return values;
}

function latest(values) {
  return values.findLast((value) => value !== null) ?? null;
}

function total(values) {
  return values.reduce((sum, value) => sum + (value ?? 0), 0);
}

function sums(series) {
  return series[0].values.map((_, at) => total(series.map((one) => one.values[at])));
}

function lineOf(values, top) {
  let path = "";
  let drawn = false;
  values.forEach((value, at) => {
    if (value !== null) path += `${drawn ? "L" : "M"}${((at + 0.5) * WIDTH) / MINUTES} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`;
    if (value !== null && !drawn && (values[at + 1] ?? null) === null) path += "h-4"; // a minute alone
    drawn = value !== null;
  });
  return path;
}

function bars(series, top) {
  const wide = WIDTH / MINUTES;
  return series[0].values.flatMap((_, at) => {
    let y = HEIGHT - 1;
    return series.map((one) => {
      const height = ((one.values[at] ?? 0) / top) * (HEIGHT - 6);
      if (!height) return null;
      y -= height;
      return s("rect", { class: `bar ${one.kind}`, x: at * wide + 0.5, y: y.toFixed(1), width: wide - 1, height: height.toFixed(1) });
    });
  });
}
