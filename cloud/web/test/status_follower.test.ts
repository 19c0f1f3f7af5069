import assert from "node:assert/strict";
import { test } from "node:test";
import { POLL_EVERY_MS, STREAM_SILENCE_MS, StatusFollower, type EventState } from "../src/live/status_follower.ts";

const waiting: EventState = { id: "evt_1", title: "A", status: "waiting", version: 3, receiving: false };

test("polls from the first moment until the stream speaks", () => {
  const follower = new StatusFollower(waiting, 0);
  assert.equal(follower.pollDue(0), true);
  assert.equal(follower.pollDue(POLL_EVERY_MS - 1), false);
  assert.equal(follower.pollDue(POLL_EVERY_MS), true);
  follower.heard(POLL_EVERY_MS + 1);
  assert.equal(follower.pollDue(POLL_EVERY_MS * 3), false);
});

test("polls again when the stream breaks, and when it goes silent without breaking", () => {
  const follower = new StatusFollower(waiting, 0);
  follower.heard(0);
  follower.lost();
  assert.equal(follower.pollDue(100), true);
  follower.heard(200);
  assert.equal(follower.pollDue(200 + STREAM_SILENCE_MS), false);
  assert.equal(follower.pollDue(201 + STREAM_SILENCE_MS), true);
});

test("a late answer never undoes a newer state", () => {
  const follower = new StatusFollower(waiting, 0);
  assert.equal(follower.take({ ...waiting, status: "started", version: 5 }, 10, "stream"), true);
  assert.equal(follower.take({ ...waiting, status: "waiting", version: 4 }, 20, "poll"), false);
  assert.equal(follower.state.status, "started");
});

test("the same state is no news, and a feed that comes is, without a new version", () => {
  const follower = new StatusFollower(waiting, 0);
  assert.equal(follower.take({ ...waiting }, 10, "poll"), false);
  assert.equal(follower.take({ ...waiting, receiving: true }, 20, "stream"), true);
});
