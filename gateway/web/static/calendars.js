/**
 * When something is open, as `/hours` has it: `{week, changes}`, seven plans of minutes with the dates that are otherwise. Arithmetic
 * and words; nothing is drawn here.
 */

import { dayAfter, dayInWords, weekdayOf } from "./zone.js";

export const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY = 1440;
const MOST_RUNS = 12;

/** A function that gives the plan of a date. */
export function plansOf(calendar) {
  const others = new Map(calendar.changes.map(({ date, open }) => [date, open]));
  return (date) => others.get(date) ?? calendar.week[weekdayOf(date)];
}

/** Two plans of one day: what both open, what only the first asks for, what only the second opens. */
export function compared(asked, other) {
  return { both: cut(asked, other, true), missing: cut(asked, other, false), extra: cut(other, asked, false) };
}

/** The parts of `plan` that lie in `other`, or (`inside` false) outside of it. */
function cut(plan, other, inside) {
  const edges = [...new Set([...plan, ...other].flat())].sort((a, b) => a - b);
  const has = (one, from) => one.some(([start, end]) => start <= from && from < end);
  const found = [];
  edges.slice(0, -1).forEach((from, at) => {
    if (!has(plan, from) || has(other, from) !== inside) return;
    const last = found.at(-1);
    if (last?.[1] === from) last[1] = edges[at + 1];
    else found.push([from, edges[at + 1]]);
  });
  return found;
}

/** The dates, of so many from the first one on, on which two calendars differ. */
export function differingDates(one, other, first, days) {
  const [onOne, onOther] = [plansOf(one), plansOf(other)];
  const dates = Array.from({ length: days }, (_, at) => dayAfter(first, at));
  return dates.filter((date) => planInWords(onOne(date)) !== planInWords(onOther(date)));
}

/** The minutes of a plan. */
export function length(plan) {
  return plan.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** "09:00" */
export function clockOf(minute) {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** "09:00–12:00 and 13:00–18:00", "all day", "closed" */
export function planInWords(plan) {
  if (!plan.length) return "closed";
  if (plan.length === 1 && plan[0][0] === 0 && plan[0][1] === DAY) return "all day";
  return plan.map(([start, end]) => `${clockOf(start)}–${clockOf(end)}`).join(" and ");
}

/** Lines that say the usual week: "Mon–Fri 09:00–18:00", "Sat, Sun closed". */
export function weekInWords(week) {
  const groups = new Map();
  week.forEach((plan, day) => {
    const words = planInWords(plan);
    groups.set(words, [...(groups.get(words) ?? []), day]);
  });
  return [...groups].map(([words, days]) => `${daysInWords(days)} ${words}`);
}

function daysInWords(days) {
  if (days.length === 7) return "Every day";
  const isRun = days.length > 2 && days.at(-1) - days[0] === days.length - 1;
  return isRun ? `${DAYS[days[0]]}–${DAYS[days.at(-1)]}` : days.map((day) => DAYS[day]).join(", ");
}

/** Lines that say the dates that are otherwise; dates in turn with the same hours are one line. */
export function changesInWords(changes) {
  const runs = [];
  for (const { date, open } of changes) {
    const words = planInWords(open);
    const run = runs.at(-1);
    if (run && run.words === words && dayAfter(run.last, 1) === date) run.last = date;
    else runs.push({ first: date, last: date, words });
  }
  const lines = runs.slice(0, MOST_RUNS).map(({ first, last, words }) => `${first === last ? dayInWords(first) : `${dayInWords(first)} to ${dayInWords(last)}`}: ${words}`);
  return runs.length > MOST_RUNS ? [...lines, `and ${runs.length - MOST_RUNS} times more in this year`] : lines;
}

/** Whether something is ever open in it. */
export function isEverOpen({ week, changes }) {
  return week.some((plan) => plan.length) || changes.some(({ open }) => open.length);
}
