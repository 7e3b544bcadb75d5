/**
 * The page: who is logged in, where they are, and the view that is drawn there.
 *
 * A view is a module `views/<name>.js` that exports `render(root, context)`, and a line in `VIEWS` of `gateway/web/pages.py`. It is at
 * `/<name>` and all paths below. `root` is an empty element under the view's heading; `render` may be async. `context` has:
 *
 *   path     the parts of the path below the view's own, decoded: ["lobby"] at /panels/lobby
 *   query    URLSearchParams of the address
 *   session  {user, role}
 *   may(role)            whether the user has this role or a greater one: "viewer", "operator", "admin"
 *   signal               aborts when somebody leaves the view: give it to `get`, `ask` and `addEventListener`
 *   on(kinds, listener)  `listener` gets each event of these kinds (null: of all) while the view is there
 *   every(seconds, work) calls `work` now, then again and again while the page is seen; the function that it returns asks for one
 *                        more call soon; `work` may be async and fail: the page says so in words
 *   title(text)          another heading than the one of the navigation
 *   say(text)            a screen reader says it
 *   go(path)             to another view
 *
 * Elements are made with `h` of `dom.js` and drawn with `show`, which changes only what differs. What changes the site goes through
 * `act` of `action.js`.
 */

import { ask, get, whenSignedOut } from "./api.js";
import { h, show, told } from "./dom.js";
import { login } from "./login.js";
import * as live from "./live.js";
import { sign } from "./signs.js";

const LADDER = ["viewer", "operator", "admin"];
const THEMES = { system: "System colours", light: "Light", dark: "Dark" };
const SOON_MS = 2000;
/** A page that waits for answers asks more seldom: this many times as long as they took. */
const PATIENCE = 10;

const main = document.getElementById("content");
const navigation = document.getElementById("navigation");
const menu = document.getElementById("menu");
const account = document.getElementById("account");
const links = [...navigation.querySelectorAll("a")];

let session = null;
let leaving = new AbortController();

async function begin() {
  whenSignedOut(() => session !== null && signOut("Your session has ended. Log in again."));
  try {
    enter(await get("/gateway/v1/session"));
  } catch (error) {
    login(main, enter, error.status === 401 ? "" : error.message);
  }
}

function enter(found) {
  session = found;
  navigation.hidden = menu.hidden = false;
  show(account, status(), theme(), h("span", { class: "user" }, told(session.user), ` (${session.role})`), logOut());
  live.start();
  draw();
}

function signOut(note) {
  session = null;
  leaving.abort();
  live.stop();
  navigation.hidden = menu.hidden = true;
  show(account);
  document.querySelector("dialog[open]")?.close();
  document.title = "Log in – Panel gateway";
  login(main, enter, note);
}

function logOut() {
  const leave = async () => {
    await ask("DELETE", "/gateway/v1/session").catch(() => {});
    signOut("");
  };
  return h("button", { class: "quiet", type: "button", onclick: leave }, "Log out");
}

function status() {
  const place = h("span", { class: "stream" });
  const words = { live: ["ok", "live"], connecting: ["busy", "connecting"], lost: ["error", "no connection"] };
  live.watch((state) => show(place, sign(words[state][0], null), words[state][1]));
  return place;
}

function theme() {
  const choose = (event) => {
    const chosen = event.target.value;
    if (chosen === "system") localStorage.removeItem("theme"), delete document.documentElement.dataset.theme;
    else localStorage.setItem("theme", chosen), (document.documentElement.dataset.theme = chosen);
  };
  const now = document.documentElement.dataset.theme ?? "system";
  const options = Object.entries(THEMES).map(([value, text]) => h("option", { value, selected: value === now }, text));
  return h("select", { "aria-label": "Colours", class: "theme", onchange: choose }, options);
}

function draw(focus = false) {
  leaving.abort();
  leaving = new AbortController();
  const [first, ...path] = location.pathname.split("/").filter(Boolean).map(decoded);
  const link = links.find((each) => each.dataset.view === (first ?? links[0].dataset.view));
  for (const each of links) each === link ? each.setAttribute("aria-current", "page") : each.removeAttribute("aria-current");
  const name = first ?? links[0].dataset.view;
  const heading = h("h1", { tabindex: "-1" });
  const root = h("div", { class: `view ${name}-view` });
  const context = contextOf(path, leaving.signal, heading, root);
  context.title(link?.textContent ?? name);
  main.replaceChildren(heading, root);
  if (focus) heading.focus();
  import(`./views/${name}.js`).then((view) => view.render(root, context)).catch((error) => context.failed(error));
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function contextOf(path, signal, heading, root) {
  const failed = (error) => {
    if (signal.aborted || error.status === 401) return;
    if (error.status === undefined) console.error(error);
    const again = h("button", { type: "button", class: "quiet", onclick: () => location.reload() }, "Load the page again");
    const why = error.status === undefined ? "This view could not be shown: the gateway may have been updated." : error.message;
    show(root, h("p", { class: "mistake", role: "alert" }, why), again);
  };
  return {
    path,
    query: new URLSearchParams(location.search),
    session,
    signal,
    failed,
    say,
    go,
    may: (role) => LADDER.indexOf(session.role) >= LADDER.indexOf(role),
    on: (kinds, listener) => live.follow((event) => (kinds === null || kinds.includes(event.kind)) && listener(event), signal),
    every: (seconds, work) => every(seconds, work, signal, root),
    title: (text) => {
      show(heading, told(text));
      document.title = `${text} – Panel gateway`;
    },
  };
}

function every(seconds, work, signal, root) {
  let timer = null;
  let busy = false;
  let again = false;
  const trouble = h("p", { class: "mistake", role: "alert", hidden: true });
  root.before(trouble);
  const run = async () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (document.visibilityState === "hidden") {
      document.addEventListener("visibilitychange", run, { once: true, signal });
      return;
    }
    const began = Date.now();
    busy = true;
    again = false;
    try {
      await work();
      trouble.hidden = true;
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
      if (error.status === undefined) console.error(error);
      trouble.hidden = false;
      show(trouble, error.status === undefined ? "This view could not be drawn." : error.message);
    }
    busy = false;
    const wait = Math.max(again ? SOON_MS : seconds * 1000, PATIENCE * (Date.now() - began));
    timer = setTimeout(run, wait * (0.9 + Math.random() / 5));
  };
  run();
  return () => {
    if (again) return;
    again = true;
    if (busy) return;
    clearTimeout(timer);
    timer = setTimeout(run, 200 + SOON_MS * Math.random());
  };
}

function say(text) {
  document.getElementById("said").textContent = text;
}

function go(path) {
  history.pushState(null, "", path);
  closeMenu();
  draw(true);
  window.scrollTo(0, 0);
}

function closeMenu() {
  menu.setAttribute("aria-expanded", "false");
}

menu.onclick = () => menu.setAttribute("aria-expanded", menu.getAttribute("aria-expanded") === "true" ? "false" : "true");
navigation.onkeydown = (event) => {
  if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") closeMenu(), menu.focus();
};
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault(); // its target is no other address
  main.focus();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || link.target || link.hasAttribute("download") || session === null) return;
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
window.addEventListener("popstate", () => session !== null && draw(true));

begin();
