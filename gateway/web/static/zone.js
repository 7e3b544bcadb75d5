/** The wall clock of the site, whatever zone the browser is in. Instants are Unix seconds; a wall reading is `2026-11-30T09:00:00`. */

const formats = new Map();

/** What the site's clock reads at an instant. */
export function wallAt(zone, at) {
  return formatOf("sv-SE", zone, { dateStyle: "short", timeStyle: "medium" }).format(at * 1000).replace(" ", "T");
}

/** An instant at which the site's clock shows a reading; a reading that is skipped is taken by the hour before. */
export function instantOf(zone, wall) {
  const wanted = asUtc(wall);
  let at = wanted;
  for (let step = 0; step < 2; step++) at -= asUtc(wallAt(zone, at)) - wanted;
  return at;
}

/** "Mon, 30 Nov 2026, 09:00" */
export function inWords(zone, at) {
  return formatOf("en-GB", zone, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }).format(at * 1000);
}

/** "Mon, 30 Nov 2026" of a date such as `2026-11-30`. */
export function dayInWords(date) {
  return formatOf("en-GB", "UTC", { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(new Date(`${date}T00:00Z`));
}

/** The date so many days after another one. */
export function dayAfter(date, days) {
  return new Date(Date.parse(`${date}T00:00Z`) + days * 86400000).toISOString().slice(0, 10);
}

/** 0 Monday … 6 Sunday */
export function weekdayOf(date) {
  return (new Date(`${date}T00:00Z`).getUTCDay() + 6) % 7;
}

function asUtc(wall) {
  return Date.parse(`${wall.length === 16 ? `${wall}:00` : wall}Z`) / 1000;
}

function formatOf(language, timeZone, options) {
  const key = `${language} ${timeZone} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language, { timeZone, ...options }));
  return formats.get(key);
}
