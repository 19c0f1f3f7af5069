// One's own account in the browser: a new password by mail, a second factor, tokens, sessions, the log.
// STAGEBOX_MAILS names the folder into which the mail server of the run writes each mail.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { api, openBrowser, overflow, skip as noServer, until, url } from "./stack.mjs";

const mails = process.env.STAGEBOX_MAILS;
const shots = process.env.E2E_SCREENSHOTS;
const skip = noServer || (mails ? false : "no folder of mails is named in the environment");
const address = "anna.account@example.org";
const first = "correct horse battery";
const second = "another horse battery";

/** The code that an app shows for a secret at a time (RFC 6238). */
function code(secret, atMs = Date.now()) {
  let bits = "";
  for (const letter of secret) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(atMs / 30_000)));
  const tag = createHmac("sha1", key).update(step).digest();
  const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** The newest mail to somebody with these words in it. */
async function mail(words) {
  const names = (await readdir(mails)).filter((name) => name.endsWith(".eml")).sort().reverse();
  for (const name of names) {
    const text = await readFile(join(mails, name), "utf8");
    if (text.startsWith(`X-Recipient: ${address}`) && text.includes(words)) return text;
  }
  return undefined;
}

const step = (name, act) => test(name, { timeout: 60_000 }, act);

describe("one's own account", { skip }, () => {
  let browser;
  let page;
  let secret;
  let recovery;
  const faults = [];

  /** Writes what a page looks like, wide and on a telephone, where somebody wants to see it. */
  async function look(name) {
    await page.waitForTimeout(150);
    for (const [width, height] of [[390, 844], [1440, 900]]) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(80);
      assert.ok((await overflow(page)) <= 0, `${name} at ${width}`);
      if (shots) await page.screenshot({ path: join(shots, `${name}-${width}.png`), fullPage: true });
    }
  }

  async function enter(password) {
    await page.goto(`${url}/login`);
    await page.fill("input[name=email]", address);
    await page.fill("input[name=password]", password);
    await page.click("button[type=submit]");
  }

  before(async () => {
    const roles = (await api("GET", "/roles")).data;
    const role = roles.find(({ name }) => name === "Administrator").id;
    await api("POST", "/users", { email: address, name: "Anna Account", role, password: first });
    browser = await openBrowser();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
    context.setDefaultTimeout(10_000);
    page = await context.newPage();
    page.on("pageerror", (error) => faults.push(error.message));
  });
  after(() => browser?.close());

  step("a forgotten password is chosen anew by a link in a mail", async () => {
    await page.goto(`${url}/login`);
    await look("login");
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await page.fill("input[name=email]", address);
    await look("forgot");
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
    await look("forgot-sent");
    const text = await until("a mail", () => mail("Choose a new password"));
    const link = /http:\/\/\S+\/reset#[\w-]+/.exec(text)[0];
    await page.goto(link);
    await page.fill("input[name=new]", second);
    await page.fill("input[name=again]", "something else");
    await page.getByText("is not the same").waitFor();
    await look("reset");
    await page.fill("input[name=again]", second);
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.getByRole("heading", { name: "Your new password is set" }).waitFor();
    await look("reset-done");
    await page.goto("about:blank");
    await page.goto(link);
    await page.fill("input[name=new]", second);
    await page.fill("input[name=again]", second);
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.getByRole("heading", { name: "This link does not work any more" }).waitFor();
    await look("reset-over");
    await enter(second);
    await page.waitForSelector(".shell");
    await until("word of the change", () => mail("Your password was changed"));
  });

  step("a second factor is set up with an app, and signing in asks for its code", async () => {
    await page.goto(`${url}/me`);
    await page.waitForSelector("[data-second=false]");
    await look("me");
    await page.getByRole("button", { name: "Set up…" }).click();
    await page.fill("dialog input[name=password]", second);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.locator("dialog img").waitFor();
    assert.ok(await page.locator("dialog img").evaluate((picture) => picture.complete && picture.naturalWidth > 0));
    await page.getByText("No camera? Type the secret").click();
    secret = (await page.locator("dialog code").innerText()).trim();
    await look("second-factor-qr");
    await page.fill("dialog input[name=code]", code(secret));
    await page.getByRole("button", { name: "Turn it on" }).click();
    await page.getByRole("heading", { name: "The second factor is on" }).waitFor();
    recovery = (await page.locator("dialog pre").innerText()).trim().split("\n");
    assert.equal(recovery.length, 10);
    await look("second-factor-codes");
    await page.getByRole("button", { name: "I have kept them" }).click();
    await page.waitForSelector("[data-second=true]");

    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await enter(second);
    await page.fill("input[name=code]", "000000");
    await page.click("button[type=submit]");
    await page.getByText("wrong or was used").waitFor();
    await look("login-code");
    await page.getByRole("button", { name: "Use a recovery code" }).click();
    await page.fill("input[name=code]", recovery[0]);
    await page.click("button[type=submit]");
    await page.waitForSelector(".shell");
    await page.getByRole("button", { name: "Sign out" }).click();
    await enter(second);
    // The code that turned it on counts no more; the next one does before its time too.
    await page.fill("input[name=code]", code(secret, Date.now() + 30_000));
    await page.click("button[type=submit]");
    await page.waitForSelector(".shell");
    await page.goto(`${url}/me`);
    await page.getByText("9 of 10 recovery codes are left").waitFor();
  });

  step("tokens are made and taken back, other sessions ended, data gathered", async () => {
    await page.goto(`${url}/me`);
    await page.getByRole("button", { name: "New token…" }).click();
    await page.fill("dialog input[name=name]", "Rundown");
    await page.getByLabel("Only this:").check();
    await page.getByLabel("events:read").check();
    await look("new-token");
    await page.getByRole("button", { name: "Make token" }).click();
    const token = (await page.locator("dialog code").last().innerText()).trim();
    assert.match(token, /^sbx_/);
    await page.getByRole("button", { name: "I have copied it" }).click();
    const use = () => fetch(`${url}/api/v1/events`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((await use()).status, 200);
    const other = await browser.newContext({ userAgent: "Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0" });
    const answer = await other.request.post(`${url}/api/v1/session`, { data: { email: address, password: second } });
    const { login } = await answer.json();
    assert.equal((await other.request.post(`${url}/api/v1/session/code`, { data: { login, code: recovery[1] } })).status(), 200);
    await page.reload();
    await page.getByText("Firefox on Windows").waitFor();
    await look("me-full");
    await page.getByRole("button", { name: "Sign out Firefox on Windows" }).click();
    await page.getByText("Firefox on Windows").waitFor({ state: "detached" });
    assert.equal((await other.request.get(`${url}/api/v1/session`)).status(), 401);
    await other.close();
    const take = page.getByRole("button", { name: "Take back Rundown" });
    await take.click();
    await take.click();
    await page.locator("[data-token]").waitFor({ state: "detached" });
    assert.equal((await use()).status, 401);
    await page.getByRole("button", { name: "Gather my data" }).click();
    const link = page.getByRole("link", { name: "Download the archive" });
    await link.waitFor({ timeout: 30_000 });
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    assert.match(download.suggestedFilename(), /^stagebox-usr_.*\.zip$/);
    assert.ok((await readFile(await download.path())).subarray(0, 2).toString() === "PK");
  });

  step("the log says who did what, filtered and on", async () => {
    const event = await api("POST", "/events", { title: "Logged rehearsal" });
    await api("PATCH", `/events/${event.id}`, { title: "Logged dress rehearsal" });
    await page.goto(`${url}/log`);
    const line = page.locator("[data-kind=event]", { hasText: "changed the title of event from “Logged rehearsal” to “Logged dress rehearsal”" });
    await line.waitFor();
    await look("log");
    await page.selectOption("select[name=kind]", "login");
    await page.locator("[data-kind=login]", { hasText: "Anna Account signed in with a code" }).first().waitFor();
    await page.locator("[data-kind=login].entry .bad", { hasText: "gave a wrong code for Anna Account" }).first().waitFor();
    await look("log-logins");
    await page.fill("input[name=id]", "evt_00000000000000000000");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Nothing fits" }).waitFor();
    await look("log-empty");
    await page.getByRole("button", { name: "Clear" }).click();
    await line.waitFor();
    await line.getByRole("link").click();
    await page.getByRole("heading", { name: "Logged dress rehearsal" }).waitFor();
    for (let number = 0; number < 30; number += 1) await api("PATCH", `/events/${event.id}`, { title: `Title ${number}` });
    await page.goto(`${url}/log`);
    await page.locator("[data-kind=event]", { hasText: "“Title 29”" }).first().waitFor();
    const before = await page.locator(".entry").count();
    await page.getByRole("button", { name: "Load more" }).click();
    await until("more entries", async () => (await page.locator(".entry").count()) > before);
  });

  step("the second factor is taken off with password and code", async () => {
    await page.goto(`${url}/me`);
    await page.getByRole("button", { name: "Take off…" }).click();
    await page.fill("dialog input[name=password]", second);
    await page.fill("dialog input[name=code]", recovery[2]);
    await look("second-factor-off");
    await page.getByRole("button", { name: "Take it off" }).click();
    await page.waitForSelector("[data-second=false]");
    await until("word of it", () => mail("second factor"));
    assert.deepEqual(faults, []);
  });
});
