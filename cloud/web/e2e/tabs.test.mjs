// Tabs of one browser over HTTP/1.1, where it opens six connections to a server: they share one stream of changes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { api, createEvent, openBrowser, plays, push, setStatus, signIn, skip, until, url } from "./stack.mjs";

const step = (name, act) => test(name, { timeout: 60_000 }, act);

/** More than there are connections. */
const TABS = 7;

const chip = (page, status) => page.waitForSelector(`.page-head [data-status=${status}]`, { timeout: 10_000 });
const rename = (event, title) => api("PATCH", `/events/${event.id}`, { title });
const titled = (pages, name) => Promise.all(pages.map((page) => page.getByRole("heading", { name }).waitFor({ timeout: 10_000 })));

/** Asks the server from a page, over the connections that all tabs share. */
const answers = (page, event) =>
  page.evaluate(async (id) => {
    const answer = await fetch(`/api/v1/events/${id}`, { signal: AbortSignal.timeout(10_000) });
    const protocols = performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol);
    return { status: answer.status, protocols: [...new Set(protocols)].filter(Boolean) };
  }, event.id);

const ANSWER = { status: 200, protocols: ["http/1.1"] };

/** Opens tabs of the event's page. */
async function tabs(context, at, event, count) {
  const opened = Array.from({ length: count }, async () => {
    const page = await context.newPage();
    await page.goto(`${at}/events/${event.id}`);
    return page;
  });
  const pages = await Promise.all(opened);
  await Promise.all(pages.map((page) => page.waitForSelector(".page-head [data-status]")));
  return pages;
}

/** The streams that pages of a context hold. */
function streamsOf(context) {
  const held = new Map();
  const over = (request) => held.delete(request);
  context.on("request", (request) => {
    if (request.resourceType() === "eventsource") held.set(request, request.frame().page());
  });
  context.on("requestfailed", over);
  context.on("requestfinished", over);
  return { count: () => [...held.values()].filter((page) => !page.isClosed()).length };
}

describe("several tabs", { skip }, () => {
  step("two tabs play and follow an event over one stream, which the second takes over from the first", async () => {
    const browser = await openBrowser();
    const event = await createEvent("Two tabs");
    const broadcast = push(event);
    try {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
      const streams = streamsOf(context);
      const first = await context.newPage();
      await signIn(first);
      await setStatus(event, "started");
      await first.goto(`${url}/events/${event.id}`);
      const [second] = await tabs(context, url, event, 1);
      await Promise.all([first, second].map((page) => plays(page, 2)));
      assert.equal(streams.count(), 1);
      for (const page of [first, second]) assert.deepEqual(await answers(page, event), ANSWER);
      await setStatus(event, "paused");
      await Promise.all([first, second].map((page) => chip(page, "paused")));

      // The tab that holds the stream goes; what happens before the next one holds it is not lost.
      await context.route("**/api/v1/stream", (route) => rename(event, "One tab").then(() => route.continue()), { times: 1 });
      await first.close();
      await titled([second], "One tab");
      await until("one stream again", () => streams.count() === 1);
    } finally {
      await broadcast.stop();
      await setStatus(event, "ended");
      await browser.close();
    }
  });

  step("where the browser has no locks, by a name and without TLS, a worker holds the stream for all", async () => {
    const browser = await openBrowser({ flags: ["--host-resolver-rules=MAP stagebox.test 127.0.0.1"] });
    try {
      const at = url.replace("127.0.0.1", "stagebox.test");
      const event = await createEvent("Without locks");
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
      const streams = streamsOf(context);
      const first = await context.newPage();
      await signIn(first, at);
      assert.equal(await first.evaluate(() => "locks" in navigator), false);
      const others = await tabs(context, at, event, TABS);
      await rename(event, "A worker");
      await titled(others, "A worker");
      assert.deepEqual(await answers(others.at(-1), event), ANSWER);
      await first.close();
      await others[0].close();
      await rename(event, "The same worker");
      await titled(others.slice(1), "The same worker");
      assert.equal(streams.count(), 0);
    } finally {
      await browser.close();
    }
  });
});
