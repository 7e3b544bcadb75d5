/**
 * Elements. Text is only ever set as text and values only as attributes, so nothing that comes from the site is read as markup.
 */

const SVG = "http://www.w3.org/2000/svg";
const NEVER = /^(on|srcdoc$|style$)/;

/** An element. Attributes that are null, undefined or false are left out; `onclick` and its like take functions. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** A text that somebody else wrote: its direction does not spread to the words around it. */
export function told(text) {
  return h("bdi", {}, text);
}

/** What is made when somebody opens it. `opened`: the keys of those that are open, a set that outlives a drawing. */
export function onDemand(opened, key, summary, make) {
  const toggle = ({ target }) => {
    opened[target.open ? "add" : "delete"](key);
    if (target.open && target.children.length === 1) target.append(h("p", {}, make()));
  };
  return h("details", { open: opened.has(key), ontoggle: toggle }, h("summary", {}, summary), opened.has(key) && h("p", {}, make()));
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function" && name.startsWith("on")) element[name] = value;
    else if (NEVER.test(name)) throw new TypeError(`not an attribute: ${name}`);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

/** Nested lists of elements and texts as one list; what is null, undefined or false is left out. */
function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/**
 * Make the children of `parent` these, and change only what differs: focus, selection, scrolling and a screen reader's place stay.
 * Elements with the same `data-key` are taken to be the same.
 */
export function show(parent, ...children) {
  const wanted = nodes(children).map((child) => (child instanceof Node ? child : document.createTextNode(child)));
  const byKey = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let at = parent.firstChild;
  for (const fresh of wanted) {
    const key = keyOf(fresh);
    const old = key ? byKey.get(key) : at && !keyOf(at) ? at : null;
    if (old && old.nodeName === fresh.nodeName) {
      if (old === at) at = at.nextSibling;
      else parent.insertBefore(old, at);
      if (old !== fresh) become(old, fresh);
    } else {
      parent.insertBefore(fresh, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function keyOf(node) {
  return node.dataset?.key;
}

const HANDLERS = ["onclick", "onsubmit", "oninput", "onchange", "onkeydown", "ontoggle"];

function become(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of HANDLERS) if (old[name] !== fresh[name]) old[name] = fresh[name];
  show(old, ...fresh.childNodes);
}
