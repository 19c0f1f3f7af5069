import assert from "node:assert/strict";
import { test } from "node:test";
import { nextOf } from "../src/admin/data/next.ts";
import { changes, differences } from "../src/browse/changes.ts";
import { linksOf, same, targetOf } from "../src/browse/json.ts";
import { fits } from "../src/browse/start.ts";
import { away, localInput, ofLocalInput } from "../src/browse/times.ts";

test("the login page leads back to this server only", () => {
  const to = (next: string) => nextOf(`?next=${encodeURIComponent(next)}`, "https://live.example.org");
  assert.equal(to("/api/v1/events?limit=2&a=b"), "/api/v1/events?limit=2&a=b");
  assert.equal(to("/api/v1"), "/api/v1");
  for (const wrong of [
    "", "api/v1", "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "/\t/evil.example", "/ /evil.example", "\t//evil.example", "javascript:alert(1)", "data:text/html,x", "/login?next=/login",
    "/.//evil.example", "/a/..//evil.example", "https:evil.example", "/\n/evil.example",
  ]) assert.equal(to(wrong), undefined, JSON.stringify(wrong));
  assert.equal(nextOf("", "https://live.example.org"), undefined);
});

test("only what was changed is sent", () => {
  const before = { title: "a", device_id: null, limits: { x: 1, y: [1, 2] }, seats: 3 };
  assert.deepEqual(changes(before, { ...before }), {});
  assert.deepEqual(changes(before, { ...before, limits: { y: [1, 2], x: 1 } }), {});
  assert.deepEqual(changes(before, { ...before, title: "", device_id: "box_1" }), { title: "", device_id: "box_1" });
  assert.deepEqual(changes(before, { title: "a", device_id: null, limits: { x: 1, y: [2, 1] } }), { limits: { x: 1, y: [2, 1] }, seats: null });
});

test("a conflict shows what either has changed, one's own first", () => {
  const before = { id: "1", title: "a", name: "n", version: 1 };
  const rows = differences(before, { ...before, name: "theirs", version: 2 }, { title: "mine" });
  assert.deepEqual(rows, [
    { field: "title", before: "a", theirs: "a", mine: "mine" },
    { field: "name", before: "n", theirs: "theirs", mine: undefined },
  ]);
});

test("ids and paths lead somewhere and nothing else does", () => {
  const links = linksOf("evt_=/api/v1/events box_=/api/v1/devices");
  assert.equal(targetOf("evt_0123456789abcdefghjk", links), "/api/v1/events/evt_0123456789abcdefghjk");
  assert.equal(targetOf("/api/v1/jobs/job_1", links), "/api/v1/jobs/job_1");
  for (const other of ["evt_1", "xyz_0123456789abcdefghjk", "/api/v10", "//evil", "javascript:alert(1)", "/api/v1 x"]) {
    assert.equal(targetOf(other, links), undefined, other);
  }
  assert.ok(same([1, { a: null }], [1, { a: null }]) && !same({ a: 1 }, { a: 1, b: 2 }) && !same([], {}));
});

test("a search has all its words, times go there and back", () => {
  assert.ok(fits("/api/v1/events List live events", "LIVE ev"));
  assert.ok(!fits("/api/v1/events", "events users") && fits("x", ""));
  assert.equal(ofLocalInput(localInput("2030-05-01T12:00:07Z")), "2030-05-01T12:00:07Z");
  assert.equal(localInput("never"), "");
  const now = Date.parse("2030-05-01T12:00:00Z");
  assert.equal(away(now - 3 * 3_600_000, now), "3 hours ago");
  assert.equal(away(now + 86_400_000, now), "tomorrow");
});
