/**
 * A table of any size, of which only what is seen is drawn: a grid for the keyboard and for screen readers. One cell of it can be
 * focused with Tab; from there on the arrow keys, Home, End, Page Up and Page Down move. It stays drawn wherever one scrolls to.
 */

import { h } from "./dom.js";

const MORE_ROWS = 4;
const MORE_COLUMNS = 8;
const SCROLLBAR = 18;

/**
 * @param label      what the grid is
 * @param sizes      {row, column, head, side}: in pixels; `side` is the width of the rows' heads
 * @param corner     the word in the corner
 * @param drawHead   (element, column): fill the head of a column
 * @param drawSide   (element, row): fill the head of a row
 * @param drawCell   (element, row, column): fill a cell
 * @param onFocus    (row, column): a cell has the focus, or the pointer is over it; -1 are the heads
 * @param onEnter    (row, column): somebody chose a cell
 * @param onSeen     (first, last): these rows are drawn
 */
export function grid({ label, sizes, corner, drawHead, drawSide, drawCell, onFocus, onEnter, onSeen, signal }) {
  const body = h("div", { class: "grid-body", role: "presentation" });
  const element = h("div", { class: "grid", role: "grid", "aria-label": label, "aria-readonly": "true" }, body);
  const drawn = new Map();
  let counts = { rows: 0, columns: 0 };
  let active = { row: 0, column: -1 };
  let place = "";
  let waiting = false;

  element.addEventListener("scroll", soon, { passive: true });
  element.addEventListener("keydown", move);
  element.addEventListener("focusin", ({ target }) => tell(target));
  element.addEventListener("mouseover", ({ target }) => tell(target));
  element.addEventListener("click", ({ target }) => target.closest("a") ?? choose(at(target)));
  new ResizeObserver((_, observer) => (signal.aborted ? observer.disconnect() : soon())).observe(element);

  /** So many rows and columns there are now; everything is drawn anew. */
  function resize(rows, columns) {
    counts = { rows, columns };
    active = { row: Math.min(active.row, rows - 1), column: Math.min(active.column, columns - 1) };
    element.setAttribute("aria-rowcount", rows + 1);
    element.setAttribute("aria-colcount", columns + 1);
    body.style.width = `${sizes.side + columns * sizes.column}px`;
    body.style.height = `${sizes.head + rows * sizes.row}px`;
    element.style.height = `${sizes.head + rows * sizes.row + SCROLLBAR}px`;
    redraw();
  }

  function redraw() {
    place = "";
    for (const row of drawn.values()) row.columns = "";
    draw();
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (!signal.aborted) draw();
    });
  }

  function draw() {
    const rows = seen(element.scrollTop, element.clientHeight - sizes.head, sizes.row, counts.rows, MORE_ROWS);
    const columns = seen(element.scrollLeft, element.clientWidth - sizes.side, sizes.column, counts.columns, MORE_COLUMNS);
    const now = `${rows} ${columns}`;
    if (now === place) return;
    place = now;
    const wanted = [-1, ...range(...rows)];
    if (active.row >= 0 && !wanted.includes(active.row)) wanted.push(active.row);
    const across = range(...columns);
    if (active.column >= 0 && !across.includes(active.column)) across.push(active.column);
    for (const [number, row] of drawn) if (!wanted.includes(number)) row.element.remove(), drawn.delete(number);
    for (const number of wanted) fill(rowOf(number), number, across);
    onSeen(rows[0], rows[1]);
  }

  function rowOf(number) {
    if (!drawn.has(number)) {
      const element = h("div", { class: number < 0 ? "grid-head" : "grid-row", role: "row", "aria-rowindex": number + 2 });
      if (number >= 0) element.style.top = `${sizes.head + number * sizes.row}px`;
      drawn.set(number, { element, cells: new Map(), columns: "" });
      body.append(element);
    }
    return drawn.get(number);
  }

  function fill(row, number, across) {
    const columns = across.join();
    if (row.columns === columns) return;
    const anew = row.columns === "";
    row.columns = columns;
    const wanted = new Set([-1, ...across]);
    for (const [column, cell] of row.cells) if (!wanted.has(column)) cell.remove(), row.cells.delete(column);
    for (const column of wanted) {
      const known = row.cells.get(column);
      if (known && !anew) continue;
      const cell = known ?? cellOf(row, number, column);
      if (number < 0 && column < 0) cell.textContent = corner;
      else if (number < 0) drawHead(cell, column);
      else if (column < 0) drawSide(cell, number);
      else drawCell(cell, number, column);
    }
  }

  function cellOf(row, number, column) {
    const role = number < 0 ? "columnheader" : column < 0 ? "rowheader" : "gridcell";
    const isActive = number === active.row && column === active.column;
    const cell = h("div", { role, class: number < 0 && column < 0 ? "corner" : role, "aria-colindex": column + 2, tabindex: isActive ? 0 : -1 });
    if (column >= 0) cell.style.left = `${sizes.side + column * sizes.column}px`;
    cell.dataset.row = number;
    cell.dataset.column = column;
    row.cells.set(column, cell);
    row.element.append(cell);
    return cell;
  }

  function at(target) {
    const cell = target.closest("[data-row]");
    return cell && { row: Number(cell.dataset.row), column: Number(cell.dataset.column) };
  }

  function tell(target) {
    const place = at(target);
    if (place) onFocus(place.row, place.column);
  }

  function choose(place) {
    if (!place) return;
    focus(place);
    onEnter(place.row, place.column);
  }

  function move(event) {
    const { row, column } = active;
    const page = Math.max(1, Math.floor((element.clientHeight - sizes.head) / sizes.row) - 1);
    const last = { row: counts.rows - 1, column: counts.columns - 1 };
    const far = event.ctrlKey || event.metaKey;
    const to = {
      ArrowUp: { row: row - 1, column },
      ArrowDown: { row: row + 1, column },
      ArrowLeft: { row, column: column - 1 },
      ArrowRight: { row, column: column + 1 },
      PageUp: { row: Math.max(0, row - page), column },
      PageDown: { row: row + page, column },
      Home: { row: far ? 0 : row, column: -1 },
      End: { row: far ? last.row : row, column: last.column },
    }[event.key];
    if (event.key === "Enter") return choose(active);
    if (!to || event.altKey) return;
    event.preventDefault();
    focus({ row: clamp(to.row, -1, last.row), column: clamp(to.column, -1, last.column) });
  }

  function focus(to) {
    cellAt(active)?.setAttribute("tabindex", -1);
    active = to;
    const top = to.row * sizes.row;
    const left = to.column * sizes.column;
    if (to.row >= 0) element.scrollTop = clamp(element.scrollTop, top + sizes.row - (element.clientHeight - sizes.head), top);
    if (to.column >= 0) element.scrollLeft = clamp(element.scrollLeft, left + sizes.column - (element.clientWidth - sizes.side), left);
    place = "";
    draw();
    const cell = cellAt(to);
    cell?.setAttribute("tabindex", 0);
    cell?.focus({ preventScroll: true });
  }

  function cellAt({ row, column }) {
    return drawn.get(row)?.cells.get(column);
  }

  return { element, resize, redraw };
}

/** The first and one past the last that is seen, with some more; in steps, so that little is drawn anew while one scrolls. */
function seen(from, length, size, count, more) {
  const first = Math.floor(from / size / more) * more - more;
  const last = Math.ceil((from + length) / size / more) * more + more;
  return [clamp(first, 0, count), clamp(last, 0, count)];
}

function range(from, to) {
  return Array.from({ length: Math.max(0, to - from) }, (_, step) => from + step);
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
