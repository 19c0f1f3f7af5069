import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../src/admin/data/turns.ts";

/** A read that ends when it is told to. */
function slowRead() {
  const ends: (() => void)[] = [];
  const read = () => new Promise<void>((end) => ends.push(end));
  const end = async (at: number) => {
    ends[at]?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { read, end, begun: () => ends.length };
}

test("what is asked for while it is read is read once more, however often", async () => {
  const turns = new Turns();
  const { read, end, begun } = slowRead();
  let done = 0;
  for (let times = 0; times < 4; times += 1) void turns.take("a", read).then(() => (done += 1));
  assert.deepEqual([begun(), turns.has("a"), turns.has("b")], [1, true, false]);
  await end(0);
  assert.deepEqual([begun(), done], [2, 0]);
  await end(1);
  assert.deepEqual([begun(), done, turns.has("a")], [2, 4, false]);
});

test("other things are read meanwhile, and a thing is read again later", async () => {
  const turns = new Turns();
  const { read, end, begun } = slowRead();
  void turns.take("a", read);
  void turns.take("b", read);
  assert.equal(begun(), 2);
  await end(0);
  assert.deepEqual([turns.has("a"), turns.has("b")], [false, true]);
  void turns.take("a", read);
  assert.equal(begun(), 3);
});
