// The administrator's pages, driven as a person would.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { api, createEvent, email, openBrowser, overflow, plays, push, setStatus, signIn, skip, until, url } from "./stack.mjs";

const pressable = (page) =>
  page.$$eval(".transport button", (all) => all.filter((one) => !one.disabled).map((one) => one.textContent.trim()));
const chip = (page, status) => page.waitForSelector(`.page-head [data-status=${status}]`, { timeout: 4_000 });

const step = (name, act) => test(name, { timeout: 60_000 }, act);

describe("the administrator's pages", { skip }, () => {
  let browser;
  let page;
  const faults = [];
  before(async () => {
    browser = await openBrowser();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(10_000);
    page = await context.newPage();
    page.on("pageerror", (error) => faults.push(error.message));
  });
  after(() => browser?.close());

  step("a wrong password is refused in words, the right one opens the events", async () => {
    await page.goto(`${url}/events`);
    await page.fill("input[name=email]", email);
    await page.fill("input[name=password]", "not the password");
    await page.click("button[type=submit]");
    await page.getByText("E-mail or password is wrong").waitFor();
    await signIn(page);
    await page.getByRole("heading", { name: "Events", exact: true }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Events", exact: true }).waitFor();
  });

  step("an event is made, named, and driven by the buttons that its status allows", async () => {
    await page.goto(`${url}/events`);
    await page.getByRole("button", { name: /New event|Create the first event/ }).first().click();
    await page.fill("dialog input[name=title]", "Made in the browser");
    await page.getByRole("button", { name: "Create event" }).click();
    await page.getByRole("heading", { name: "Made in the browser" }).waitFor();
    assert.deepEqual(await pressable(page), ["Preview", "Start"]);

    await page.click("[data-to=preview]");
    await chip(page, "preview");
    assert.deepEqual(await pressable(page), ["Close preview", "Start"]);
    await page.getByRole("button", { name: "Undo" }).click();
    await chip(page, "waiting");
    await page.click("[data-to=started]");
    await chip(page, "started");
    assert.deepEqual(await pressable(page), ["Pause", "End"]);
    await page.click("[data-to=paused]");
    await chip(page, "paused");
    assert.deepEqual(await pressable(page), ["Resume", "End"]);
    await page.click("[data-to=ended]");
    await page.getByRole("button", { name: "Cancel" }).click();
    await chip(page, "paused");
    await page.click("[data-to=ended]");
    await page.click("[data-confirm=end]");
    await chip(page, "ended");
    assert.deepEqual(await pressable(page), []);
  });

  step("stream keys are hidden until shown", async () => {
    const event = await createEvent("Keys");
    await page.goto(`${url}/events/${event.id}`);
    const field = page.locator("[data-input=main]");
    await field.getByRole("button", { name: "Show main stream key" }).waitFor();
    assert.ok(!(await field.innerText()).includes(event.inputs.main.key));
    await field.getByRole("button", { name: "Show main stream key" }).click();
    assert.ok((await field.innerText()).includes(event.inputs.main.key));
    assert.ok((await field.innerText()).includes(event.inputs.main.url));
  });

  step("what others change shows by itself", async () => {
    const event = await createEvent("Changed elsewhere");
    await page.goto(`${url}/events/${event.id}`);
    await chip(page, "waiting");
    await setStatus(event, "started");
    await chip(page, "started");
    await setStatus(event, "ended");
    await chip(page, "ended");
  });

  step("the preview plays for the administrator before viewers see anything", async () => {
    const event = await createEvent("Preview");
    const broadcast = push(event);
    try {
      await page.goto(`${url}/events/${event.id}`);
      await page.waitForSelector("[data-input=main] .dot-ready", { timeout: 8_000 });
      await page.click("[data-to=preview]");
      await plays(page, 3);
      const viewer = await fetch(`${url}/live/public/${event.id}/index.m3u8`);
      assert.notEqual(viewer.status, 200);
    } finally {
      await broadcast.stop();
    }
  });

  step("a deleted item is gone, and a job has removed its media", async () => {
    const event = await createEvent("To be deleted");
    await setStatus(event, "started");
    const broadcast = push(event);
    try {
      const playlist = () => fetch(`${url}/live/public/${event.id}/index.m3u8`);
      await until("a broadcast", async () => (await playlist()).ok, 30_000);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    } finally {
      await broadcast.stop();
    }
    await setStatus(event, "ended");
    const mine = async () => (await api("GET", "/items")).data.find((item) => item.event_id === event.id);
    const item = await until("an item", mine, 20_000);
    await page.goto(`${url}/items/${item.id}`);
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByText("This cannot be undone.").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.ok(await mine());
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.click("[data-confirm=delete]");
    await page.getByRole("heading", { name: "Items", exact: true }).waitFor();
    assert.equal(await mine(), undefined);
    assert.equal(await page.locator(`a[href="/items/${item.id}"]`).count(), 0);
    await page.getByRole("link", { name: "Jobs" }).click();
    const row = page.locator("[data-job][data-state=done]", { hasText: "Delete the media of “To be deleted”" });
    await row.getByText(/\d+ files removed/).waitFor();
  });

  step("a device is added, and its secret is shown once as configuration", async () => {
    await page.goto(`${url}/devices`);
    await page.getByRole("button", { name: /Add device|Add the first device/ }).first().click();
    await page.fill("dialog input[name=name]", "Browser box");
    await page.locator("dialog").getByRole("button", { name: "Add device" }).click();
    const toml = await page.locator("dialog pre").innerText();
    assert.match(toml, /\[cloud\]\nurl = "http.*"\nid = "box_[0-9a-z]+"\nsecret = ".+"/);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("dialog pre").count(), 1);
    await page.getByRole("button", { name: "I have copied it" }).click();
    const card = page.getByRole("region", { name: "Browser box" }).first();
    await card.waitFor();
    assert.equal(await card.locator("[data-command=start_stream]").isDisabled(), true);
    assert.ok((await api("GET", "/devices")).data.some((device) => device.name === "Browser box"));
  });

  step("no page is wider than a telephone", async () => {
    const event = await createEvent("A title that is long enough to need more than one line on a small telephone");
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["events", `events/${event.id}`, "devices", "items", "jobs", "files", "settings", "nowhere"]) {
      await page.goto(`${url}/${path}`);
      await page.waitForSelector("main h1, main h2");
      assert.ok((await overflow(page)) <= 0, path);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  step("leaving ends the session", async () => {
    await page.goto(`${url}/events`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForSelector("input[name=password]");
    await page.goto(`${url}/devices`);
    await page.waitForSelector("input[name=password]");
    assert.deepEqual(faults, []);
  });
});
