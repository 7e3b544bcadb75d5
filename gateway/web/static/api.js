/**
 * The HTTP surface that scripts use, as the user who has logged in: the browser adds the session's cookie.
 */

/** What the gateway did not do. `message`: why, in words; `status`: HTTP's, 0 where there was no answer; `token`: for programs. */
export class Refused extends Error {
  constructor(status, token, message, body = {}) {
    super(message);
    this.status = status;
    this.token = token;
    this.body = body;
  }
}

let signedOut = () => {};

/** `listener` is called when the gateway answers that nobody is logged in. */
export function whenSignedOut(listener) {
  signedOut = listener;
}

/**
 * Ask, and get `{body, etag}`. `ifMatch`: change only what is still as that answer showed it.
 * Throws Refused, and what `signal` says when it aborts.
 */
export async function ask(method, path, { body, ifMatch, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (ifMatch) headers["If-Match"] = ifMatch;
  const answer = await answered(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  const said = read(text, answer.headers.get("Content-Type") ?? "");
  if (answer.ok) return { body: said, etag: answer.headers.get("ETag") };
  if (answer.status === 401) signedOut();
  throw new Refused(answer.status, said.error ?? "", inWords(answer, said), said);
}

/** The body of a GET. */
export async function get(path, options) {
  return (await ask("GET", path, options)).body;
}

/** A fetch that tells in words that nobody answered. */
export async function answered(path, options) {
  try {
    return await fetch(path, { ...options, credentials: "same-origin", cache: "no-store", redirect: "error" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused(0, "no_answer", "The gateway does not answer. Check that it runs, and your network.");
  }
}

function read(text, type) {
  if (!type.startsWith("application/json")) return text;
  return text ? JSON.parse(text) : {};
}

function inWords(answer, said) {
  const detail = said.detail ?? said.error ?? `The gateway answered ${answer.status}.`;
  switch (answer.status) {
    case 401:
      return "The session has ended. Log in again.";
    case 403:
      return said.error === "Administrator rights required" ? "Your role does not allow this." : detail;
    case 412:
      return "Somebody else changed this meanwhile. Look at what it is now, then decide again.";
    case 429:
      return `Too many wrong attempts: try again in ${answer.headers.get("Retry-After") ?? "some"} seconds.`;
    default:
      return detail;
  }
}
