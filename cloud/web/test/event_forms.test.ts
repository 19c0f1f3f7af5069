import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, drafted, undoOf, valueAt } from "../src/admin/data/event_draft.ts";
import type { LiveEvent, Setting } from "../src/admin/data/types.ts";
import { choices, fixed, renditionName, toggled } from "../src/admin/data/renditions.ts";
import { faultWords, isoOf, localText } from "../src/admin/data/schedule.ts";
import { accountWords, placeholder, shownWords } from "../src/admin/data/slates.ts";

const event = {
  starts_at: null, countdown: false,
  messages: { waiting: { title: "Soon", text: null }, paused: { title: null, text: null }, ended: { title: null, text: "" } },
  images: { general: null, waiting: "a.png", paused: null, ended: null },
} as unknown as LiveEvent;

test("a draft holds what is changed, by the API's names, and a change back is none", () => {
  let draft = drafted({}, event, "messages.waiting.title", null);
  draft = drafted(draft, event, "images.waiting", "b.png");
  draft = drafted(draft, event, "countdown", true);
  assert.deepEqual(bodyOf(draft), { messages: { waiting: { title: null } }, images: { waiting: "b.png" }, countdown: true });
  assert.deepEqual(bodyOf(undoOf(draft, event)), { messages: { waiting: { title: "Soon" } }, images: { waiting: "a.png" }, countdown: false });
  assert.deepEqual(drafted(draft, event, "images.waiting", "a.png"), { "messages.waiting.title": null, countdown: true });
  assert.equal(valueAt(event, "messages.ended.text"), "");
  assert.equal(valueAt(event, "nothing.of.it"), undefined);
});

test("times are typed in the pages' time zone", () => {
  const vienna = "Europe/Vienna";
  assert.equal(localText("2026-07-01T12:00:00Z", vienna), "2026-07-01T14:00");
  assert.equal(localText("2026-12-31T23:30:00Z", vienna), "2027-01-01T00:30");
  assert.equal(isoOf("2026-07-01T14:00", vienna), "2026-07-01T12:00:00Z");
  assert.equal(isoOf("2026-01-15T09:30", "America/New_York"), "2026-01-15T14:30:00Z");
  assert.equal(isoOf("2026-07-01T14:00", "Asia/Kathmandu"), "2026-07-01T08:15:00Z");
  for (const empty of ["", "2026-07-", "never"]) assert.equal(isoOf(empty, vienna), null);
  assert.equal(localText(null, vienna), "");
  assert.equal(localText("never", vienna), "");
  assert.equal(isoOf("2026-07-01T14:00", "No/Zone"), isoOf("2026-07-01T14:00", undefined));
});

test("an hour that clocks show twice is the first, and one that they leave out is later", () => {
  assert.equal(isoOf("2026-10-25T02:30", "Europe/Vienna"), "2026-10-25T00:30:00Z");
  assert.equal(isoOf("2026-10-25T03:30", "Europe/Vienna"), "2026-10-25T02:30:00Z");
  assert.equal(isoOf("2026-03-29T02:30", "Europe/Vienna"), "2026-03-29T01:30:00Z");
  assert.equal(localText("2026-03-29T01:30:00Z", "Europe/Vienna"), "2026-03-29T03:30");
  assert.equal(isoOf("2026-11-01T01:30", "America/New_York"), "2026-11-01T05:30:00Z");
});

test("each typed time comes back as it was typed", () => {
  for (const zone of ["Europe/Vienna", "America/Los_Angeles", "Australia/Lord_Howe", "UTC"]) {
    for (let hour = 0; hour < 24 * 365; hour += 7) {
      const text = new Date(Date.UTC(2026, 0, 1, hour, 10)).toISOString().slice(0, 16);
      const iso = isoOf(text, zone);
      const back = localText(iso, zone);
      // Those that clocks leave out are the only ones that do not.
      if (back !== text) assert.ok(/^2026-(03|10|11)-/.test(text) && back > text, `${zone} ${text} ${back}`);
    }
  }
});

test("one to six resolutions, the largest first", () => {
  assert.deepEqual(toggled([720, 360], 1080), [1080, 720, 360]);
  assert.deepEqual(toggled([720, 360], 720), [360]);
  assert.notEqual(fixed([720], 720), "");
  assert.equal(fixed([720, 360], 720), "");
  assert.notEqual(fixed([1080, 720, 540, 480, 360, 240], 2160), "");
  assert.equal(fixed([1080, 720, 540, 480, 360, 240], 240), "");
  assert.deepEqual(choices(true, null), ["source", "720p", "480p", "360p"]);
  assert.deepEqual(choices(true, [1080]), ["source", "1080p"]);
  assert.deepEqual(choices(false, [1080]), ["source"]);
  assert.deepEqual(["source", "720p"].map(renditionName), ["As it is broadcast", "720p"]);
});

test("words of an event go before the account's, and none are none", () => {
  const settings = [{ name: "waiting_title", value: "Starting soon" }, { name: "waiting_text", value: "" }] as Setting[];
  const account = accountWords(settings, "waiting");
  assert.deepEqual(account, { title: "Starting soon", text: "" });
  assert.equal(accountWords(settings, "paused"), undefined);
  assert.deepEqual(shownWords({ title: null, text: "Doors at seven" }, account), { title: "Starting soon", text: "Doors at seven" });
  assert.deepEqual(shownWords({ title: "", text: null }, account), { title: "", text: "" });
  assert.equal(placeholder(null, "Starting soon"), "Starting soon");
  assert.equal(placeholder("", "Starting soon"), "Nothing is shown");
  assert.equal(placeholder(null, undefined), "As the account says");
});

test("what is wrong with a time is said without the API's names", () => {
  assert.equal(faultWords("must be after starts_at"), "must be after the beginning");
  assert.equal(faultWords("needs starts_at or ends_at"), "needs the beginning or the end");
  assert.equal(faultWords(undefined), "");
});
