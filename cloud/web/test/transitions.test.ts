import assert from "node:assert/strict";
import { test } from "node:test";
import { mayBecome, statusButtons } from "../src/admin/data/transitions.ts";
import type { EventStatus } from "../src/admin/data/types.ts";

const enabled = (status: EventStatus): string[] =>
  statusButtons(status)
    .filter((button) => button.enabled)
    .map((button) => button.label);

test("only the buttons that the status allows can be pressed", () => {
  assert.deepEqual(enabled("waiting"), ["Preview", "Start"]);
  assert.deepEqual(enabled("preview"), ["Close preview", "Start"]);
  assert.deepEqual(enabled("started"), ["Pause", "End"]);
  assert.deepEqual(enabled("paused"), ["Resume", "End"]);
  assert.deepEqual(enabled("ended"), []);
});

test("a button that cannot be pressed says why", () => {
  for (const status of ["waiting", "preview", "started", "paused", "ended"] as const) {
    for (const button of statusButtons(status)) assert.notEqual(button.hint, "");
  }
  assert.match(statusButtons("waiting")[3]?.hint ?? "", /once the event is started/);
  assert.match(statusButtons("ended")[1]?.hint ?? "", /has ended/);
});

test("an ended event stays ended, and waiting never ends", () => {
  for (const to of ["waiting", "preview", "started", "paused", "ended"] as const) assert.equal(mayBecome("ended", to), false);
  assert.equal(mayBecome("waiting", "ended"), false);
  assert.equal(mayBecome("waiting", "paused"), false);
});

test("what a button does follows what is recorded", () => {
  assert.match(statusButtons("started", "dvr")[2]?.hint ?? "", /goes on/);
  assert.match(statusButtons("started", "recording")[2]?.hint ?? "", /ends here/);
  assert.match(statusButtons("waiting", "none")[1]?.hint ?? "", /not recorded/);
});
