/** Curves over time as a few hundred points of a picture, however many values there are. Pure. */

export interface Range {
  from: number;
  to: number;
}

/** A value at a time in milliseconds. */
export interface Dot {
  at: number;
  value: number;
}

/** The times that a graph shows: all there are, at most the last `most` milliseconds, and never less than a minute of steps. */
export function rangeOf(times: readonly number[], stepMs: number, most = Infinity): Range {
  const to = times.at(-1) ?? 0;
  const first = times[0] ?? to;
  return { from: Math.min(Math.max(first, to - most), to - 20 * stepMs), to };
}

/** Index of the first time that is not before `at`. */
export function firstFrom(times: readonly number[], at: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? Infinity) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the value nearest to a time; -1 where there is none. */
export function nearest(times: readonly number[], at: number): number {
  const after = firstFrom(times, at);
  const [left, right] = [times[after - 1], times[after]];
  if (right === undefined) return times.length - 1;
  return left !== undefined && at - left < right - at ? after - 1 : after;
}

/**
 * The values of a range as runs without a hole: each column of the picture keeps its lowest and its highest one, in
 * their order, so that a single bad second is still seen. What is null, or missing for longer than `holeMs`, is a hole.
 */
export function thinned(
  times: readonly number[],
  values: readonly (number | null)[],
  { from, to }: Range,
  columns: number,
  holeMs: number,
): Dot[][] {
  const runs: Dot[][] = [];
  const width = Math.max(1, to - from) / Math.max(1, columns);
  let run: Dot[] | undefined;
  let low: Dot | undefined;
  let high: Dot | undefined;
  let column = -1;
  let last = -Infinity;
  const flush = (): void => {
    if (!run || !low || !high) return;
    if (low === high) run.push(low);
    else run.push(...(low.at < high.at ? [low, high] : [high, low]));
    low = high = undefined;
  };
  for (let index = firstFrom(times, from); index < times.length; index += 1) {
    const at = times[index] as number;
    const value = values[index] ?? null;
    if (at > to) break;
    const hole = value === null || at - last > holeMs;
    const next = Math.min(columns - 1, Math.floor((at - from) / width));
    if (hole || next !== column) flush();
    if (hole) run = undefined;
    column = next;
    if (value === null) continue;
    if (!run) runs.push((run = []));
    const dot = { at, value };
    if (!low || value < low.value) low = dot;
    if (!high || value >= high.value) high = dot;
    last = at;
  }
  flush();
  return runs;
}

/** Runs as the outline of an SVG path. */
export function outline(runs: readonly Dot[][], x: (at: number) => number, y: (value: number) => number): string {
  return runs.map((run) => line(run, x, y)).join("");
}

/** The ground below runs as an SVG path. */
export function ground(runs: readonly Dot[][], x: (at: number) => number, y: (value: number) => number, base: number): string {
  return runs
    .map((run) => {
      const [first, last] = [run[0], run.at(-1)];
      return first && last ? `${line(run, x, y)}V${base}H${x(first.at).toFixed(1)}Z` : "";
    })
    .join("");
}

function line(run: readonly Dot[], x: (at: number) => number, y: (value: number) => number): string {
  const points = run.map(({ at, value }) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
  // A run of one value is a dot.
  return points.length === 1 ? `M${points[0]}h.01` : `M${points.join("L")}`;
}

const STEPS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** A round number above the greatest value, for the top of a graph. */
export function niceTop(most: number, least = 1): number {
  const wanted = Math.max(most * 1.05, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = STEPS.find((one) => one * power >= wanted * 0.999_999) ?? 10;
  return Number((step * power).toPrecision(6));
}

/** Lowest and highest value of a range, and the newest. */
export function extent(
  times: readonly number[],
  values: readonly (number | null)[],
  { from, to }: Range,
): { least: number; most: number; last: number | null } | undefined {
  let found: { least: number; most: number; last: number | null } | undefined;
  for (let index = firstFrom(times, from); index < times.length && (times[index] as number) <= to; index += 1) {
    const value = values[index] ?? null;
    if (value !== null) {
      if (!found) found = { least: value, most: value, last: value };
      found.least = Math.min(found.least, value);
      found.most = Math.max(found.most, value);
    }
    if (found) found.last = value;
  }
  return found;
}
