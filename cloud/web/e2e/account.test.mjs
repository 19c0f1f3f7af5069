// The account's settings and files, driven as a person would; and what a hostile file can do, which must be nothing.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { api, createEvent, openBrowser, signIn, skip, until, url } from "./stack.mjs";

const step = (name, act) => test(name, { timeout: 60_000 }, act);
const field = (page, name) => page.locator(`[data-setting=${name}]`);
const RESET = { waiting_title: null, accent_colour: null, logo: null, time_zone: null };

/** Tries all that a script with its reader's rights could do, and says what worked where the test can see it. */
const ATTACK = `
  document.title = "ran";
  try { localStorage.setItem("attack", "ran"); } catch {}
  try { document.cookie = "attack=ran; path=/"; } catch {}
  fetch("/api/v1/users", { credentials: "include" }).then((answer) => answer.text()).then((text) => {
    fetch("/embed/attack-" + (text.includes("@") ? "read-users" : "asked"));
  });
  fetch("/embed/attack-ran");
`;
const HTML = `<!doctype html><title>still</title><h1>Hostile</h1><script>${ATTACK}</script>
<img src="x" onerror='document.title="ran by a handler"'><iframe srcdoc="<script>parent.document.title='ran in a frame'</script>"></iframe>
<form action="/api/v1/session" method="post"><button id="send">Send</button></form><a id="js" href="javascript:document.title='ran by a link'">x</a>`;
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60" onload="document.documentElement.setAttribute('ran','1')">
<rect width="90" height="60" fill="#c00"/><script>${ATTACK.replace("document.title", "document.documentElement.id")}</script>
<foreignObject width="90" height="60"><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:parent.x=1"></iframe></foreignObject></svg>`;

async function upload(name, type, body) {
  const { email, password } = { email: process.env.STAGEBOX_EMAIL, password: process.env.STAGEBOX_PASSWORD };
  const answer = await fetch(`${url}/api/v1/include-files/${name}`, {
    method: "PUT",
    headers: { "content-type": type, authorization: `Basic ${Buffer.from(`${email}:${password}`).toString("base64")}` },
    body,
  });
  assert.ok(answer.ok, await answer.clone().text());
  const { url: made } = await answer.json();
  return new URL(made).pathname;
}

