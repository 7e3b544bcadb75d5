/** Tables. On a phone each row becomes a card whose cells say what they are. */

import { h } from "./dom.js";

/**
 * @param caption  what a screen reader says of it
 * @param heads    the columns; `{text, number: true}` for figures
 * @param bodies   elements of rows, or whole `tbody` elements
 */
export function table(caption, heads, bodies) {
  const columns = heads.map((head) => h("th", { scope: "col", class: head.number && "number" }, head.text ?? head));
  const flat = bodies.flat(Infinity).filter(Boolean);
  const rows = flat.some((one) => one.nodeName === "TBODY") ? flat : h("tbody", {}, flat);
  return h(
    "div",
    { class: "scroll", role: "group", tabindex: "0", "aria-label": caption },
    h("table", { class: "stacked" }, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, columns)), rows),
  );
}

/** A row: the first cell names it, the others belong to `heads` from the second on. */
export function row(key, heads, [first, ...rest], attributes = {}) {
  const cells = rest.map((cell, at) => {
    const head = heads[at + 1];
    return h("td", { "data-label": head.text ?? head, class: head.number && "number" }, h("span", {}, cell));
  });
  return h("tr", { ...attributes, "data-key": key }, h("th", { scope: "row" }, first), cells);
}
