/** What is configured and by what, who may log in, and who is logged in. */

import { act } from "../action.js";
import { ask, get } from "../api.js";
import { h, show, told } from "../dom.js";
import { outcome } from "../signs.js";
import { row, table as tableOf } from "../tables.js";
import { ago, moment } from "../times.js";
import { isolated, listed, some } from "../words.js";

const MOST = 200;
const PASSWORDS = {
  hash: ["ok", "kept as a hash"],
  file: ["ok", "in a file of its own"],
  plain: ["warning", "readable in the configuration"],
};

export function render(root, context) {
  if (!context.may("admin")) return show(root, h("p", { class: "empty" }, "Only administrators see the settings."));
  const soon = context.every(30, async () => {
    const ask = (path) => get(`/gateway/v1/${path}`, { signal: context.signal });
    const [{ settings, users, api_keys: keys, sessions }, { bindings }] = await Promise.all([ask("settings"), ask("bindings?effective=1")]);
    show(
      root,
      part("Users", "users", usersOf(users, sessions, () => soon())),
      keys.length > 0 && part("API keys", "keys", keysOf(keys)),
      part("Bindings", "bindings", bindingsOf(bindings)),
      part("Site", "site", facts(settings.site)),
      part("HTTP", "http", facts(settings.http)),
      part("Store", "store", facts(settings.store)),
      part("Lines and panels", "lines", linesOf(settings.lines)),
      part("Receivers of events", "receivers", receiversOf(settings)),
      part("Configuration file", "file", reload(() => soon())),
    );
  });
  return undefined;
}

function part(title, id, ...children) {
  return h("section", { "aria-labelledby": `part-${id}`, "data-key": id }, h("h2", { id: `part-${id}` }, title), children);
}

function table(caption, heads, rows) {
  return tableOf(caption, heads, rows.map((cells, at) => row(`${caption} ${at}`, heads, cells)));
}

function usersOf(users, sessions, soon) {
  if (!users.length) return h("p", { class: "empty" }, "Nobody may log in: the configuration has no [[users]].");
  const rows = users.map((user) => {
    const open = sessions.find((one) => one.user === user.name);
    return [
      told(user.name),
      user.role,
      outcome(...PASSWORDS[user.password]),
      open ? [`${some(open.open, "session")}, the latest `, h("time", { title: moment(open.last_begun_at) }, ago(open.last_begun_at))] : "not logged in",
      open ? h("button", { type: "button", onclick: async () => (await endSessions(user.name)) && soon() }, "End sessions…") : "",
    ];
  });
  return table("Users", ["Name", "Role", "Password", "Sessions", "Action"], rows);
}

function endSessions(user) {
  return act({
    title: `End the sessions of ${isolated(user)}?`,
    text: `Everybody who is logged in as ${isolated(user)}, on any device, has to log in again. Doors and panels go on as they are.`,
    button: "End sessions",
    danger: true,
    steps: () => [{ subject: user, run: async () => (await ask("DELETE", `/gateway/v1/sessions/${encodeURIComponent(user)}`), { sign: "ok", text: "logged out everywhere" }) }],
  });
}

function keysOf(keys) {
  return table("API keys", ["Name", "Role", "Note"], keys.map((key) => [told(key.name), key.role, told(key.note)]));
}

function bindingsOf(bindings) {
  if (!bindings.length) return h("p", { class: "empty" }, "Nothing is asked of any panel yet.");
  const alike = Map.groupBy(bindings, (each) => JSON.stringify([each.source, each.panels]));
  const rows = [...alike.values()].map((all) => [
    h(
      "details",
      {},
      h("summary", {}, inWords(all)),
      h("ul", {}, all.slice(0, MOST).map((each) => h("li", {}, h("code", {}, each.link_id))), all.length > MOST && h("li", {}, `and ${some(all.length - MOST, "other")}`)),
    ),
    all[0].panels.length ? told(listed(all[0].panels)) : outcome("warning", "no panel"),
    all[0].source === "override" ? outcome("info", "set through the API") : "the configuration",
  ]);
  return table("Bindings", ["Items", "Panels and outputs", "Said by"], rows);
}

function inWords(items) {
  const identifiers = items.filter((each) => each.kind === "identifier").length;
  const profiles = items.length - identifiers;
  return [profiles && some(profiles, "time profile"), identifiers && some(identifiers, "identifier")].filter(Boolean).join(", ");
}

function facts(values) {
  const rows = Object.entries(values).map(([key, value]) => h("div", {}, h("dt", {}, h("code", {}, key)), h("dd", {}, told(word(value)))));
  return h("dl", { class: "facts card" }, rows);
}

function word(value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return "–";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function linesOf(lines) {
  if (!lines.length) return h("p", { class: "empty" }, "No lines are configured yet.");
  const rows = lines.map((line) => [
    told(line.id),
    line.kind,
    h("code", {}, line.host === undefined ? `${line.port}` : `${line.host}:${line.port}`),
    (line.panels ?? []).map((panel) => h("div", {}, told(panel.id), h("span", { class: "muted" }, ` ${panel.model}`))),
  ]);
  return table("Lines", ["Line", "Kind", "Place", "Panels"], rows);
}

function receiversOf({ webhooks, manager }) {
  const rows = [
    ...(manager === null ? [] : [[told(manager.url), "manager", "everything"]]),
    ...webhooks.map((hook) => [told(hook.url), "webhook", hook.kinds.length ? hook.kinds.join(", ") : "everything"]),
  ];
  return rows.length ? table("Receivers", ["Place", "Kind", "Events"], rows) : h("p", { class: "empty" }, "Events are sent to nobody.");
}

function reload(soon) {
  const run = async () => {
    const { changes } = (await ask("POST", "/gateway/v1/reload")).body;
    return { sign: "ok", text: changes.length ? changes.join("; ") : "read, and nothing is different" };
  };
  const work = () =>
    act({
      title: "Read the configuration again?",
      text: "What changed in the file is applied: panels that did not change are not spoken to. A file with mistakes changes nothing.",
      button: "Read again",
      steps: () => [{ subject: "configuration", run }],
    });
  return h("p", {}, h("button", { type: "button", onclick: async () => (await work()) && soon() }, "Read the configuration again…"));
}
