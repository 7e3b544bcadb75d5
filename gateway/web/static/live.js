/**
 * The events of the site as they happen. One stream serves the whole page; after an interruption it goes on where it was.
 * A page that nobody sees holds no stream: browsers open only six connections to one host.
 */

import { Refused, answered } from "./api.js";

const EVENTS = "/gateway/v1/events";
const WAITS_MS = [500, 1000, 2000, 5000, 10000];
/** The gateway shows every 15 s that it is there; after this long it is taken to be gone. */
const SILENCE_MS = 40000;

const listeners = new Set();
const watchers = new Set();
let state = "connecting";
let last = null;
let current = null;

/** `listener` gets each event, as `/gateway/v1/events` shows it, until `signal` aborts. */
export function follow(listener, signal) {
  add(listeners, listener, signal);
}

/** `watcher` gets `live`, `connecting` or `lost`, at once and at each change, until `signal` aborts. */
export function watch(watcher, signal) {
  add(watchers, watcher, signal);
  watcher(state);
}

function add(set, one, signal) {
  if (signal?.aborted) return;
  set.add(one);
  signal?.addEventListener("abort", () => set.delete(one));
}

export function start() {
  document.addEventListener("visibilitychange", turn);
  for (const change of ["online", "offline"]) window.addEventListener(change, restart);
  turn();
}

export function stop() {
  document.removeEventListener("visibilitychange", turn);
  for (const change of ["online", "offline"]) window.removeEventListener(change, restart);
  current?.abort();
  current = null;
  last = null;
  listeners.clear();
  watchers.clear();
}

function turn() {
  if (document.visibilityState === "hidden") {
    current?.abort();
    current = null;
  } else if (current === null) {
    current = new AbortController();
    run(current.signal);
  }
}

function restart() {
  current?.abort();
  current = null;
  turn();
}

async function run(signal) {
  for (let failed = 0; !signal.aborted; failed++) {
    try {
      become(failed < 2 ? "connecting" : "lost");
      await listen(signal, () => (failed = 0));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused || error instanceof TypeError)) throw error;
    }
    await pause(WAITS_MS[Math.min(failed, WAITS_MS.length - 1)] * (0.75 + Math.random() / 2), signal);
  }
}

async function listen(signal, arrived) {
  const silence = new AbortController();
  const both = AbortSignal.any([signal, silence.signal]);
  const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
  let timer = setTimeout(() => silence.abort(new TypeError("silence")), SILENCE_MS);
  try {
    const answer = await answered(EVENTS, { headers, signal: both });
    if (!answer.ok) throw new TypeError(`answered ${answer.status}`);
    become("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new TypeError("silence")), SILENCE_MS);
      arrived();
      const messages = (rest + value).split("\n\n");
      rest = messages.pop();
      messages.forEach(tell);
    }
  } finally {
    clearTimeout(timer);
  }
}

function tell(message) {
  for (const line of message.split("\n")) {
    if (line.startsWith("id: ")) last = line.slice(4);
    if (line.startsWith("data: ")) {
      const event = JSON.parse(line.slice(6));
      for (const listener of [...listeners]) listener(event);
    }
  }
}

function become(next) {
  if (next === state) return;
  state = next;
  for (const watcher of [...watchers]) watcher(state);
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()));
  });
}
