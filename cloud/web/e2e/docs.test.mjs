// The API's document as people read it: Swagger UI out of the server, under its Content-Security-Policy.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { api, email, openBrowser, password, skip, url } from "./stack.mjs";

describe("the API's pages", { skip }, () => {
  let browser;
  let page;
  const faults = [];
  const foreign = [];
  before(async () => {
    browser = await openBrowser();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(15_000);
    page = await context.newPage();
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    page.on("request", (request) => {
      if (/^https?:/.test(request.url()) && new URL(request.url()).origin !== new URL(url).origin) foreign.push(request.url());
    });
  });
  after(() => browser?.close());

  test("they show every operation, and ask nobody but this server", { timeout: 60_000 }, async () => {
    const login = await page.context().request.post(`${url}/api/v1/session`, { data: { email, password } });
    assert.equal(login.status(), 200);
    await page.goto(`${url}/api/docs`);
    await page.locator(".opblock").first().waitFor();
    const document = await (await fetch(`${url}/api/v1/openapi.json`)).json();
    const operations = Object.values(document.paths).flatMap((item) => Object.keys(item));
    assert.equal(await page.locator(".opblock").count(), operations.length);
    assert.deepEqual([faults, foreign], [[], []]);
  });

  test("trying out a change is done as whoever is logged in", { timeout: 60_000 }, async () => {
    const title = `Tried out ${Date.now()}`;
    await page.locator("#operations-events-createEvent .opblock-summary-control").first().click();
    const operation = page.locator("#operations-events-createEvent");
    await operation.locator("textarea").fill(JSON.stringify({ title }));
    await operation.locator("button.execute").click();
    await operation.locator(".live-responses-table tbody .response-col_status").first().waitFor();
    assert.match(await operation.locator(".live-responses-table tbody .response-col_status").first().innerText(), /^201/);
    const events = await api("GET", "/events");
    assert.equal(events.data[0].title, title);
    assert.deepEqual([faults, foreign], [[], []]);
  });
});
