/**
 * A table of any size, of which only what is seen is drawn: a grid for the keyboard and for screen readers. One cell of it can be
 * focused with Tab; from there on the arrow keys, Home, End, Page Up and Page Down move. It stays drawn wherever one scrolls to.
 */

import { h } from "./dom.js";

const MORE_ROWS = 4;
const MORE_COLUMNS = 8;
const SCROLLBAR = 18;
const SLICE_MS = 12;

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
  const places = new WeakMap();
  let counts = { rows: 0, columns: 0 };
  let active = { row: 0, column: -1 };
  let place = "";
  let waiting = false;
  let work = [];

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
      if (signal.aborted) return;
      if (!draw() && work.length) goOn();
    });
  }

  /** False where what is seen is drawn, or about to be. */
  function draw() {
    const rows = seen(element.scrollTop, element.clientHeight - sizes.head, sizes.row, counts.rows, MORE_ROWS);
    const columns = seen(element.scrollLeft, element.clientWidth - sizes.side, sizes.column, counts.columns, MORE_COLUMNS);
    const now = `${rows} ${columns}`;
    if (now === place) return false;
    place = now;
    const wanted = new Set([-1, active.row, ...range(...rows)]);
    const across = new Set([-1, ...range(...columns), active.column]);
    const spare = [...drawn].filter(([number]) => !wanted.has(number));
    for (const number of wanted) rowOf(number, spare);
    for (const [number, row] of spare) row.element.remove(), drawn.delete(number);
    work = [...wanted].map((number) => [number, across]);
    goOn();
    onSeen(rows[0], rows[1]);
    return true;
  }

  /** Fill what is to be filled, a slice at a time, so that a slow machine still follows the keys; the row with the focus comes first. */
  function goOn() {
    const until = performance.now() + SLICE_MS;
    for (let done = 0; work.length && (done < 2 || performance.now() < until); done++) {
      const [number, across] = work.shift();
      fill(drawn.get(number), number, across);
    }
    if (work.length) soon();
  }

  /** What is no longer seen is used again: that is quicker than to make it anew. */
  function rowOf(number, spare) {
    const known = drawn.get(number);
    if (known) return known;
    const [old, row] = spare.at(-1)?.[0] >= 0 && number >= 0 ? spare.pop() : [null, { element: h("div", { role: "row" }), cells: new Map() }];
    drawn.delete(old);
    drawn.set(number, row);
    row.columns = "";
    row.element.className = number < 0 ? "grid-head" : "grid-row waiting";
    row.element.setAttribute("aria-rowindex", number + 2);
    if (number >= 0) row.element.style.top = `${sizes.head + number * sizes.row}px`;
    if (old === null) body.append(row.element);
    return row;
  }

  function fill(row, number, across) {
    const columns = [...across].join();
    if (row.columns === columns) return;
    const anew = row.columns === "";
    row.columns = columns;
    row.element.classList.remove("waiting");
    const spare = [...row.cells].filter(([column]) => !across.has(column));
    for (const column of across) {
      const known = row.cells.get(column);
      if (known && !anew) continue;
      const cell = known ?? cellOf(row, number, column, spare);
      places.set(cell, { row: number, column });
      cell.tabIndex = number === active.row && column === active.column ? 0 : -1;
      if (number < 0 && column < 0) cell.textContent = corner;
      else if (number < 0) drawHead(cell, column);
      else if (column < 0) drawSide(cell, number);
      else drawCell(cell, number, column);
    }
    for (const [column, cell] of spare) cell.remove(), row.cells.delete(column);
  }

  function cellOf(row, number, column, spare) {
    const role = number < 0 ? "columnheader" : column < 0 ? "rowheader" : "gridcell";
    const [old, cell] = spare.at(-1)?.[0] >= 0 && column >= 0 ? spare.pop() : [null, h("div", { role, class: number < 0 && column < 0 ? "corner" : role })];
    row.cells.delete(old);
    row.cells.set(column, cell);
    cell.setAttribute("aria-colindex", column + 2);
    if (column >= 0) cell.style.left = `${sizes.side + column * sizes.column}px`;
    if (old === null) row.element.append(cell);
    return cell;
  }

  function at(target) {
    const cell = target.closest("[role=gridcell], [role=rowheader], [role=columnheader]");
    return cell && places.get(cell);
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
