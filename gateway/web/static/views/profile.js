/** One time profile: when it is open as asked, on each panel, and why not. */

import { item } from "../item.js";

export function render(root, context) {
  return item(root, context, "timeprofile");
}
