import { all } from "./elements.ts";

const STEPS: readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** How long a moment is away from now, in words. */
export function away(moment: number, now: number): string {
  const seconds = Math.round((moment - now) / 1000);
  const [unit, length] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / length), unit);
}

/** What a `datetime-local` input shows for a moment, in this browser's time. */
export function localInput(text: string): string {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return "";
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${String(moment.getFullYear()).padStart(4, "0")}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return `${date}T${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}

/** The moment that a `datetime-local` input means (RFC 3339). */
export function ofLocalInput(text: string): string {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? text : moment.toISOString().replace(/\.000Z$/, "Z");
}

/** Says all times of a part in the reader's own time. */
export function tellTimes(part: ParentNode): void {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const element of all<HTMLTimeElement>(part, "time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.title = `${format.format(moment)} (${away(moment.getTime(), Date.now())})`;
    if ("short" in element.dataset) element.textContent = short.format(moment);
  }
}
