import type { HealthMessage, InputHealth, Resolution, Role, Sample } from "./event_types.ts";

/** How broadcasts fare: kept samples, and what to say of them. Pure. */

/** A sample with its time in milliseconds. */
export interface Point extends Sample {
  ms: number;
}

/** What is known of one input. */
export interface Track {
  now: Sample | null;
  warnings: InputHealth["warnings"];
  points: Record<Resolution, readonly Point[]>;
}

export const HOUR_MS = 3_600_000;
export const STEP_MS: Record<Resolution, number> = { second: 1_000, minute: 60_000 };
export const NO_TRACK: Track = { now: null, warnings: [], points: { second: [], minute: [] } };

export function pointsOf(samples: readonly Sample[]): Point[] {
  return samples.map(pointOf).filter(({ ms }) => !Number.isNaN(ms));
}

function pointOf(sample: Sample): Point {
  return { ...sample, ms: Date.parse(sample.at) };
}

/** A track with what the server's stream has said of it; seconds older than an hour go. */
export function advanced(track: Track, said: HealthMessage["inputs"][Role]): Track {
  const point = said.now ? pointOf(said.now) : undefined;
  const seconds = track.points.second;
  const isNew = point !== undefined && point.ms > (seconds.at(-1)?.ms ?? -Infinity);
  if (!isNew) return { ...track, now: said.now, warnings: said.warnings };
  const first = seconds.findIndex(({ ms }) => ms > point.ms - HOUR_MS);
  const second = [...(first < 0 ? [] : seconds.slice(first)), point];
  return { now: said.now, warnings: said.warnings, points: { ...track.points, second } };
}

/** Whether anything has ever come in. */
export function hasCome({ now, points }: Track): boolean {
  return now !== null || points.second.length > 0 || points.minute.length > 0;
}

/** Whether something came in at that time. */
export function isData(sample: Sample): boolean {
  return sample.video_kbps > 0 || sample.audio_kbps > 0;
}

/** When something came in last. */
export function lastData({ points }: Track): string | null {
  const last = points.second.findLast(isData) ?? points.minute.findLast(isData);
  return last?.at ?? null;
}

export function gapsOf(points: readonly Point[]): number {
  return points.reduce((sum, { gaps }) => sum + gaps, 0);
}
