/** Moments and lengths of time, in words. */

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Unix seconds as a date with its time. */
export function moment(at) {
  return MOMENT.format(at * 1000);
}

/** The time alone where it is today. */
export function clock(at) {
  return new Date(at * 1000).toDateString() === new Date().toDateString() ? CLOCK.format(at * 1000) : moment(at);
}

/** Seconds in words: "12 s", "5 min", "3 h", "2 days". */
export function lasts(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90 && s !== 60) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** How long ago a moment (Unix seconds) was. */
export function ago(at) {
  return `${lasts(Date.now() / 1000 - at)} ago`;
}
