/** Numbers and lists in words. */

import { h } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en");
const LIST = new Intl.ListFormat("en");

/** A text that somebody else wrote, within a sentence: its direction does not spread to the words around it. */
export function isolated(text) {
  return `\u2068${text.replace(/[\u2066-\u2069]/g, "")}\u2069`;
}

/** "1,200". */
export function number(count) {
  return NUMBER.format(count);
}

/** A text in which commands stand between backquotes. */
export function withCode(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));
}

/** "1 item", "1,200 items". */
export function some(count, noun) {
  return `${NUMBER.format(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** "a, b, and c". */
export function listed(names) {
  return LIST.format(names);
}

/** A share of 1 as "12 %", with a digit more where it is small. */
export function percent(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** Milliseconds; "–" where there are none. */
export function ms(value) {
  return value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
