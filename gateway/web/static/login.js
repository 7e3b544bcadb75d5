/** The form that logs in. */

import { ask } from "./api.js";
import { h, show } from "./dom.js";

/** Draw the form; `entered` gets the session, `{user, role}`, when it was right. `note`: why it is there. */
export function login(root, entered, note = "") {
  const name = h("input", { id: "name", name: "name", autocomplete: "username", required: true, spellcheck: "false", autocapitalize: "none" });
  const password = h("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "mistake", role: "alert" }, note);
  const button = h("button", { class: "primary", type: "submit" }, "Log in");
  const form = h(
    "form",
    { class: "login card", onsubmit: enter },
    h("h1", {}, "Log in"),
    h("label", { for: "name" }, "User name"),
    name,
    h("label", { for: "password" }, "Password"),
    password,
    wrong,
    button,
  );
  show(root, form);
  name.focus();

  async function enter(event) {
    event.preventDefault();
    button.disabled = true;
    show(wrong);
    try {
      entered((await ask("POST", "/gateway/v1/session", { body: { name: name.value, password: password.value } })).body);
    } catch (error) {
      show(wrong, error.token === "wrong_login" ? "The user name and the password do not belong together." : error.message);
      password.value = "";
      password.focus();
    } finally {
      button.disabled = false;
    }
  }
}
