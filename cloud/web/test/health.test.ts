import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample } from "../src/admin/data/event_types.ts";
import { advanced, gapsOf, hasCome, HOUR_MS, lastData, NO_TRACK, pointsOf } from "../src/admin/data/health.ts";
import { figures, frames, GRAPHS, level, milliseconds } from "../src/admin/data/health_words.ts";

const start = Date.parse("2030-05-01T12:00:00Z");
const sample = (second: number, more: Partial<Sample> = {}): Sample => ({
  at: new Date(start + second * 1000).toISOString(), video_kbps: 4000, audio_kbps: 128, frames_per_s: 30, key_interval_ms: 2000,
  width: 1920, height: 1080, audio_rms_dbfs: -18.24, audio_peak_dbfs: -6, jitter_ms: 8.4, late_ms: 0, gaps: 0, ...more,
});
const silent = { video_kbps: 0, audio_kbps: 0, frames_per_s: 0, key_interval_ms: null, audio_rms_dbfs: null, audio_peak_dbfs: null };

test("the stream's seconds are added once, and those older than an hour go", () => {
  const warnings = [{ name: "a", words: "A.", since: "" }];
  const track = { ...NO_TRACK, points: { second: pointsOf([sample(0), sample(1)]), minute: [] } };
  const next = advanced(track, { now: sample(2), warnings });
  assert.deepEqual(next.points.second.map(({ ms }) => (ms - start) / 1000), [0, 1, 2]);
  assert.deepEqual(next.warnings, warnings);
  assert.equal(advanced(next, { now: sample(2), warnings: [] }).points.second.length, 3);
  assert.equal(advanced(next, { now: null, warnings: [] }).now, null);
  const later = advanced(next, { now: sample(HOUR_MS / 1000 + 1), warnings: [] });
  assert.deepEqual(later.points.second.map(({ ms }) => (ms - start) / 1000), [2, 3601]);
  const muchLater = advanced(next, { now: sample(99_999), warnings: [] });
  assert.equal(muchLater.points.second.length, 1);
  assert.equal(track.points.second.length, 2);
});

test("what has ever come, and when the last of it", () => {
  assert.equal(hasCome(NO_TRACK), false);
  assert.equal(lastData(NO_TRACK), null);
  const track = { ...NO_TRACK, points: { second: pointsOf([sample(0), sample(1), sample(2, silent)]), minute: [] } };
  assert.equal(hasCome(track), true);
  assert.equal(lastData(track), sample(1).at);
  assert.equal(hasCome({ ...NO_TRACK, points: { second: [], minute: pointsOf([sample(0)]) } }), true);
  assert.equal(gapsOf(pointsOf([sample(0, { gaps: 2 }), sample(1, { gaps: 1 })])), 3);
  assert.deepEqual(pointsOf([sample(0, { at: "never" })]), []);
});

test("figures in words", () => {
  const all = Object.fromEntries(figures(sample(0), []).map(({ name, main, more }) => [name, `${main} ${more}`.trim()]));
  assert.deepEqual(all, {
    Video: "4.00 Mbit/s 1920×1080", Sound: "128 kbit/s −18.2 dB", Frames: "30 fps", "Keyframe every": "2.0 s", Jitter: "8 ms", Gaps: "none in the last hour",
  });
  const bad = figures(sample(0, { ...silent, width: null, height: null, late_ms: 1400 }), pointsOf([sample(0, { gaps: 4 })]));
  assert.deepEqual(bad.map(({ main, more }) => `${main} ${more}`.trim()), ["0 kbit/s", "0 kbit/s no sound", "0 fps", "–", "8 ms up to 1.4 s late", "4 in the last hour"]);
  assert.equal(frames(29.97), "30 fps");
  assert.equal(frames(23.44), "23.4 fps");
  assert.equal(level(-120), "silence");
  assert.equal(milliseconds(999), "999 ms");
});

test("graphs pick their values, and a second without sound has none", () => {
  const picked = GRAPHS.map(({ curves }) => curves.map(({ pick }) => pick(sample(0, silent))));
  assert.deepEqual(picked, [[0, 0], [0], [null, null], [8.4]]);
});
