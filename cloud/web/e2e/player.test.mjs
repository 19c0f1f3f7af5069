// The pages that viewers see: before, during and after an event, on one connection pool of HTTP/1.1.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { createEvent, openBrowser, overflow, playback, plays, push, setStatus, skip, until, url } from "./stack.mjs";

const heading = (page, text, withinMs) => page.getByRole("heading", { name: text }).waitFor({ timeout: withinMs });

const step = (name, act) => test(name, { timeout: 60_000 }, act);

describe("the event's player", { skip }, () => {
  let browser;
  let context;
  before(async () => {
    browser = await openBrowser();
    context = await browser.newContext({ viewport: { width: 960, height: 540 } });
    context.setDefaultTimeout(10_000);
  });
  after(() => browser?.close());

  step("an unknown event is said in words", async () => {
    const page = await context.newPage();
    const answer = await page.goto(`${url}/embed/events/evt_00000000000000000000`);
    assert.equal(answer.status(), 404);
    await heading(page, "Nothing to play here");
    const state = await fetch(`${url}/embed/events/evt_00000000000000000000/status.json`);
    assert.equal(state.status, 404);
    await page.close();
  });

  step("two pages follow an event from before to after, and its item plays", async () => {
    const event = await createEvent("Two viewers");
    const broadcast = push(event);
    try {
      const pages = [await context.newPage(), await context.newPage()];
      for (const page of pages) {
        await page.goto(`${url}/embed/events/${event.id}`);
        await heading(page, "Starting soon");
      }
      await setStatus(event, "started");
      for (const page of pages) await page.waitForSelector(".player", { timeout: 2_000 });
      await Promise.all(pages.map((page) => plays(page, 5)));

      await setStatus(event, "paused");
      await Promise.all(pages.map((page) => heading(page, "We will be right back", 2_000)));
      await setStatus(event, "started");
      await Promise.all(pages.map((page) => page.waitForSelector(".player", { timeout: 2_000 })));
      await Promise.all(pages.map((page) => plays(page, 2)));

      await setStatus(event, "ended");
      await Promise.all(pages.map((page) => heading(page, "This event has ended", 2_000)));

      const [page] = pages;
      await page.getByRole("link", { name: "Watch the recording" }).click({ timeout: 15_000 });
      await page.getByRole("button", { name: "Play" }).first().click();
      await plays(page, 2);
    } finally {
      await broadcast.stop();
    }
  });

  step("without the stream a page polls, and follows all the same", async () => {
    const event = await createEvent("No stream");
    const page = await context.newPage();
    await page.route("**/stream", (route) => route.abort());
    await page.goto(`${url}/embed/events/${event.id}`);
    await heading(page, "Starting soon");
    await setStatus(event, "started");
    await page.waitForSelector(".player", { timeout: 3_500 });
    await setStatus(event, "ended");
    await heading(page, "This event has ended", 3_500);
    const answer = await fetch(`${url}/embed/events/${event.id}/status.json`);
    assert.match(answer.headers.get("cache-control"), /max-age=1/);
    await page.close();
  });

  step("a started event without a broadcast says so, and plays once it comes", async () => {
    const event = await createEvent("Late broadcast");
    await setStatus(event, "started");
    const page = await context.newPage();
    await page.goto(`${url}/embed/events/${event.id}`);
    await page.waitForSelector(".player-notice");
    const broadcast = push(event);
    try {
      await plays(page, 2);
      assert.equal(await page.locator(".player-notice").count(), 0);
    } finally {
      await broadcast.stop();
      await setStatus(event, "ended");
      await page.close();
    }
  });

  step("keys drive the player", async () => {
    const event = await createEvent("Keys");
    const broadcast = push(event);
    const page = await context.newPage();
    try {
      await setStatus(event, "started");
      await page.goto(`${url}/embed/events/${event.id}`);
      await plays(page, 1);
      await page.keyboard.press("m");
      assert.equal(await page.evaluate(() => window.stagebox.video.muted), true);
      await page.keyboard.press("m");
      assert.equal(await page.evaluate(() => window.stagebox.video.muted), false);
      await page.keyboard.press("ArrowDown");
      assert.ok((await page.evaluate(() => window.stagebox.video.volume)) < 1);
      await page.keyboard.press(" ");
      await until("a pause", async () => (await playback(page)).paused);
      await page.keyboard.press(" ");
      await plays(page, 1);
    } finally {
      await broadcast.stop();
      await setStatus(event, "ended");
      await page.close();
    }
  });

  step("another site shows it in a frame, and its policy lets nothing else in", async () => {
    const event = await createEvent("Framed");
    const frame = `<iframe src="${url}/embed/events/${event.id}" width="390" height="220"></iframe>`;
    const site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(frame));
    await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    await page.frameLocator("iframe").getByRole("heading", { name: "Starting soon" }).waitFor();
    assert.deepEqual(complaints.filter((text) => !text.includes("favicon")), []);
    await page.close();
    site.closeAllConnections();
    site.close();
  });

  step("it fits a telephone", async () => {
    const event = await createEvent("A title that is long enough to need more than one line on a small telephone");
    const page = await context.newPage();
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${url}/embed/events/${event.id}`);
    await heading(page, "Starting soon");
    assert.ok((await overflow(page)) <= 0);
    await page.close();
  });
});

test("where a browser allows no sound by itself, playback begins muted with a way out", { skip, timeout: 60_000 }, async () => {
  const browser = await openBrowser({ autoplay: false });
  const event = await createEvent("Muted");
  const broadcast = push(event);
  try {
    await setStatus(event, "started");
    const page = await browser.newPage();
    await page.goto(`${url}/embed/events/${event.id}`);
    const unmute = page.getByRole("button", { name: "Unmute" }).first();
    await unmute.waitFor({ timeout: 20_000 });
    await until("a picture", async () => (await playback(page)).frames > 0, 20_000);
    await unmute.click();
    assert.equal(await page.evaluate(() => window.stagebox.video.muted), false);
  } finally {
    await broadcast.stop();
    await setStatus(event, "ended");
    await browser.close();
  }
});
