import assert from "node:assert/strict";
import { test } from "node:test";
import type { SimulcastOutput } from "../src/admin/data/event_types.ts";
import { hostOf, outputLine, SERVICES, simulcastBody, simulcastName, withService, type SimulcastFields } from "../src/admin/data/simulcast_words.ts";

const output: SimulcastOutput = {
  url: "rtmps://a.example.org/live", state: "off", bitrate_kbps: 0, queued_ms: 0, dropped_frames: 0, reconnects: 0, error: null, since: null,
};
const of = { backup_url: null, enabled: true };

test("how a push fares, in words", () => {
  const line = (more: Partial<SimulcastOutput>, started = true) => outputLine(of, { ...output, ...more }, started);
  assert.deepEqual(line({}, false), { name: "", dot: "", main: "Begins when the event is started", more: "", error: "" });
  assert.equal(line({ state: "sending", bitrate_kbps: 4120 }).main, "Sending 4.12 Mbit/s");
  assert.deepEqual(line({ state: "waiting", reconnects: 1, dropped_frames: 48, queued_ms: 1500, error: "connection refused" }), {
    name: "", dot: "dot-warn", main: "Waiting to reconnect", more: "48 frames dropped · 1 reconnect · 1.5 s queued", error: "connection refused",
  });
  assert.equal(outputLine({ ...of, enabled: false }, output, true).main, "Switched off");
});

test("two pushes are told apart", () => {
  const both = { enabled: true, backup_url: "rtmps://b.example.org/live" };
  assert.equal(outputLine(both, output, true).name, "Main");
  assert.equal(outputLine(both, { ...output, url: both.backup_url }, true).name, "Backup");
});

test("a simulcast is called as somebody named it, as the service, or as its host", () => {
  const url = "rtmp://user@live.example.org:1935/app";
  assert.equal(simulcastName({ name: "Main channel", service: "youtube", url }), "Main channel");
  assert.equal(simulcastName({ name: "", service: "youtube", url }), "YouTube");
  assert.equal(simulcastName({ name: "", service: "custom", url }), "live.example.org:1935");
  assert.equal(hostOf("nonsense"), "nonsense");
});

const fields: SimulcastFields = { name: " ", service: "youtube", url: SERVICES.youtube.url, backup_url: SERVICES.youtube.backup, key: "", rendition: "source" };

test("another service brings its addresses, and leaves a typed one", () => {
  const facebook = withService(fields, "facebook");
  assert.deepEqual([facebook.url, facebook.backup_url], [SERVICES.facebook.url, ""]);
  assert.deepEqual(withService(facebook, "youtube"), fields);
  assert.equal(withService({ ...fields, url: "rtmp://mine/live" }, "facebook").url, "rtmp://mine/live");
  assert.equal(withService(fields, "custom").url, "");
  const own = { ...fields, backup_url: "" };
  assert.equal(withService(own, "youtube").backup_url, "");
});

test("an empty key of one that is there stays", () => {
  assert.deepEqual(simulcastBody({ ...fields, key: " abc ", backup_url: "" }, true), {
    service: "youtube", url: SERVICES.youtube.url, rendition: "source", backup_url: null, key: "abc",
  });
  const change = simulcastBody({ ...fields, service: "custom", url: " rtmp://a/b " }, false);
  assert.deepEqual(change, { name: "", service: "custom", url: "rtmp://a/b", rendition: "source", backup_url: null });
});
