import assert from "node:assert/strict";
import { test } from "node:test";
import { BitrateHistory } from "../src/admin/data/bitrate_history.ts";
import { boxState, markText, outputText, recordingText, signalText } from "../src/admin/data/box_state.ts";
import { ago, bytes, duration, kbps, meterPosition, msOf, span } from "../src/admin/data/format.ts";
import { checkName, stateLook, verdictLook, whyNoTest } from "../src/admin/data/preflight_words.ts";
import { routeOf } from "../src/admin/data/route.ts";
import type { Device, Preflight, PreflightCheck, Telemetry } from "../src/admin/data/types.ts";
import { clockText } from "../src/player/clock_text.ts";
import { actionOfKey } from "../src/player/keyboard.ts";
import { trouble, troubleOfStatus } from "../src/player/trouble.ts";

test("numbers as people read them", () => {
  assert.equal(kbps(640), "640 kbit/s");
  assert.equal(kbps(4200), "4.20 Mbit/s");
  assert.equal(bytes(0), "0 B");
  assert.equal(bytes(1_536_000), "1.5 MB");
  assert.equal(duration(3_675_000), "1:01:15");
  assert.equal(duration(9_400), "0:09");
  assert.deepEqual(["1:01:15", "9", " 0:09,5 ", "90.25"].map(msOf), [3_675_000, 9_000, 9_500, 90_250]);
  assert.deepEqual(["", "1:2:3:4", "-1", "a", "1.5:00"].map(msOf), [undefined, undefined, undefined, undefined, undefined]);
  assert.equal(span(45), "45 s");
  assert.equal(span(19_200), "5 h 20 min");
  assert.equal(span(200_000), "2 days");
  assert.equal(meterPosition(-60), 0);
  assert.equal(meterPosition(-30), 0.5);
  assert.equal(meterPosition(6), 1);
  assert.equal(clockText(75), "1:15");
  assert.equal(clockText(3675.9), "1:01:15");
  assert.equal(clockText(Number.NaN), "0:00");
});

test("times relative to now, and nothing for what is no time", () => {
  const now = Date.parse("2030-05-01T12:00:00Z");
  assert.equal(ago("2030-05-01T11:59:55Z", now), "just now");
  assert.equal(ago("2030-05-01T11:59:20Z", now), "40 s ago");
  assert.equal(ago("2030-05-01T11:18:00Z", now), "42 min ago");
  assert.equal(ago("never", now), "");
});

test("addresses of the pages", () => {
  assert.deepEqual(routeOf("/"), { page: "events" });
  assert.deepEqual(routeOf("/events/evt_1"), { page: "event", id: "evt_1" });
  assert.deepEqual(routeOf("/items/"), { page: "items" });
  assert.deepEqual(routeOf("/events/evt_1/more"), { page: "missing" });
  assert.deepEqual(routeOf("/nowhere"), { page: "missing" });
});

test("the player hears its keys and leaves others to whom they belong", () => {
  const key = (key: string, tagName = "BODY", ctrlKey = false) =>
    actionOfKey({ key, ctrlKey, metaKey: false, altKey: false, target: { tagName } as unknown as EventTarget });
  assert.deepEqual(key(" "), { kind: "toggle" });
  assert.deepEqual(key("ArrowLeft"), { kind: "seek-by", seconds: -5 });
  assert.deepEqual(key("m"), { kind: "mute" });
  assert.deepEqual(key("f"), { kind: "fullscreen" });
  assert.equal(key(" ", "BUTTON"), undefined);
  assert.equal(key("ArrowUp", "SELECT"), undefined);
  assert.equal(key("f", "BODY", true), undefined);
  assert.equal(key("x"), undefined);
});

test("faults are in words, and waits grow to five seconds", () => {
  assert.equal(troubleOfStatus(404), "not-ready");
  assert.equal(troubleOfStatus(403), "refused");
  assert.equal(troubleOfStatus(0), "unreachable");
  assert.equal(troubleOfStatus(502), "unreachable");
  assert.equal(trouble("unreachable", 0).retryInMs, 500);
  assert.equal(trouble("unreachable", 99).retryInMs, 5_000);
  assert.equal(trouble("unsupported", 0).retryInMs, undefined);
});

