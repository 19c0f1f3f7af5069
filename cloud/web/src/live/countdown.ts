/** How long it is until something begins, by the server's clock. Pure: the clock is an argument. */

export interface Left {
  days: number;
  hours: number;
  minutes: number;
  seconds: number;
}

/** What a countdown shows; nothing once the time has come. */
export function leftOf(ms: number): Left | undefined {
  const s = Math.ceil(ms / 1000);
  if (!(s > 0)) return undefined;
  return { days: Math.floor(s / 86_400), hours: Math.floor(s / 3600) % 24, minutes: Math.floor(s / 60) % 60, seconds: s % 60 };
}

/** When the next second is to be shown. */
export function nextTickMs(ms: number): number {
  const rest = ms % 1000;
  return rest > 0 ? rest : 1000 + rest;
}

/** What a screen reader says: by the day, the hour, five minutes, and at last by the minute, so that it never nags. */
export function spoken(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  if (!(ms > 0)) return "Starting now";
  if (minutes > 48 * 60) return `Begins in ${Math.floor(minutes / 1440)} days`;
  if (minutes > 60) return `Begins in ${count(Math.floor(minutes / 60), "hour")}`;
  if (minutes > 10) return `Begins in ${Math.ceil(minutes / 5) * 5} minutes`;
  return minutes > 1 ? `Begins in ${minutes} minutes` : "Begins in less than a minute";
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/**
 * The server's clock, however wrong the viewer's is. What the server said of its time was older the longer it was under
 * way, never newer: the greatest difference is the best. `at` is a clock that nobody sets, such as `performance.now()`.
 */
export class ServerClock {
  #ahead = -Infinity;
  /** Until the server has said something, the viewer's own clock counts. */
  readonly #own: number;

  constructor(ownAhead: number) {
    this.#own = ownAhead;
  }

  heard(now: string | undefined, at: number): void {
    const ahead = Date.parse(now ?? "") - at;
    if (ahead > this.#ahead) this.#ahead = ahead;
  }

  at(at: number): number {
    return at + (Number.isFinite(this.#ahead) ? this.#ahead : this.#own);
  }
}
