import assert from "node:assert/strict";
import { test } from "node:test";
import { hasEnded, inOrder, jobLine } from "../src/admin/data/job_words.ts";
import { routeOf } from "../src/admin/data/route.ts";
import type { Job } from "../src/admin/data/types.ts";

const NOW = Date.parse("2030-05-01T12:00:00Z");
const job: Job = {
  id: "job_1", kind: "delete-media", subject: "itm_1", title: "Delete the media of “A”", state: "running", percent: 40,
  words: "4 of 10 files removed", error: null, cancelling: false, attempts: 1, max_attempts: 8,
  created_at: "2030-05-01T11:00:00Z", run_at: null, started_at: null, ended_at: null, version: 1,
};

test("a job's line says what it does, waits for or came to", () => {
  assert.equal(jobLine(job, NOW), "4 of 10 files removed");
  assert.equal(jobLine({ ...job, words: null }, NOW), "Begins…");
  assert.equal(jobLine({ ...job, cancelling: true }, NOW), "Told to end…");
  const waiting: Job = { ...job, state: "waiting", words: null, percent: null };
  assert.equal(jobLine(waiting, NOW), "Waits for its turn");
  const failedOnce = { ...waiting, error: "no disk", run_at: "2030-05-01T12:01:30Z" };
  assert.equal(jobLine(failedOnce, NOW), "Attempt 1 of 8 failed: no disk; again in 1 min");
  assert.equal(jobLine(failedOnce, NOW + 200_000), "Attempt 1 of 8 failed: no disk; again now");
  assert.equal(jobLine({ ...job, state: "done", words: "10 files removed" }, NOW), "10 files removed");
  assert.equal(jobLine({ ...job, state: "failed", words: null, error: "no disk" }, NOW), "no disk");
  assert.equal(jobLine({ ...job, state: "cancelled", words: null }, NOW), "Cancelled before its end");
});

test("what is under way comes first, the newest of it on top", () => {
  const at = (id: string, state: Job["state"], hour: number): Job => ({
    ...job, id, state, created_at: `2030-05-01T0${hour}:00:00Z`,
  });
  const groups = inOrder([at("a", "done", 9), at("b", "running", 1), at("c", "failed", 2), at("d", "waiting", 5)]);
  assert.deepEqual(groups.map(({ title, list }) => [title, list.map(({ id }) => id)]), [
    ["Under way", ["d", "b"]],
    ["Ended", ["a", "c"]],
  ]);
  assert.deepEqual(inOrder([]), []);
  assert.deepEqual((["waiting", "running", "done", "failed", "cancelled"] as const).map(hasEnded), [false, false, true, true, true]);
});

test("the jobs have one address", () => {
  assert.deepEqual(routeOf("/jobs"), { page: "jobs" });
  assert.deepEqual(routeOf("/jobs/job_1"), { page: "missing" });
});