const telemetry: Telemetry = {
  ts: "1",
  live: { state: "off", since_ms: null },
  recording: { state: "off", file: null, duration_ms: 0, bytes: 0, error: null },
  signal: { state: "locked", source: "HDMI", width: 1280, height: 720, fps: 29.97, audio: true },
  encoder: { state: "running", name: "x264enc", bitrate_kbps: 3000, fps: 30, frames: 9, dropped_frames: 0, restarts: 0, error: null },
  outputs: [],
  audio: [],
  storage: { free_bytes: 1, total_bytes: 2, remaining_s: null },
  temperature_c: null,
  cpu_percent: null,
  identify_ms: 0,
};
const box: Device = { id: "box_1", name: "A", version: 1, created_at: "", online: true, last_seen_at: null, telemetry, config: null, reported: null };

test("the tally of a box", () => {
  const live = (state: Telemetry["live"]["state"]) => boxState({ ...box, telemetry: { ...telemetry, live: { state, since_ms: 0 } } }).tone;
  assert.equal(boxState(box).tone, "ready");
  assert.equal(live("live"), "live");
  assert.equal(live("degraded"), "warn");
  assert.equal(live("connecting"), "warn");
  assert.deepEqual(boxState({ ...box, online: false }), { tone: "off", label: "Offline" });
  assert.deepEqual(boxState({ ...box, online: false, telemetry: null }), { tone: "off", label: "Never seen" });
  const lost = { ...telemetry, signal: { ...telemetry.signal, state: "none" as const } };
  assert.equal(boxState({ ...box, telemetry: lost }).tone, "warn");
  const hot = { ...telemetry, warnings: [{ kind: "hot" as const, words: "83 °C" }] };
  assert.equal(boxState({ ...box, telemetry: hot }).tone, "warn");
});

test("signal and outputs in words", () => {
  assert.deepEqual(signalText(telemetry), ["1280×720 · 29.97 fps", "HDMI"]);
  const output = { role: "main" as const, state: "waiting" as const, url: null, bitrate_kbps: 0, queued_ms: 0, sent_bytes: 0, dropped_frames: 4, reconnects: 2, error: "connection refused" };
  assert.deepEqual(outputText(output), ["Waiting to reconnect", "connection refused"]);
  assert.deepEqual(outputText({ ...output, state: "sending", bitrate_kbps: 2500, error: null }), ["2.50 Mbit/s", "4 frames dropped · 2 reconnects"]);
});

test("a recording says where it is, and what is wrong with it first", () => {
  const recording = { state: "recording" as const, file: "a.mp4", duration_ms: 61_000, bytes: 1_500_000, error: null };
  const text = (more: Partial<Telemetry["recording"]>) => recordingText({ ...telemetry, recording: { ...recording, ...more } });
  assert.deepEqual(text({}), ["1:01", "1.5 MB", false]);
  assert.deepEqual(text({ disk: "USB STICK", uploads_waiting: 2 }), ["1:01", "1.5 MB · on USB STICK · 2 to be uploaded", false]);
  assert.deepEqual(text({ disk: "internal", dropped_frames: 3 }), ["1:01", "1.5 MB · on the internal disk · 3 frames lost", true]);
  assert.deepEqual(text({ disk: "internal", disk_error: "USB STICK was taken away" }), ["1:01", "USB STICK was taken away", true]);
  assert.deepEqual(text({ state: "failed", error: "no room", slow: "use a faster disk" }), ["failed", "no room", true]);
  assert.equal(markText({ number: 1, file: "a.mp4", at_ms: 61_000, label: "Encore" }), "1:01 Encore");
  assert.equal(markText({ number: 2, file: "a.mp4", at_ms: 9_000 }), "0:09");
});

test("the bitrate history keeps its length and counts a report once", () => {
  const history = new BitrateHistory(3);
  for (const ts of ["1", "2", "2", "3", "4"]) history.push({ ...telemetry, ts });
  assert.deepEqual(history.lines(), [{ name: "Encoder", values: [3000, 3000, 3000] }]);
});

test("a test before going live says how things are, also those of a later box", () => {
  const check = (name: string, verdict: string): PreflightCheck => ({ name, verdict, said: "", fix: undefined }) as PreflightCheck;
  assert.equal(checkName(check("disk", "pass")), "Disk speed");
  assert.equal(checkName(check("srt_backup", "pass")), "srt backup");
  assert.deepEqual(verdictLook(check("disk", "fail")), ["chip-fault", "Failed"]);
  assert.deepEqual(verdictLook(check("disk", "half")), ["chip-end", "Unknown"]);
  const look = (state: string): string => stateLook({ state } as Preflight)[1];
  assert.deepEqual(["passed", "warned", "half"].map(look), ["Passed", "Passed, with warnings", "Unknown"]);
  assert.equal(whyNoTest(true, false), "");
  assert.match(whyNoTest(true, true), /live/);
  assert.match(whyNoTest(false, true), /offline/);
});