describe("the account's settings and files", { skip }, () => {
  let browser;
  let page;
  const faults = [];
  before(async () => {
    browser = await openBrowser();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(10_000);
    page = await context.newPage();
    page.on("pageerror", (error) => faults.push(error.message));
    await api("PATCH", "/account/settings", RESET);
    for (const { name } of (await api("GET", "/include-files")).data) await api("DELETE", `/include-files/${name}`);
    await signIn(page);
  });
  after(async () => {
    await api("PATCH", "/account/settings", RESET);
    await browser?.close();
  });

  step("files are chosen, refused with the reason, replaced when asked, and deleted", async () => {
    await page.getByRole("link", { name: "Files" }).click();
    await page.getByText("No files yet").waitFor();
    const svg = (fill) => Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="${fill}"/></svg>`);
    const choose = (files) => page.setInputFiles("input[aria-label='Files to upload']", files);
    await choose([
      { name: "Our logo.svg", mimeType: "image/svg+xml", buffer: svg("red") },
      { name: "film.mp4", mimeType: "video/mp4", buffer: Buffer.from("x") },
      { name: "large.css", mimeType: "text/css", buffer: Buffer.alloc(1_048_577, " ") },
    ]);
    await page.locator("[data-file='Our-logo.svg'] img").waitFor();
    await page.locator("[data-upload='film.mp4']", { hasText: "Files may be" }).waitFor();
    await page.locator("[data-upload='large.css']", { hasText: "larger than 1 MiB" }).waitFor();
    const shown = () => page.$eval("[data-file='Our-logo.svg'] img", (image) => image.complete && image.naturalWidth > 0);
    await until("the preview", shown);

    await choose([{ name: "Our logo.svg", mimeType: "image/svg+xml", buffer: svg("blue") }]);
    const asked = page.locator("[data-upload='Our-logo.svg']", { hasText: "There is a file of this name" });
    await asked.waitFor();
    const hash = async () => (await api("GET", "/include-files/Our-logo.svg")).sha256;
    const old = await hash();
    await asked.getByRole("button", { name: "Replace it" }).click();
    await until("the new one", async () => (await hash()) !== old);

    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["a{}"], "dropped.css", { type: "text/css" }));
      window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    await page.locator("[data-file='dropped.css']").waitFor();
    await page.getByRole("button", { name: "Delete dropped.css" }).click();
    await page.click("[data-confirm=delete]");
    await page.locator("[data-file='dropped.css']").waitFor({ state: "detached" });
    const left = (await api("GET", "/include-files")).data.map(({ name }) => name);
    assert.deepEqual(left, ["Our-logo.svg"]);
  });

  step("settings are changed, refused at their fields, kept from being lost, and shown to viewers", async () => {
    await page.getByRole("link", { name: "Settings" }).click();
    await field(page, "waiting_title").locator("input").fill("Doors open at eight");
    await field(page, "time_zone").locator("input").fill("Europe/Atlantis");
    await page.getByRole("button", { name: "Save" }).click();
    await field(page, "time_zone").getByText("must be a time zone").waitFor();
    await page.getByRole("link", { name: "Events" }).click();
    await page.getByText("2 changes of the settings would be lost").waitFor();
    await page.getByRole("button", { name: "Stay here" }).click();
    assert.equal(new URL(page.url()).pathname, "/settings");
    await field(page, "time_zone").locator("input").fill("Asia/Tokyo");
    await field(page, "accent_colour").locator("input[type=text]").fill("#00aa55");
    await field(page, "logo").locator("select").selectOption("Our-logo.svg");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Settings saved").waitFor();
    await page.getByRole("button", { name: "Save" }).waitFor({ state: "detached" });

    const event = await createEvent("With a logo");
    const viewer = await browser.newPage();
    await viewer.goto(`${url}/embed/events/${event.id}`);
    await viewer.getByRole("heading", { name: "Doors open at eight" }).waitFor();
    const logo = () => viewer.$eval(".message-logo", (image) => image.complete && image.naturalWidth > 0);
    await until("the logo", logo);
    const accent = await viewer.evaluate(() => document.documentElement.style.getPropertyValue("--player-accent"));
    assert.equal(accent, "#00aa55");
    await viewer.close();

    // Pages show times where the account is.
    await page.goto(`${url}/files`);
    const { updated_at } = (await api("GET", "/include-files")).data[0];
    const there = await page.evaluate((at) => new Date(at).toLocaleString(undefined, { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Tokyo" }), updated_at);
    await page.locator("[data-file]", { hasText: there }).waitFor();
  });

  step("what somebody else has changed meanwhile is told, and a setting goes back to its default", async () => {
    await page.goto(`${url}/settings`);
    await field(page, "waiting_title").locator("input").fill("Mine");
    await api("PATCH", "/account/settings", { waiting_title: "Theirs" });
    await page.getByRole("button", { name: "Save" }).click();
    await field(page, "waiting_title").getByText("Somebody else has just set it to “Theirs”").waitFor();
    assert.equal(await field(page, "waiting_title").locator("input").inputValue(), "Mine");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Settings saved").waitFor();
    await page.getByRole("button", { name: "Reset waiting title to its default" }).click();
    assert.equal(await field(page, "waiting_title").locator("input").inputValue(), "Starting soon");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Save" }).waitFor({ state: "detached" });
    const { data } = await api("GET", "/account/settings");
    assert.equal(data.find(({ name }) => name === "waiting_title").is_set, false);
    assert.deepEqual(faults, []);
  });

  step("a hostile file runs no script and has no right of its reader, however it is opened", async () => {
    const html = await upload("hostile.html", "text/html", HTML);
    const svg = await upload("hostile.svg", "image/svg+xml", SVG);
    const script = await upload("hostile.js", "text/javascript", `window.attacked = true; ${ATTACK}`);
    const reader = await page.context().newPage();
    const asked = [];
    reader.on("request", (request) => asked.push(new URL(request.url()).pathname));
    const harmless = async (what) => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      const bad = asked.filter((path) => path.includes("attack") || path.startsWith("/api/"));
      assert.deepEqual(bad, [], what);
      const cookies = await page.context().cookies();
      assert.ok(!cookies.some(({ name }) => name === "attack"), what);
      assert.equal(await page.evaluate(() => localStorage.getItem("attack")), null, what);
    };
    for (const path of [html, svg]) {
      const answer = await reader.goto(`${url}${path}`);
      assert.equal(answer.status(), 200);
      await harmless(path);
      assert.equal(await reader.evaluate(() => window.origin), "null", "it has an origin of its own");
      assert.ok(!["ran", "ran by a handler", "ran in a frame"].includes(await reader.title()));
      assert.equal(await reader.evaluate(() => document.documentElement.getAttribute("ran")), null);
    }
    await reader.goto(`${url}${html}`);
    await reader.click("#js");
    await reader.click("#send").catch(() => {});
    await harmless("a link and a form");
    assert.equal(await reader.title(), "still");

    // In a frame, an object and an image of a page of this very site, and as its script.
    await reader.goto(`${url}/settings`);
    await reader.waitForSelector(".shell");
    asked.length = 0;
    await reader.evaluate(([html, svg, script]) => {
      for (const [tag, key, path] of [["iframe", "src", html], ["iframe", "src", svg], ["object", "data", svg], ["embed", "src", svg], ["img", "src", svg], ["script", "src", script]]) {
        const element = document.createElement(tag);
        element.setAttribute(key, path);
        document.body.append(element);
      }
    }, [html, svg, script]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.deepEqual(asked.filter((path) => path.includes("attack") || path === "/api/v1/users"), []);
    assert.equal(await reader.evaluate(() => window.attacked), undefined, "it ran as a script of the page");
    const worker = await reader.evaluate((path) => navigator.serviceWorker.register(path).then(() => "registered", () => "refused"), script);
    assert.equal(worker, "refused");
    assert.equal(await reader.evaluate(() => localStorage.getItem("attack")), null);
    await reader.close();
    for (const name of ["hostile.html", "hostile.svg", "hostile.js"]) await api("DELETE", `/include-files/${name}`);
  });
});
