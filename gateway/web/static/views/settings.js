/** What is configured and by what, who may log in, and who is logged in. */

import { act } from "../action.js";
import { ask, get } from "../api.js";
import { h, show, told } from "../dom.js";
import { outcome } from "../signs.js";
import { row, table as tableOf } from "../tables.js";
import { ago, moment } from "../times.js";
import { isolated, listed, number, some } from "../words.js";

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
    const [{ settings, users, api_keys: keys, sessions }, bindings] = await Promise.all([ask("settings"), ask("bindings?effective=1&grouped=1")]);
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

function bindingsOf({ groups, total }) {
  if (!groups.length) return h("p", { class: "empty" }, "Nothing is asked of any panel yet.");
  const rows = groups.map(({ panels, bound_to: count, source, time_profiles: profiles, identifiers, link_ids: ids }) => [
    h(
      "details",
      {},
      h("summary", {}, [profiles && some(profiles, "time profile"), identifiers && some(identifiers, "identifier")].filter(Boolean).join(", ")),
      h("ul", {}, ids.map((id) => h("li", {}, h("code", {}, id))), rest(profiles + identifiers - ids.length)),
    ),
    count ? [told(listed(panels)), count > panels.length && ` and ${number(count - panels.length)} more`] : outcome("warning", "no panel"),
    source === "override" ? outcome("info", "set through the API") : "the configuration",
  ]);
  const left = total - groups.length;
  return [table("Bindings", ["Items", "Panels and outputs", "Said by"], rows), left > 0 && h("p", { class: "muted" }, `and ${some(left, "other binding")}, of fewer items each`)];
}

function rest(count) {
  return count > 0 && h("li", {}, `and ${some(count, "other")}`);
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
  const rows = lines.slice(0, MOST).map((line) => [
    told(line.id),
    line.kind,
    h("code", {}, line.host === undefined ? `${line.port}` : `${line.host}:${line.port}`),
    (line.panels ?? []).map((panel) => h("div", {}, told(panel.id), h("span", { class: "muted" }, ` ${panel.model}`))),
  ]);
  const left = lines.length - rows.length;
  return [table("Lines", ["Line", "Kind", "Place", "Panels"], rows), left > 0 && h("p", { class: "muted" }, `and ${some(left, "other line")}, which the configuration file names`)];
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
