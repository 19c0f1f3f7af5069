import { kbps } from "./format.ts";
import { gapsOf, type Point } from "./health.ts";
import type { Sample } from "./event_types.ts";

/** Figures of a broadcast as people read them. Pure. */

export interface Figure {
  name: string;
  main: string;
  more: string;
}

const NONE = "–";

export function frames(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  return `${Number.isInteger(rounded) ? rounded : rounded.toFixed(1)} fps`;
}

export function milliseconds(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(1)} s` : `${Math.round(value)} ms`;
}

/** `−18.2 dB`; digital silence has no figure. */
export function level(dbfs: number | null): string {
  if (dbfs === null) return "no sound";
  return dbfs <= -100 ? "silence" : `${dbfs.toFixed(1).replace("-", "−")} dB`;
}

/** The live figures; `seconds` are those of the last hour. */
export function figures(now: Sample, seconds: readonly Point[]): Figure[] {
  const gaps = gapsOf(seconds);
  return [
    { name: "Video", main: kbps(now.video_kbps), more: now.width && now.height ? `${now.width}×${now.height}` : "" },
    { name: "Sound", main: kbps(now.audio_kbps), more: level(now.audio_rms_dbfs) },
    { name: "Frames", main: frames(now.frames_per_s), more: "" },
    { name: "Keyframe every", main: now.key_interval_ms === null ? NONE : milliseconds(now.key_interval_ms), more: "" },
    { name: "Jitter", main: milliseconds(now.jitter_ms), more: now.late_ms >= 1 ? `up to ${milliseconds(now.late_ms)} late` : "" },
    { name: "Gaps", main: gaps === 0 ? "none" : String(gaps), more: "in the last hour" },
  ];
}

export interface Curve {
  name: string;
  pick: (sample: Sample) => number | null;
}

/** One graph: what it draws and how its values are said. */
export interface GraphKind {
  title: string;
  curves: readonly Curve[];
  say: (value: number) => string;
  /** The top is a round number above all values, at least this. */
  least: number;
  /** Between fixed ends, as levels are. */
  ends?: readonly [bottom: number, top: number, words: string];
}

export const GRAPHS: readonly GraphKind[] = [
  {
    title: "Bitrate",
    curves: [
      { name: "Video", pick: ({ video_kbps }) => video_kbps },
      { name: "Sound", pick: ({ audio_kbps }) => audio_kbps },
    ],
    say: kbps,
    least: 500,
  },
  { title: "Frames", curves: [{ name: "Frames", pick: ({ frames_per_s }) => frames_per_s }], say: frames, least: 10 },
  {
    title: "Sound level",
    curves: [
      { name: "Average", pick: ({ audio_rms_dbfs }) => audio_rms_dbfs },
      { name: "Peak", pick: ({ audio_peak_dbfs }) => audio_peak_dbfs },
    ],
    say: level,
    least: 0,
    ends: [-60, 0, "−60 to 0 dB"],
  },
  { title: "Jitter", curves: [{ name: "Jitter", pick: ({ jitter_ms }) => jitter_ms }], say: milliseconds, least: 40 },
];
