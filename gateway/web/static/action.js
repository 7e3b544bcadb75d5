/**
 * What somebody does to the site: the page says in words what will happen to what, asks, and shows for each door or panel what
 * became of it.
 */

import { h, show, told } from "./dom.js";
import { outcome } from "./signs.js";

/**
 * @param title    what is done: "Open Front door?"
 * @param text     what will happen, and to what, in a sentence
 * @param button   the word on the button that does it
 * @param danger   true: it takes something away, or cannot be undone
 * @param fields   elements of a form, in the dialog; `steps` may read them
 * @param steps    () => [{subject, run}]: `run` resolves to `{sign, text}` (see `signs.js`); what it throws is shown as it says
 * @returns a promise of true when it was done, of false when nobody wanted it
 */
export function act({ title, text, button, danger = false, fields = [], steps }) {
  return new Promise((resolve) => {
    let done = false;
    const list = h("ul", { class: "outcomes", "aria-live": "polite" });
    const form = h("form", { method: "dialog", onsubmit: carryOut });
    const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, button);
    const leave = h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel");
    const dialog = h(
      "dialog",
      { "aria-labelledby": "action-title", "aria-describedby": "action-text" },
      form,
    );
    form.append(
      h("h2", { id: "action-title" }, title),
      h("p", { id: "action-text" }, text),
      ...fields,
      list,
      h("div", { class: "buttons" }, leave, go),
    );
    dialog.onclose = () => {
      dialog.remove();
      resolve(done);
    };
    document.body.append(dialog);
    dialog.showModal();
    (danger ? leave : go).focus();

    async function carryOut(event) {
      event.preventDefault();
      done = true;
      go.disabled = true;
      for (const field of form.querySelectorAll("input, select")) field.disabled = true;
      const all = steps().map((step) => ({ subject: step.subject, said: null, run: step.run }));
      const draw = () => show(list, ...all.map(row));
      draw();
      await Promise.all(
        all.map(async (one) => {
          one.said = await one.run((said) => ((one.said = said), draw())).catch((error) => ({ sign: "error", text: error.message }));
          draw();
        }),
      );
      go.remove();
      leave.textContent = "Close";
      leave.className = "primary";
      leave.focus();
    }
  });
}

function row({ subject, said }) {
  const shown = said ?? { sign: "busy", text: "waiting for the answer" };
  return h("li", { "data-key": subject }, outcome(shown.sign, shown.text, told(subject)));
}
