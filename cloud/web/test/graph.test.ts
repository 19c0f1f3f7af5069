import assert from "node:assert/strict";
import { test } from "node:test";
import { extent, firstFrom, ground, nearest, niceTop, outline, rangeOf, thinned } from "../src/admin/data/graph.ts";

const seconds = (n: number): number[] => Array.from({ length: n }, (_, at) => at * 1000);

test("an hour of seconds becomes two points a column, and one bad second is still seen", () => {
  const times = seconds(3600);
  const values = times.map((_, at) => (at === 1234 ? 0 : 4000 + (at % 7)));
  const runs = thinned(times, values, rangeOf(times, 1000), 300, 2500);
  assert.equal(runs.length, 1);
  const run = runs[0] ?? [];
  assert.ok(run.length <= 600, String(run.length));
  assert.deepEqual(run.filter(({ value }) => value === 0), [{ at: 1_234_000, value: 0 }]);
  for (let at = 1; at < run.length; at += 1) assert.ok((run[at]?.at ?? 0) > (run[at - 1]?.at ?? 0));
  assert.equal(run[0]?.at, 0);
});

test("fewer values than columns are all kept", () => {
  const times = seconds(5);
  const [run] = thinned(times, [1, 3, 2, 2, 5], { from: 0, to: 4000 }, 100, 2500);
  assert.deepEqual(run?.map(({ value }) => value), [1, 3, 2, 2, 5]);
});

test("what is null, or missing for long, is a hole", () => {
  const times = [0, 1000, 2000, 3000, 10_000, 11_000];
  const runs = thinned(times, [1, 1, null, 2, 3, 3], { from: 0, to: 11_000 }, 100, 2500);
  assert.deepEqual(runs.map((run) => run.map(({ at }) => at)), [[0, 1000], [3000], [10_000, 11_000]]);
  assert.deepEqual(thinned([], [], { from: 0, to: 1 }, 10, 1), []);
  assert.deepEqual(thinned(seconds(3), [null, null, null], { from: 0, to: 2000 }, 10, 2500), []);
});

test("only what is within the range is drawn", () => {
  const times = seconds(10);
  const [run] = thinned(times, times, { from: 4000, to: 6000 }, 50, 2500);
  assert.deepEqual(run?.map(({ at }) => at), [4000, 5000, 6000]);
});

test("paths go up where values do, and the ground below is closed", () => {
  const runs = [[{ at: 0, value: 0 }, { at: 10, value: 5 }], [{ at: 20, value: 1 }]];
  const x = (at: number): number => at;
  const y = (value: number): number => 10 - value;
  assert.equal(outline(runs, x, y), "M0.0 10.0L10.0 5.0M20.0 9.0h.01");
  assert.equal(ground([runs[0] ?? []], x, y, 10), "M0.0 10.0L10.0 5.0V10H0.0Z");
  assert.equal(ground([[]], x, y, 10), "");
});

test("the top is a round number above all values", () => {
  assert.equal(niceTop(4100), 5000);
  assert.equal(niceTop(30), 40);
  assert.equal(niceTop(28), 30);
  assert.equal(niceTop(9.9), 12);
  assert.equal(niceTop(0, 500), 500);
  assert.equal(niceTop(0.07, 0.01), 0.08);
});

test("the nearest value to a time", () => {
  const times = [0, 1000, 2000];
  assert.equal(nearest(times, -50), 0);
  assert.equal(nearest(times, 1400), 1);
  assert.equal(nearest(times, 1600), 2);
  assert.equal(nearest(times, 99_999), 2);
  assert.equal(nearest([], 5), -1);
  assert.equal(firstFrom(times, 1000), 1);
});

test("lowest, highest and newest value of a range", () => {
  const times = seconds(5);
  assert.deepEqual(extent(times, [9, 2, null, 4, null], { from: 1000, to: 4000 }), { least: 2, most: 4, last: null });
  assert.equal(extent(times, [null, null, null, null, null], { from: 0, to: 4000 }), undefined);
});

test("a graph begins with what there is, and goes back no further than it may", () => {
  assert.deepEqual(rangeOf(seconds(100), 1000, 3_600_000), { from: 0, to: 99_000 });
  assert.deepEqual(rangeOf(seconds(5000), 1000, 3_600_000), { from: 1_399_000, to: 4_999_000 });
  assert.deepEqual(rangeOf([5000], 1000), { from: -15_000, to: 5000 });
});
