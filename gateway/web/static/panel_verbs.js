/** What an operator asks of one panel: what it will do, in words, and what became of it. */

import { act } from "./action.js";
import { ask, get } from "./api.js";
import { h, told } from "./dom.js";
import { isolated, listed, some } from "./words.js";

const PATIENCE_MS = 60000;
const PAUSE_MS = 500;
const SETTLED = ["in_sync", "refused", "foreign"];

const VERBS = {
  sync: {
    button: "Synchronise",
    text: (panel, doors) => `${panel} is read now, and what differs from what is asked is written. ${opens(doors, "may open to other people afterwards", "")}`,
  },
  retry: {
    button: "Try again",
    text: (panel, doors) => `The items that were given up on ${panel} are written again. ${opens(doors, "may open by them afterwards", "")}`,
  },
  reinit: {
    button: "Erase and write again",
    danger: true,
    text: (panel, doors) => `${panel} is erased, and everything that is asked is written again. ${opens(doors, "let nobody in by it until then", "Nobody is let in by it until then.")}`,
  },
  accept: {
    button: "Accept this unit",
    danger: true,
    text: (panel, doors) => `The unit that was found is taken for ${panel} from now on, and filled. ${opens(doors, "open by what it holds", "")}`,
  },
  "accept?slots=true": {
    button: "Take its slots as known",
    danger: true,
    text: (panel, doors) => `What is on ${panel} and is not the gateway's is taken as known: it is left there, and no longer reported. ${opens(doors, "go on opening by it", "")}`,
  },
  erase: {
    button: "Erase the panel",
    danger: true,
    text: (panel, doors) => `${panel} is erased. ${opens(doors, "let nobody in by it any more", "Nobody is let in by it any more.")}`,
  },
  forget: {
    button: "Forget the panel",
    danger: true,
    text: (panel) => `The gateway forgets ${panel} and what it may still hold. Nothing is erased: where the panel is still mounted, its doors go on opening by that.`,
    ends: "forgotten",
  },
};

/** The verb that helps, by the code of a problem. */
export const REMEDIES = {
  panel_away: ["sync"],
  items_refused: ["retry"],
  items_pending: ["sync"],
  identity_changed: ["accept"],
  wrong_device: ["sync"],
  panel_failed: ["sync"],
  panel_clock_not_set: ["sync"],
  foreign_open: ["accept?slots=true", "reinit"],
  panel_changed: ["sync"],
  panel_departed: ["forget"],
};

/** What may be asked of a panel as it is now. */
export function verbsOf(panel) {
  const has = { retry: panel.refused > 0, accept: panel.state === "identity_changed", "accept?slots=true": panel.foreign.some((slot) => !slot.known) };
  return ["sync", ...Object.keys(has).filter((verb) => has[verb]), "reinit"];
}

/** The word on the button of a verb. */
export function buttonOf(verb) {
  return VERBS[verb].button;
}

/** Ask which of some verbs is meant, then go on as `actOn` does; false when none is. */
export async function choose(panel, verbs, signal) {
  const doors = await doorsOf(panel, signal);
  const verb = await new Promise((resolve) => {
    const pick = (one) => {
      resolve(one);
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "choice-title" },
      h("h2", { id: "choice-title" }, "What to do with ", told(panel), "?"),
      verbs.map((one) => [
        h("button", { type: "button", class: "choice", "aria-describedby": `does-${one}`, onclick: () => pick(one) }, VERBS[one].button),
        h("p", { id: `does-${one}`, class: "muted small" }, VERBS[one].text(panel, doors).trim()),
      ]),
      h("div", { class: "buttons" }, h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel")),
    );
    dialog.onclose = () => {
      dialog.remove();
      resolve(null);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
  return verb !== null && actOn(panel, verb, signal);
}

/** Ask, do it, and show what became of it; true when it was done. */
export async function actOn(panel, verb, signal) {
  const { button, danger, text, ends } = VERBS[verb];
  const doors = await doorsOf(panel, signal);
  const run = (tell) => carryOut(panel, verb, tell, ends);
  return act({ title: `${button}: ${panel}`, text: text(panel, doors).trim(), button, danger, steps: () => [{ subject: panel, run }] });
}

async function doorsOf(panel, signal) {
  return (await get("/gateway/v1/doors", { signal })).doors.filter((door) => door.panel === panel);
}

function opens(doors, what, without) {
  if (!doors.length) return without;
  return `${doors.length === 1 ? "The door" : "The doors"} ${listed(doors.map((door) => isolated(door.name)))} ${doors.length === 1 ? singular(what) : what}.`;
}

function singular(what) {
  return what.replace(/^(let|open|go)\b/, (verb) => ({ let: "lets", open: "opens", go: "goes" })[verb]);
}

/** When a panel was seen is told in whole seconds: what is seen from the next one on was seen after the request. */
async function carryOut(panel, verb, tell, ends) {
  const { at } = (await get("/gateway/v1/clock")).clock;
  const since = Math.floor(at) + 1;
  await pause((since - at) * 1000);
  const [path, query] = verb.split("?");
  await ask("POST", `/gateway/v1/panels/${encodeURIComponent(panel)}/${path}${query ? `?${query}` : ""}`);
  if (ends) return { sign: "ok", text: ends };
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const [there] = (await get(`/gateway/v1/panels/${encodeURIComponent(panel)}`)).panels;
    const held = `${there.held} of ${some(there.desired, "item")} held`;
    if (SETTLED.includes(there.state) && !there.pending && (there.last_seen_at ?? 0) >= since) {
      return there.refused ? { sign: "warning", text: `${held}, ${there.refused} refused` } : { sign: "ok", text: held };
    }
    const why = there.last_error ?? there.away_reason ?? "still at work";
    if (there.state === "away") return { sign: "unknown", text: `asked for; it is away (${why}), and it is done when it is back` };
    if (Date.now() > until) return { sign: "unknown", text: `not done after a minute: ${held}, ${why}` };
    tell({ sign: "busy", text: held });
    await pause(PAUSE_MS);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
