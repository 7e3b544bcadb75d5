/** Where the views of one thing are. */

const KINDS = { identifier: "person", timeprofile: "profile" };

export function panelPath(id) {
  return `/panel/${encodeURIComponent(id)}`;
}

/** The view of a person or a time profile, by its kind and its number. */
export function itemPath(kind, uid) {
  return `/${KINDS[kind]}/${uid}`;
}
