/** Times that people type, in a time zone of their choice. Pure. */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string | undefined): Intl.DateTimeFormat {
  const found = formats.get(zone ?? "");
  if (found) return found;
  const style: Intl.DateTimeFormatOptions = {
    calendar: "gregory", numberingSystem: "latn", hourCycle: "h23",
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  };
  let made: Intl.DateTimeFormat;
  try {
    made = new Intl.DateTimeFormat("en", { ...style, timeZone: zone });
  } catch {
    // The server may know a zone that this browser does not.
    made = new Intl.DateTimeFormat("en", style);
  }
  formats.set(zone ?? "", made);
  return made;
}

/** What clocks of a zone show, as if it were UTC. */
function wallClock(ms: number, zone: string | undefined): number {
  const parts = Object.fromEntries(formatOf(zone).formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** A time as a field for date and time has it: `2026-08-01T14:00`. */
export function localText(iso: string | null, zone: string | undefined): string {
  const ms = iso === null ? Number.NaN : Date.parse(iso);
  if (Number.isNaN(ms)) return "";
  return new Date(wallClock(ms, zone)).toISOString().slice(0, 16);
}

/**
 * What such a field holds, as a time of the API; null where it is empty or half filled in. Of an hour that clocks show
 * twice the first counts; a time that they leave out is as much later as they go forward.
 */
export function isoOf(text: string, zone: string | undefined): string | null {
  const wall = /^\d{4,6}-\d\d-\d\dT\d\d:\d\d/.test(text) ? Date.parse(`${text}Z`) : Number.NaN;
  if (Number.isNaN(wall)) return null;
  const day = 86_400_000;
  const offset = (ms: number): number => wallClock(ms, zone) - ms;
  const [before, after] = [offset(wall - day), offset(wall + day)];
  const fits = [wall - before, wall - after].filter((ms) => wallClock(ms, zone) === wall);
  const ms = fits.length > 0 ? Math.min(...fits) : wall - before;
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/** What the server says of a field, with the names that the page has for the others. */
export function faultWords(detail: string | undefined): string {
  return (detail ?? "").replaceAll("starts_at", "the beginning").replaceAll("ends_at", "the end");
}

/** How a zone is called: `Europe/Vienna`. */
export function zoneName(zone: string | undefined): string {
  return zone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
}
