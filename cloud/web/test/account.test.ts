import assert from "node:assert/strict";
import { test } from "node:test";
import { nameFor, refusal, typeOf } from "../src/admin/data/include_files.ts";
import { changed, grouped, inConflict, shownValue, valueText, wouldBeSet } from "../src/admin/data/settings_form.ts";
import type { Account, Setting } from "../src/admin/data/types.ts";
import { gib, usageOf } from "../src/admin/data/usage.ts";
import { inkOn } from "../src/embed/page_data.ts";

const setting = (name: string, value: string | number, more: Partial<Setting> = {}): Setting => ({
  name, value, default: value, group: "Player", type: "text", unit: null, description: "", is_set: false, min: null,
  max: null, max_length: null, choices: null, ...more,
});

test("a change that is none leaves nothing to save", () => {
  const plain = setting("title", "Soon");
  const own = setting("title", "Later", { default: "Soon", is_set: true });
  const once = changed({}, plain, "Now");
  assert.deepEqual(once, { title: "Now" });
  assert.deepEqual(changed(once, plain, "Soon"), {});
  assert.deepEqual(changed(once, plain, null), {});
  assert.deepEqual(changed({}, own, null), { title: null });
  assert.deepEqual(changed({ title: null }, own, "Later"), {});
  assert.equal(shownValue(own, { title: null }), "Soon");
  assert.equal(shownValue(own, {}), "Later");
  assert.equal(wouldBeSet(own, { title: null }), false);
  assert.equal(wouldBeSet(plain, once), true);
  // What is set to the very default is set, and can be reset.
  const same = setting("title", "Soon", { is_set: true });
  assert.deepEqual(changed({}, same, null), { title: null });
});

test("what somebody else changed meanwhile is told, as far as it is changed here too", () => {
  const before = [setting("a", 1), setting("b", 1), setting("c", 1)];
  const now = [setting("a", 2), setting("b", 1), setting("c", 2)];
  assert.deepEqual(inConflict({ a: 3, b: 3 }, before, now), ["a"]);
});

test("settings stand under their headings in the server's order", () => {
  const all = [setting("a", 1), setting("b", 1, { group: "Events" }), setting("c", 1)];
  assert.deepEqual(grouped(all).map(({ title, list }) => [title, list.map(({ name }) => name)]), [["Player", ["a", "c"]], ["Events", ["b"]]]);
  assert.equal(valueText(setting("a", 5, { unit: "s" }), 5), "5 s");
  assert.equal(valueText(setting("a", ""), ""), "none");
});

test("files get names and types that the server takes", () => {
  assert.equal(nameFor("Our logo (2).svg"), "Our-logo-2.svg");
  assert.equal(nameFor("Überschrift.CSS"), "Uberschrift.CSS");
  assert.equal(nameFor(".htaccess"), "htaccess");
  assert.equal(nameFor(`${"x".repeat(150)}.woff2`).length, 100);
  assert.ok(nameFor(`${"x".repeat(150)}.woff2`).endsWith(".woff2"));
  assert.equal(typeOf("A.JPG"), "image/jpeg");
  assert.equal(refusal("a.svg", 10), undefined);
  assert.match(refusal("a.svg", 2_000_000) ?? "", /1 MiB/);
  assert.match(refusal("a.mp4", 10) ?? "", /style sheets/);
  assert.match(refusal("文.", 10) ?? "", /name/);
});

test("how full an account is, in words", () => {
  const of = (bytes: number | null, limit: number | null, level: Account["usage"]["storage_level"]) =>
    usageOf({
      usage: { storage_bytes: bytes, storage_level: level, counted_at: null },
      limits: { storage_gib: limit, events_at_once: null, broadcasts_at_once: null, broadcast_kbps: null, recording_days: null, upload_gib: null },
    });
  assert.equal(of(3 * 1024 ** 2, null, "free").words, "3 MiB used, no limit");
  assert.equal(of(null, 5, "free").words, "not counted yet of 5 GiB");
  const full = of(6 * 1024 ** 3, 5, "full");
  assert.deepEqual([full.words, full.part, full.tone], ["6 GiB used of 5 GiB", 1, "bad"]);
  assert.match(full.warning, /Live goes on/);
  assert.equal(of(0, 0, "full").part, 1);
  assert.equal(gib(2048), "2 TiB");
});

test("text on the account's colour can be read", () => {
  assert.equal(inkOn("#ffffff"), "#000");
  assert.equal(inkOn("#000000"), "#fff");
  assert.equal(inkOn("#c2410c"), "#fff");
  assert.equal(inkOn("#ffcc00"), "#000");
});
