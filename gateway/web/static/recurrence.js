/** A time profile as the fields of a form, and as the panel API has it. `zone`: the site's. */

import { dayAfter, instantOf, wallAt } from "./zone.js";

export const REPEATS = {
  once: "does not repeat",
  day: "every day",
  week: "every week",
  twoWeeks: "every two weeks",
  month: "every month, on the same day",
  year: "every year, on the same date",
  custom: "by a rule of its own",
};
export const UNITS = { day: "days", week: "weeks", month: "months", year: "years" };
export const WEEKDAYS = { MON: "Mon", TUE: "Tue", WED: "Wed", THU: "Thu", FRI: "Fri", SAT: "Sat", SUN: "Sun" };
export const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
export const ORDERS = { first: "first", second: "second", third: "third", fourth: "fourth", fifth: "fifth", last: "last" };
export const DAY_TYPES = { ...{ MON: "Monday", TUE: "Tuesday", WED: "Wednesday", THU: "Thursday", FRI: "Friday", SAT: "Saturday", SUN: "Sunday" }, WEEK_DAY: "working day", DAY_OFF: "day off" };
const WORK_DAYS = ["MON", "TUE", "WED", "THU", "FRI"];

/** What a new one begins with: working hours from today on. */
export function fresh(zone, now) {
  const date = wallAt(zone, now).slice(0, 10);
  return {
    name: "",
    allDay: false,
    fromDate: date,
    fromTime: "09:00",
    toDate: date,
    toTime: "18:00",
    repeat: "custom",
    every: "1",
    unit: "week",
    days: WORK_DAYS,
    monthBy: "same",
    dayNumbers: "1",
    order: "first",
    dayType: "MON",
    months: [Number(date.slice(5, 7))],
    ends: "never",
    until: "",
  };
}

/** The item of the panel API that the fields say. `before`: the item that they were read from; what they left as it was stays so. */
export function bodyOf(fields, zone, before) {
  const { time_options: old, repeat_options: rule } = before ?? {};
  const from = instant(zone, `${fields.fromDate}T${fields.allDay ? "00:00" : fields.fromTime}`, old?.date_from);
  const to = instant(zone, fields.allDay ? `${dayAfter(fields.toDate, 1)}T00:00` : `${fields.toDate}T${fields.toTime}`, old?.date_to);
  return {
    name: fields.name,
    time_options: { is_all_day: fields.allDay, date_from: from, date_to: to },
    repeat_options: fields.repeat === "once" ? { repeat_enable: false } : { repeat_enable: true, repeat_format: formatOf(fields, zone, rule?.repeat_format?.repeat_end?.date) },
  };
}

/** A reading that the clock shows twice stays the one that it was. */
function instant(zone, wall, before) {
  return before !== undefined && wallAt(zone, before).startsWith(wall) ? before : instantOf(zone, wall);
}

function formatOf(fields, zone, last) {
  const end = fields.ends === "date" ? { format: "date", date: lastOf(fields.until, zone, last) } : { format: "never" };
  const format = { repeat_type: fields.repeat, repeat_end: end };
  if (fields.repeat !== "custom") return format;
  const options = optionsOf(fields);
  return { ...format, repeat_custom: { repeat_point_type: fields.unit, repeat_looper: whole(fields.every), ...(options && { repeat_options: options }) } };
}

function lastOf(date, zone, before) {
  return before !== undefined && wallAt(zone, before).startsWith(date) ? before : instantOf(zone, `${date}T12:00`);
}

function optionsOf({ unit, days, monthBy, dayNumbers, order, dayType, months }) {
  const nth = { week_order: order, day_type: dayType };
  if (unit === "week") return days;
  if (unit === "month" && monthBy === "dayNumbers") return { format: "dayNumbers", range: dayNumbers.split(/[\s,;]+/).filter(Boolean).map(whole) };
  if (unit === "month" && monthBy === "parameterizedDay") return { format: "parameterizedDay", range: nth };
  if (unit === "year") return { months, ...(monthBy === "parameterizedDay" && { range: nth }) };
  return null;
}

/** What is no whole number goes out as it was typed, so that the answer says what is wrong with it. */
function whole(text) {
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** The fields that an item of the panel API says. */
export function fieldsOf(body, zone) {
  const { is_all_day: allDay, date_from: from, date_to: to } = body.time_options;
  const format = (body.repeat_options.repeat_enable && body.repeat_options.repeat_format) || { repeat_type: "once" };
  const custom = (format.repeat_type === "custom" && format.repeat_custom) || {};
  const { repeat_options: options } = custom;
  const [fromDate, fromTime] = split(wallAt(zone, from));
  const [toDate, toTime] = split(wallAt(zone, allDay ? Math.max(from, to - 1) : to));
  const range = options?.range;
  const byDay = range?.week_order !== undefined;
  const ends = format.repeat_end?.format === "date";
  return {
    ...fresh(zone, from),
    ...{ name: body.name, allDay, fromDate, fromTime, toDate, toTime, repeat: format.repeat_type },
    every: String(custom.repeat_looper ?? 1),
    unit: custom.repeat_point_type ?? "week",
    days: Array.isArray(options) ? options : [Object.keys(WEEKDAYS)[(new Date(`${fromDate}T00:00Z`).getUTCDay() + 6) % 7]],
    monthBy: byDay ? "parameterizedDay" : Array.isArray(range) ? "dayNumbers" : "same",
    dayNumbers: Array.isArray(range) ? range.join(", ") : "1",
    order: range?.week_order ?? "first",
    dayType: range?.day_type ?? "MON",
    months: options?.months ?? [Number(fromDate.slice(5, 7))],
    ends: ends ? "date" : "never",
    until: ends ? wallAt(zone, format.repeat_end.date).slice(0, 10) : "",
  };
}

function split(wall) {
  const [date, time] = wall.split("T");
  return [date, time.endsWith(":00") ? time.slice(0, 5) : time];
}

/** What the fields say, part by part, in words. */
export function inParts(fields) {
  const at = (date, time) => (fields.allDay ? date : `${date} ${time}`);
  return {
    Name: fields.name,
    Opens: at(fields.fromDate, fields.fromTime),
    Closes: at(fields.toDate, fields.toTime),
    "All day": fields.allDay ? "yes" : "no",
    Repeats: repeatInWords(fields),
    Ends: fields.repeat === "once" || fields.ends === "never" ? "never" : fields.until,
  };
}

function repeatInWords({ repeat, every, unit, days, monthBy, dayNumbers, order, dayType, months }) {
  if (repeat !== "custom") return REPEATS[repeat] ?? repeat;
  const step = every === "1" ? `every ${unit}` : `every ${every} ${UNITS[unit]}`;
  const nth = `the ${ORDERS[order]} ${DAY_TYPES[dayType] ?? dayType}`;
  if (unit === "week") return `${step} on ${days.map((day) => WEEKDAYS[day]).join(", ")}`;
  if (unit === "month" && monthBy !== "same") return `${step} on ${monthBy === "dayNumbers" ? `day ${dayNumbers}` : nth}`;
  if (unit === "year") return `${step} in ${months.map((month) => MONTHS[month - 1]).join(", ")}${monthBy === "parameterizedDay" ? ` on ${nth}` : ""}`;
  return step;
}
