/** One person: who it is, which doors open when, and why not. */

import { item } from "../item.js";

export function render(root, context) {
  return item(root, context, "identifier");
}
