/** The form of a time profile. It is made once; parts that do not apply are hidden. */

import { h } from "./dom.js";
import { DAY_TYPES, MONTHS, ORDERS, REPEATS, UNITS, WEEKDAYS } from "./recurrence.js";

/** By the last keys of a place in an answer: the field that is meant. */
const PLACES = [
  [/repeat_end/, "until"],
  [/repeat_looper/, "every"],
  [/\.months/, "months"],
  [/week_order|day_type/, "order"],
  [/\.range/, "dayNumbers"],
  [/repeat_options(\[\d+\])?$/, "days"],
  [/repeat_type/, "repeat"],
  [/date_from/, "fromDate"],
  [/date_to/, "toDate"],
  [/\.name/, "name"],
];

/** What is wrong with a field, in the words of the form; other mistakes are told as the answer says them. */
const WRONG = {
  every: "Expected a whole number from 1 to 1000.",
  fromDate: "Expected a date in the years 1970 to 2200.",
  toDate: "It has to end after it begins, before the year 2201.",
  days: "Choose at least one day.",
  months: "Choose at least one month.",
  dayNumbers: "Expected whole numbers from 1 to 31.",
  until: "Expected a date in the years 1970 to 2200.",
};

/** `window` and `looper`: how the site reads profiles. `read()` gives the fields, `complain(detail)` marks the field that an answer names (null: none), `element` is the form. */
export function recurrenceForm(fields, { window, looper }, changed) {
  const errors = new Map();
  const input = (id, label, attributes, hint) => field(id, label, h("input", { id, name: id, value: fields[id], autocomplete: "off", "aria-describedby": `${id}-error`, ...attributes }), hint);
  const select = (id, label, options) =>
    field(id, label, h("select", { id, name: id, "aria-describedby": `${id}-error` }, Object.entries(options).map(([value, text]) => h("option", { value, selected: value === fields[id] }, text))));

  function field(id, label, control, hint) {
    return h("div", { class: "field" }, h("label", { for: id }, label), control, hint && h("p", { class: "muted small" }, hint), error(id));
  }
  function error(id) {
    errors.set(id, h("p", { class: "field-error", id: `${id}-error` }));
    return errors.get(id);
  }
  function choices(id, legend, options, chosen) {
    const boxes = options.map(([value, text]) => h("label", { class: "chip" }, h("input", { type: "checkbox", name: id, value, checked: chosen.includes(value) }), h("span", {}, text)));
    return h("fieldset", { class: "choices", "aria-describedby": `${id}-error` }, h("legend", {}, legend), h("div", { class: "chips" }, boxes), error(id));
  }

  const times = [input("fromTime", "At", { type: "time" }), input("toTime", "At", { type: "time" })];
  const week = choices("days", "On", Object.entries(WEEKDAYS), fields.days);
  const months = choices("months", "In", MONTHS.map((text, at) => [String(at + 1), text]), fields.months.map(String));
  const numbers = input("dayNumbers", "Days of the month", { inputmode: "numeric" }, "Numbers from 1 to 31, with commas between them.");
  const nth = h("div", { class: "pair" }, select("order", "On the", ORDERS), select("dayType", "Day", DAY_TYPES));
  const monthBy = select("monthBy", "On", { same: "the day of the first opening", dayNumbers: "days by number", parameterizedDay: "a day of a week" });
  const custom = h("div", { class: "part" }, h("div", { class: "pair" }, input("every", looper === "count" ? "Times" : "Every", { inputmode: "numeric" }), select("unit", "Unit", UNITS)), week, months, monthBy, numbers, nth);
  const until = input("until", "Last day", { type: "date" });
  const ends = h("div", { class: "pair" }, select("ends", "Ends", { never: "never", date: "after a date" }), until);
  const form = h(
    "form",
    { class: "card recurrence", novalidate: true, "aria-label": "Time profile", onsubmit: (event) => event.preventDefault() },
    input("name", "Name", { maxlength: 200 }),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "allDay", checked: fields.allDay }), "All day"),
    h("fieldset", { class: "choices" }, h("legend", {}, window === "envelope" ? "Not before and not after; each opening is from the first clock to the second" : "First opening"), h("div", { class: "pair" }, input("fromDate", "From", { type: "date" }), times[0]), h("div", { class: "pair" }, input("toDate", "To", { type: "date" }), times[1])),
    select("repeat", "Repeats", REPEATS),
    custom,
    ends,
  );

  function read() {
    const data = new FormData(form);
    const text = (key) => String(data.get(key) ?? "");
    const plain = ["name", "fromDate", "fromTime", "toDate", "toTime", "repeat", "every", "unit", "monthBy", "dayNumbers", "order", "dayType", "ends", "until"];
    return { ...Object.fromEntries(plain.map((key) => [key, text(key)])), allDay: data.has("allDay"), days: data.getAll("days"), months: data.getAll("months").map(Number) };
  }

  function arrange() {
    const { allDay, repeat, unit, monthBy: by, ends: end } = read();
    const isMonthly = unit === "month" || unit === "year";
    times.forEach((time) => (time.hidden = allDay));
    custom.hidden = repeat !== "custom";
    ends.hidden = repeat === "once";
    until.hidden = end !== "date";
    week.hidden = unit !== "week";
    months.hidden = unit !== "year";
    monthBy.hidden = !isMonthly;
    monthBy.querySelector("[value=dayNumbers]").hidden = unit === "year";
    numbers.hidden = unit !== "month" || by !== "dayNumbers";
    nth.hidden = !isMonthly || by !== "parameterizedDay";
  }

  function complain(detail) {
    const [place, ...rest] = (detail ?? "").split(": ");
    const [, id] = (detail && PLACES.find(([pattern]) => pattern.test(place))) || [];
    for (const [key, element] of errors) {
      const isMeant = key === id;
      element.textContent = isMeant ? (WRONG[key] ?? capital(rest.join(": "))) : "";
      const control = form.querySelector(`#${key}`);
      if (isMeant) control?.setAttribute("aria-invalid", "true");
      else control?.removeAttribute("aria-invalid");
    }
    return id !== undefined;
  }

  form.addEventListener("input", () => (arrange(), changed()));
  arrange();
  return { element: form, read, complain };
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
