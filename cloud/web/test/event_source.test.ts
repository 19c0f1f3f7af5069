import assert from "node:assert/strict";
import { test } from "node:test";
import { relayTo, Told, type Relay } from "../src/live/event_source.ts";

test("who comes later is told whether the stream is there, and the last of each event", () => {
  const told = new Told();
  assert.deepEqual(told.again(), [{ kind: "down" }]);
  const heard: Relay[] = [
    { kind: "up" },
    { kind: "message", event: "status", data: 1 },
    { kind: "message", event: "alive", data: {} },
    { kind: "message", event: "status", data: 2 },
  ];
  for (const relay of heard) told.heard(relay);
  assert.deepEqual(told.again(), [
    { kind: "up" },
    { kind: "message", event: "status", data: 2 },
    { kind: "message", event: "alive", data: {} },
  ]);
  told.heard({ kind: "down" });
  assert.equal(told.again()[0]?.kind, "down");
});

test("a relay is what its listener hears", () => {
  const heard: unknown[] = [];
  const listener = {
    events: ["status"],
    message: (event: string, data: unknown) => heard.push([event, data]),
    up: () => heard.push("up"),
    down: () => heard.push("down"),
  };
  for (const relay of [{ kind: "up" }, { kind: "message", event: "status", data: 3 }, { kind: "down" }] as const) {
    relayTo(listener, relay);
  }
  assert.deepEqual(heard, ["up", ["status", 3], "down"]);
});
