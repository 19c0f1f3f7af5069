import assert from "node:assert/strict";
import { test } from "node:test";
import { StallWatch } from "../src/player/stall_watch.ts";

const still = { time: 7, held: false };

test("stronger remedies the longer the picture stands still, then from the beginning", () => {
  const watch = new StallWatch();
  watch.sample(0, still);
  const seen: [number, string][] = [];
  for (let now = 500; now <= 20_000; now += 500) {
    const remedy = watch.sample(now, still);
    if (remedy) seen.push([now, remedy]);
  }
  assert.deepEqual(seen.slice(0, 4), [
    [2_000, "nudge"],
    [4_500, "edge"],
    [9_000, "reload"],
    [11_500, "nudge"],
  ]);
});

test("a picture that moves is left alone", () => {
  const watch = new StallWatch();
  for (let now = 0; now < 30_000; now += 500) {
    assert.equal(watch.sample(now, { time: now / 1000, held: false }), undefined);
  }
});

test("a viewer's pause is no stall, however long", () => {
  const watch = new StallWatch();
  for (let now = 0; now < 60_000; now += 500) {
    assert.equal(watch.sample(now, { time: 7, held: true }), undefined);
  }
  assert.equal(watch.sample(60_000, still), undefined);
});

test("a picture that recovers begins anew", () => {
  const watch = new StallWatch();
  watch.sample(0, still);
  assert.equal(watch.sample(2_000, still), "nudge");
  assert.equal(watch.sample(2_500, { time: 8, held: false }), undefined);
  assert.equal(watch.sample(4_000, { time: 8, held: false }), undefined);
  assert.equal(watch.sample(4_500, { time: 8, held: false }), "nudge");
});
