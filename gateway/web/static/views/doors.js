/** Every door: is it open, who holds it, what happened there; to open it, to hold it, to let go of it. */

import { act } from "../action.js";
import { ask, get } from "../api.js";
import { h, show, told } from "../dom.js";
import { latestFirst, personOf, signOf, textOf } from "../happenings.js";
import { outcome, sign } from "../signs.js";
import { clock, lasts, moment } from "../times.js";
import { isolated, some } from "../words.js";

const EVERY_S = 5;
const EVENTS = 500;
const SHOWN = 3;
const PAGE = 60;
const HOLDS = [60, 300, 900, 3600, 4 * 3600, 8 * 3600];
const STATES = {
  closed: ["idle", "closed"],
  open: ["info", "open"],
  held: ["warning", "held open"],
  unknown: ["unknown", "not known: it may be open"],
};
/** What an answer that is not 200 says about the door. */
const FAILED = {
  unreachable: ["error", "nothing moved: its panel was not reached"],
  refused: ["error", "nothing moved: its panel refused"],
  unconfirmed: ["unknown", "not confirmed: the door may be open. Look at it before you try again"],
};

export function render(root, context) {
  const search = h("input", { type: "search", "aria-label": "Filter doors by name or panel", placeholder: "Filter doors", hidden: true });
  const list = h("ul", { class: "door-list", "aria-label": "Doors" });
  show(root, search, list);
  let doors = [];
  let events = [];
  let most = PAGE;
  const draw = () => {
    search.hidden = doors.length < 9;
    const word = search.value.toLowerCase();
    const chosen = doors.filter((door) => `${door.id} ${door.name} ${door.panel}`.toLowerCase().includes(word));
    if (!chosen.length) return show(list, h("li", { class: "empty wide" }, doors.length ? "No door matches the filter." : noDoors()));
    const rest = chosen.length - most;
    const more = h("li", { class: "wide", "data-key": "more" }, h("button", { type: "button", onclick: () => ((most += PAGE), draw()) }, `Show more of ${some(rest, "other door")}`));
    show(list, chosen.slice(0, most).map((door) => doorOf(door, events, context, soon)), rest > 0 && more);
  };
  search.oninput = draw;
  const soon = context.every(EVERY_S, async () => {
    doors = (await get("/gateway/v1/doors", { signal: context.signal })).doors;
    draw();
  });
  context.on(null, (event) => {
    if (event.category !== "access" && event.category !== "emergency") return;
    events = latestFirst([...events, event]).slice(0, EVENTS);
    soon();
  });
  get(`/gateway/v1/events?last=${EVENTS}`, { signal: context.signal, accept: "application/x-ndjson" }).then(
    (lines) => {
      const before = lines.split("\n").filter(Boolean).map(JSON.parse);
      const known = new Set(events.map((event) => event.id));
      const more = before.filter((event) => (event.category === "access" || event.category === "emergency") && !known.has(event.id));
      events = latestFirst([...events, ...more]);
      draw();
    },
    () => {},
  );
}

function noDoors() {
  return "No doors are configured: a door is an output of a panel with a name, a [[doors]] entry of the configuration.";
}

function doorOf(door, events, context, soon) {
  const [kind, text] = STATES[door.state] ?? ["unknown", door.state];
  const here = events.filter((event) => (event.door ? event.door === door.id : event.panel === door.panel && event.output === door.output));
  const id = `door-${door.id}`;
  const button = (label, cls, work) =>
    h("button", { type: "button", class: cls, "aria-describedby": id, onclick: async () => (await work(door)) && soon() }, label);
  return h(
    "li",
    { class: "card door", "data-key": door.id },
    h("div", { class: "head" }, h("h2", { id }, told(door.name)), door.number !== null && h("span", { class: "tag" }, `lock ${door.number}`)),
    h("p", {}, outcome(kind, [text, door.held_by !== null && [" by ", told(door.held_by)]])),
    h("p", { class: "muted small" }, told(door.panel), `, output ${door.output}`),
    context.may("operator") &&
      h(
        "div",
        { class: "buttons" },
        button("Open", "primary", open),
        button("Hold open…", "", hold),
        door.state === "held" && button("Release", "", release),
      ),
    h(
      "ul",
      { class: "latest", "aria-label": `Latest events of ${isolated(door.name)}` },
      here.slice(0, SHOWN).map((event) =>
        h(
          "li",
          {},
          sign(signOf(event)),
          h("span", {}, textOf(event), personOf(event) && [": ", told(personOf(event))]),
          h("time", { class: "muted", title: moment(event.at) }, clock(event.at)),
        ),
      ),
      !here.length && h("li", { class: "muted" }, "Nothing happened here lately."),
    ),
  );
}

function open(door) {
  return act({
    title: `Open ${isolated(door.name)}?`,
    text: `The door ${isolated(door.name)} is unlocked once, for ${some(door.pulse_s, "second")}, by output ${door.output} of ${door.panel}. Everybody in front of it can go in.`,
    button: "Open",
    steps: () => [command(door, "open", undefined, `open for ${some(door.pulse_s, "second")}`)],
  });
}

function hold(door) {
  const length = h("select", { id: "hold-length" }, HOLDS.map((seconds) => h("option", { value: seconds }, lasts(seconds))));
  return act({
    title: `Hold ${isolated(door.name)} open?`,
    text: `The door ${isolated(door.name)} stays unlocked for the time below, or until somebody releases it. Everybody can go in meanwhile, without a card.`,
    button: "Hold open",
    danger: true,
    fields: [h("p", { class: "field" }, h("label", { for: "hold-length" }, "For"), length)],
    steps: () => [command(door, "hold", { seconds: Number(length.value) }, `held open for ${lasts(Number(length.value))}`)],
  });
}

function release(door) {
  return act({
    title: `Release ${isolated(door.name)}?`,
    text: `The door ${isolated(door.name)} is no longer held open. Where a time profile holds it, that goes on.`,
    button: "Release",
    steps: () => [command(door, "release", undefined, "released")],
  });
}

function command(door, action, body, done) {
  const run = async () => {
    try {
      await ask("POST", `/gateway/v1/doors/${encodeURIComponent(door.id)}/${action}`, { body });
      return { sign: "ok", text: `${done}, as ${door.panel} acknowledged` };
    } catch (error) {
      if (!(error.token in FAILED)) throw error;
      const [sign, text] = FAILED[error.token];
      return { sign, text: `${text} (${error.message})` };
    }
  };
  return { subject: door.name, run };
}
