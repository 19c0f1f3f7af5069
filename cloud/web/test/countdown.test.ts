import assert from "node:assert/strict";
import { test } from "node:test";
import type { Look } from "../src/embed/page_data.ts";
import { laterImages, ServiceNote, slateOf } from "../src/embed/shown.ts";
import { leftOf, nextTickMs, ServerClock, spoken } from "../src/live/countdown.ts";
import { StatusFollower, type EventState } from "../src/live/status_follower.ts";

test("what is left, down to the last second and never below", () => {
  assert.deepEqual(leftOf(90_061_000), { days: 1, hours: 1, minutes: 1, seconds: 1 });
  assert.deepEqual(leftOf(59_999), { days: 0, hours: 0, minutes: 1, seconds: 0 });
  assert.deepEqual(leftOf(1), { days: 0, hours: 0, minutes: 0, seconds: 1 });
  for (const over of [0, -1, -5000, Number.NaN]) assert.equal(leftOf(over), undefined);
});

test("the next second is shown when it comes", () => {
  assert.equal(nextTickMs(5_300), 300);
  assert.equal(nextTickMs(5_000), 1000);
  assert.equal(nextTickMs(-300), 700);
});

test("it is said seldom while there is time, and by the minute at the end", () => {
  const said = new Set<string>();
  for (let ms = 3_600_000; ms > 600_000; ms -= 1000) said.add(spoken(ms));
  assert.equal(said.size, 10);
  assert.equal(spoken(3 * 86_400_000), "Begins in 3 days");
  assert.equal(spoken(7_300_000), "Begins in 2 hours");
  assert.equal(spoken(3_700_000), "Begins in 1 hour");
  assert.equal(spoken(240_000), "Begins in 4 minutes");
  assert.equal(spoken(59_000), "Begins in less than a minute");
  assert.equal(spoken(0), "Starting now");
});

test("a viewer's wrong clock does not count, and a late answer does no harm", () => {
  const server = Date.parse("2030-05-01T12:00:00Z");
  const iso = (ms: number): string => new Date(ms).toISOString();
  const clock = new ServerClock(1_000_000);
  assert.equal(clock.at(500), 1_000_500);
  clock.heard(undefined, 0);
  clock.heard("nonsense", 0);
  assert.equal(clock.at(500), 1_000_500);
  clock.heard(iso(server), 2_000);
  assert.equal(clock.at(2_000), server);
  // Under way for three seconds, or kept by another page.
  clock.heard(iso(server + 10_000), 15_000);
  assert.equal(clock.at(20_000), server + 18_000);
  // Quicker than the first.
  clock.heard(iso(server + 20_000), 21_500);
  assert.equal(clock.at(21_500), server + 20_000);
});

const words = (title: string) => ({ title, text: `${title}.` });
const look: Look = { accent: null, logo: null, low_latency: true, autoplay: true, waiting: words("Soon"), paused: words("Back soon"), ended: words("Over") };
const event: EventState = { id: "evt_1", title: "A", status: "waiting", version: 1, receiving: false };

test("without newer fields the account's look is shown", () => {
  assert.deepEqual(slateOf(event, look), { status: "waiting", title: "Soon", text: "Soon.", image: null, startsAt: null, replay: undefined });
  assert.equal(slateOf({ ...event, status: "preview" }, look)?.title, "Soon");
  assert.equal(slateOf({ ...event, status: "ended", items: ["itm_1", "itm_2"] }, look)?.replay, "itm_2");
  assert.equal(slateOf({ ...event, status: "started" }, look), undefined);
  assert.deepEqual(laterImages(event), []);
});

test("an event's own words, pictures and beginning are shown", () => {
  const full: EventState = {
    ...event, starts_at: "2030-05-01T12:00:00Z",
    messages: { waiting: { title: "Doors at seven", text: "" }, paused: words("P"), ended: words("E") },
    images: { waiting: null, paused: "/include/a/p.png?v=1", ended: "/include/a/p.png?v=1" },
  };
  assert.deepEqual(slateOf(full, look), {
    status: "waiting", title: "Doors at seven", text: "", image: null, startsAt: Date.parse("2030-05-01T12:00:00Z"), replay: undefined,
  });
  const paused = slateOf({ ...full, status: "paused" }, look);
  assert.deepEqual([paused?.image, paused?.startsAt], ["/include/a/p.png?v=1", null]);
  assert.deepEqual(laterImages(full), ["/include/a/p.png?v=1"]);
  assert.equal(slateOf({ ...event, starts_at: "nonsense" }, look)?.startsAt, null);
});

test("a closed message stays closed until it is another one, or was away", () => {
  let note = new ServiceNote("Sound is coming");
  assert.equal(note.shown, "Sound is coming");
  note = note.closed();
  assert.equal(note.shown, "");
  assert.equal(note.with("Sound is coming").shown, "");
  assert.equal(note.with("Picture is coming").shown, "Picture is coming");
  assert.equal(note.with("").with("Sound is coming").shown, "Sound is coming");
  assert.equal(new ServiceNote().shown, "");
});

test("that the server's clock goes on is no news, a new message is", () => {
  const follower = new StatusFollower({ ...event, now: "2030-05-01T12:00:00Z" }, 0);
  assert.equal(follower.take({ ...event, now: "2030-05-01T12:00:05Z" }, 10, "poll"), false);
  assert.equal(follower.take({ ...event, now: "2030-05-01T12:00:06Z", service_message: "Hello" }, 20, "stream"), true);
});
