import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { LogPieces } from "../src/admin/data/box_log.ts";
import { configText, interfaceText, memoryText, powerText, readConfig } from "../src/admin/data/box_machine.ts";

test("memory, power and network in words", () => {
  assert.deepEqual(memoryText({ total_bytes: 4e9, available_bytes: 1e9, agent_bytes: 4e7 }), ["1.0 GB of 4.0 GB free", "agent 40.0 MB"]);
  assert.equal(powerText({ under_voltage: true, throttled: true })[0], "Too weak");
  assert.equal(powerText({ throttled: true })[0], "Slowed down");
  assert.notEqual(powerText({ since_boot: true })[1], "");
  const line = { name: "eth0", kind: "wired" as const, speed_mbps: 100, addresses: ["192.0.2.7"], received_kbps: 12, sent_kbps: 6200, errors: 3 };
  assert.deepEqual(interfaceText(line), ["↑ 6.20 Mbit/s ↓ 12 kbit/s", "cable · 100 Mbit/s · 192.0.2.7 · 3 broken packets"]);
});

test("how far a configuration came", () => {
  assert.deepEqual(configText({ version: 0, applied: true }), { text: "The box works with its own file.", bad: false });
  assert.match(configText({ version: 3, applied: false, waits: "until neither stream nor recording runs" }).text, /waits until neither/);
  assert.equal(configText({ version: 3, applied: false, errors: [] }).bad, true);
  assert.deepEqual(readConfig(" "), { config: {} });
  assert.deepEqual(readConfig('{"video":{"fps":25}}'), { config: { video: { fps: 25 } } });
  for (const text of ["[1]", "null", "{", "7"]) assert.ok("fault" in readConfig(text), text);
});

test("pieces of a log are put together in their order", async () => {
  const packed = gzipSync("first\nsecond ä\n");
  const piece = (offset: number, end: number) => ({
    of: "cmd_1", lines: 2, total_bytes: packed.length, offset, data: packed.subarray(offset, end).toString("base64"),
  });
  const pieces = new LogPieces();
  assert.equal(pieces.take(piece(0, 10)), 10);
  assert.throws(() => pieces.take(piece(0, 10)), /does not fit/);
  assert.throws(() => pieces.take(piece(10, 10)), /does not fit/);
  assert.equal(pieces.take(piece(10, packed.length)), null);
  assert.equal(pieces.part, 1);
  assert.equal(await pieces.text(), "first\nsecond ä\n");
});
