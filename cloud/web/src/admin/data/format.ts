/** Numbers and times as people read them. Pure: the clock is an argument. */

let zone: string | undefined;

/** The time zone of all times from now on, the browser's where there is none. */
export function showTimesIn(name: string): void {
  zone = name || undefined;
}

/** In which time zone times are shown; nothing: the browser's. */
export function shownZone(): string | undefined {
  return zone;
}

export function kbps(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} Mbit/s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} Mbit/s`;
  return `${Math.round(value)} kbit/s`;
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `3 675 000` → `1:01:15`. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  const m = Math.floor((s % 3600) / 60);
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** `1:01:15` or `75` → milliseconds; nothing if it is no length. */
export function msOf(text: string): number | undefined {
  const parts = text.trim().split(":");
  if (parts.length > 3 || !parts.every((part, at) => (at === parts.length - 1 ? /^\d{1,6}([.,]\d{1,3})?$/ : /^\d{1,4}$/).test(part))) return undefined;
  const s = parts.reduce((sum, part) => sum * 60 + Number(part.replace(",", ".")), 0);
  return Math.round(s * 1000);
}

/** How long something lasts, roughly: `5 h 20 min`. */
export function span(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

/** `just now`, `5 min ago`, then the date. */
export function ago(iso: string, now: number): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then)) return "";
  const s = Math.max(0, (now - then) / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  return dateTime(iso);
}

/** `soon`, `in 5 h`, `in 12 days`. */
export function until(iso: string, now: number): string {
  const left = (Date.parse(iso) - now) / 3_600_000;
  if (Number.isNaN(left)) return "";
  if (left < 1) return "soon";
  if (left < 48) return `in ${Math.floor(left)} h`;
  return `in ${Math.floor(left / 24)} days`;
}

export function dateTime(iso: string): string {
  return inZone(iso, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/** The day alone: `Friday, November 27, 2026`. */
export function wholeDay(iso: string): string {
  return inZone(iso, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

/** The day alone, in short. */
export function day(iso: string): string {
  return inZone(iso, { day: "numeric", month: "short", year: "numeric" });
}

/** The time of day alone. */
export function timeOfDay(iso: string): string {
  return inZone(iso, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** Hours and minutes alone, with the day where it is another one. */
export function shortTime(iso: string, now: number): string {
  return day(iso) === day(new Date(now).toISOString()) ? inZone(iso, { hour: "2-digit", minute: "2-digit" }) : dateTime(iso);
}

function inZone(iso: string, style: Intl.DateTimeFormatOptions): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  try {
    return date.toLocaleString(undefined, { ...style, timeZone: zone });
  } catch {
    // The server may know a zone that this browser does not.
    return date.toLocaleString(undefined, style);
  }
}

/** Where on a meter from −60 to 0 dBFS a level stands, 0 to 1. */
export function meterPosition(dbfs: number): number {
  return Math.min(1, Math.max(0, (dbfs + 60) / 60));
}
