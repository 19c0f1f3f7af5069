// A box is tested from its page, before anything is assigned to it. Beside the server's, the environment names the box
// (STAGEBOX_DEVICE), which is off air.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { api, openBrowser, overflow, signIn, skip as noServer, until, url } from "./stack.mjs";

const box = process.env.STAGEBOX_DEVICE;
const skip = noServer || (box ? false : "no box is named in the environment");

describe("the test before going live", { skip, timeout: 120_000 }, () => {
  let browser;
  let page;
  before(async () => {
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await signIn(page);
    await until("the box", async () => (await api("GET", `/devices/${box}`)).online, 20_000);
    await page.goto(`${url}/devices/${box}`);
  });
  after(() => browser?.close());

  const state = (name) => page.waitForSelector(`[data-preflight=${name}]`, { timeout: 60_000 });
  const verdict = (name) => page.getAttribute(`[data-check=${name}]`, "data-verdict");

  test("one that is cancelled says so", async () => {
    await page.click("[data-command=preflight]");
    await state("running");
    await page.getByLabel("Progress of the test").waitFor();
    await page.click("[data-command=cancel_preflight]");
    await state("cancelled");
    assert.match(await page.innerText("[data-preflight]"), /it was cancelled/);
  });

  test("one that ends says what is wrong and what to do, on a small screen too", async () => {
    await page.getByRole("button", { name: "Test again" }).click();
    await state("running");
    await state("failed");
    assert.equal(await verdict("source"), "pass");
    assert.equal(await verdict("main"), "fail");
    assert.match(await page.innerText("[data-check=main]"), /no server is set[^]*assign an event to the box/);
    // The line to the cloud was measured.
    assert.match(await page.innerText("[data-check=upload]"), /carries \d+ kbit\/s/);
    assert.equal((await api("GET", `/devices/${box}`)).telemetry.live.state, "off");
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok((await overflow(page)) <= 0, "the page is wider than the screen");
  });
});
