// The API's own pages, driven as a person would: at a desk and on a telephone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { api, createEvent, email, openBrowser, overflow, password, setStatus, skip, url } from "./stack.mjs";

const step = (name, act) => test(name, { timeout: 60_000 }, act);
const address = (path) => `${url}/api/v1${path}`;

/** The form of an operation, unfolded. */
async function form(page, id) {
  const around = page.locator(`details#${id}`);
  await around.waitFor();
  if (!(await around.evaluate((details) => details.open))) await around.locator("> summary").click();
  return around.locator("form");
}

const result = (page, status) => page.waitForSelector(`#results [data-result="${status}"]`);

for (const [name, width, height] of [["at a desk", 1440, 900], ["on a telephone", 390, 844]]) {
  describe(`the API's pages ${name}`, { skip }, () => {
    let browser;
    let page;
    const faults = [];
    before(async () => {
      browser = await openBrowser();
      const context = await browser.newContext({ viewport: { width, height } });
      context.setDefaultTimeout(10_000);
      page = await context.newPage();
      page.on("pageerror", (error) => faults.push(error.message));
      page.on("console", (message) => message.text().includes("Content Security Policy") && faults.push(message.text()));
      page.on("dialog", (dialog) => faults.push(`a dialogue of the browser: ${dialog.message()}`));
    });
    after(() => browser?.close());
    const shown = async (path) => {
      await page.goto(address(path));
      await page.waitForSelector("#main");
    };

    step("a deep link leads through the login and back", async () => {
      await page.goto(address("/events?limit=2"));
      assert.match(page.url(), /\/login\?next=%2Fapi%2Fv1%2Fevents%3Flimit%3D2$/);
      await page.fill("input[name=email]", email);
      await page.fill("input[name=password]", "not the password");
      await page.click("button[type=submit]");
      await page.getByText("E-mail or password is wrong").waitFor();
      await page.fill("input[name=password]", password);
      await page.click("button[type=submit]");
      await page.waitForURL(address("/events?limit=2"));
      await page.waitForSelector("#main [data-status='200']");
      assert.equal(await page.locator(".who span").textContent(), email);
      // Whoever is logged in already is led on at once, and never to another site.
      await page.goto(`${url}/login?next=%2Fapi%2Fv1%2Froles`);
      await page.waitForURL(address("/roles"));
      for (const foreign of ["//example.org/", "https://example.org/", "/\\example.org/"]) {
        await page.goto(`${url}/login?next=${encodeURIComponent(foreign)}`);
        await page.waitForURL(`${url}/events`);
      }
    });

    step("from the start by links to a thing and back", async () => {
      const event = await createEvent("Found by links");
      await shown("");
      await page.keyboard.press("/");
      await page.keyboard.type("events");
      assert.equal(await page.locator("a.resource[href='/api/v1/roles']").isVisible(), false);
      await page.keyboard.press("Enter");
      await page.waitForURL(address("/events"));
      await page.getByRole("link", { name: "Found by links" }).first().click();
      await page.waitForURL(address(`/events/${event.id}`));
      await page.getByRole("heading", { name: "Found by links" }).waitFor();
      const text = await page.locator("[data-json]").first().textContent();
      assert.deepEqual(JSON.parse(text), await api("GET", `/events/${event.id}`));
      await page.locator(".crumbs").getByRole("link", { name: "events" }).click();
      await page.waitForURL(address("/events"));
    });

    step("the pages of a list lead on and back", async () => {
      for (const title of ["one", "two", "three"]) await createEvent(title);
      await shown("/events?limit=2");
      const ids = () => page.locator("[data-json] a[href*='/events/evt_']").evaluateAll((all) => all.map((one) => one.textContent));
      const first = await ids();
      await page.locator(".pager").getByRole("link", { name: "Next" }).click();
      await page.locator(".pager").getByText("on page 2").waitFor();
      const second = await ids();
      assert.equal(second.length > 0 && first.some((id) => second.includes(id)), false);
      await page.locator(".pager").getByRole("link", { name: "Previous" }).click();
      await page.locator(".pager").getByText("on page 1").waitFor();
      assert.deepEqual(await ids(), first);
    });

    step("an event is made; what is wrong stands at its field, and what was typed stays", async () => {
      await shown("/events");
      const make = await form(page, "post-events");
      const title = make.locator("[data-key=title] input").first();
      await title.fill("   ");
      await make.locator("[type=submit]").click();
      const fault = make.locator("[data-key=title] [data-error]").first();
      await fault.waitFor();
      assert.match(await fault.textContent(), /1 to 200 characters/);
      assert.equal(await title.inputValue(), "   ");
      assert.equal(await title.getAttribute("aria-invalid"), "true");
      await title.fill(`Made ${name}`);
      await make.locator("[type=submit]").click();
      await result(page, 201);
      const event = (await api("GET", "/events")).data.find((one) => one.title === `Made ${name}`);
      assert.ok(event);
      await page.locator("#shown").getByRole("link", { name: `Made ${name}` }).first().waitFor();
      await page.locator("#results dd a").click();
      await page.waitForURL(address(`/events/${event.id}`));
    });

    step("of an edit only what was changed is sent, as form and as JSON", async () => {
      const event = await createEvent("Before");
      await shown(`/events/${event.id}`);
      const sent = [];
      const hear = (request) => request.method() === "PATCH" && sent.push([request.postDataJSON(), request.headers()["if-match"]]);
      page.on("request", hear);
      const edit = await form(page, "patch-events--event-");
      assert.equal(await edit.locator("[data-key=title] input").first().inputValue(), "Before");
      assert.equal(await edit.locator("[data-key=device_id] [data-null]").isChecked(), true);
      await edit.locator("[type=submit]").click();
      await edit.getByText("Nothing was changed yet").waitFor();
      await edit.locator("[data-key=title] input").first().fill("After");
      await edit.locator("[type=submit]").click();
      await result(page, 200);
      await page.getByRole("heading", { name: "After" }).waitFor();
      const again = await form(page, "patch-events--event-");
      await again.locator("[data-tab=json]").click();
      await again.locator("[data-raw]").fill('{ "title": "As JSON", "device_id": null }');
      await again.locator("[type=submit]").click();
      await page.getByRole("heading", { name: "As JSON" }).waitFor();
      page.off("request", hear);
      assert.deepEqual(sent, [[{ title: "After" }, '"1"'], [{ title: "As JSON" }, '"2"']]);
    });

    step("of two who edit at once the second sees both versions, and keeps theirs or hers", async () => {
      const event = await createEvent("First");
      for (const choice of ["theirs", "mine"]) {
        await shown(`/events/${event.id}`);
        const edit = await form(page, "patch-events--event-");
        await edit.locator("[data-key=title] input").first().fill(`Mine ${choice}`);
        await api("PATCH", `/events/${event.id}`, { title: `Theirs ${choice}` });
        await edit.locator("[type=submit]").click();
        const conflict = edit.locator("[data-conflict]");
        await conflict.getByText("Changed meanwhile.").waitFor();
        const words = await conflict.textContent();
        assert.ok(words.includes(`Theirs ${choice}`) && words.includes(`Mine ${choice}`), words);
        assert.equal((await api("GET", `/events/${event.id}`)).title, `Theirs ${choice}`, "nothing was sent over it");
        assert.ok((await overflow(page)) <= 0);
        await conflict.locator(`[data-choice=${choice}]`).click();
        const kept = choice === "theirs" ? "Theirs theirs" : "Mine mine";
        await page.getByRole("heading", { name: kept }).waitFor();
        assert.equal((await api("GET", `/events/${event.id}`)).title, kept);
      }
    });

    step("an action of a thing is its form: an event is started", async () => {
      const event = await createEvent("Started here");
      await shown(`/events/${event.id}`);
      await page.locator(".jumps a[href='#post-events--event--status']").click();
      const act = await form(page, "post-events--event--status");
      await act.locator("[data-key=status] select").selectOption({ label: "started" });
      await act.locator("[type=submit]").click();
      await result(page, 200);
      assert.equal((await api("GET", `/events/${event.id}`)).status, "started");
      await setStatus(event, "ended");
    });

    step("a role is made of ticks, and deleted after a question that names it", async () => {
      const called = `Night ${name}`;
      await shown("/roles");
      const make = await form(page, "post-roles");
      await make.locator("[data-key=name] input").fill(called);
      const boxes = make.locator("[data-key=permissions] input[type=checkbox]");
      if ((await boxes.count()) > 0) await make.getByLabel("events:read").check();
      else {
        await make.locator("[data-key=permissions] [data-add]").click();
        await make.locator("[data-key=permissions] [data-item] :is(input, select)").fill("events:read");
      }
      await make.locator("[type=submit]").click();
      await result(page, 201);
      const role = (await api("GET", "/roles")).data.find((one) => one.name === called);
      assert.deepEqual(role.permissions, ["events:read"]);
      await shown(`/roles/${role.id}`);
      const remove = await form(page, "delete-roles--role-");
      await remove.locator("[type=submit]").click();
      const question = page.locator("dialog[open]");
      await question.getByText(`“${called}” (${role.id})`).waitFor();
      await question.locator("[data-cancel]").click();
      assert.equal((await api("GET", "/roles")).data.some((one) => one.id === role.id), true);
      await remove.locator("[type=submit]").click();
      await question.locator("[data-really]").click();
      await result(page, 204);
      await page.waitForSelector("#shown [data-status='404']");
      assert.equal((await api("GET", "/roles")).data.some((one) => one.id === role.id), false);
    });

    step("a file is put under its name, and its page leads to what became of it", async () => {
      const file = `style-${width}.css`;
      await shown("/include-files");
      const put = await form(page, "put-include-files--name-");
      await put.locator("[data-word=name]").fill(file);
      await put.locator("[data-file]").setInputFiles({ name: "any.css", mimeType: "text/css", buffer: Buffer.from("b { color: red }") });
      await put.locator("[type=submit]").click();
      await result(page, 201);
      await page.locator("#shown").getByRole("link", { name: file }).first().click();
      await page.waitForURL(address(`/include-files/${file}`));
      assert.equal((await api("GET", `/include-files/${file}`)).bytes, 16);
    });

    step("a secret is shown once, to be copied, and stays until the page is left", async () => {
      await shown("/tokens");
      const make = await form(page, "post-tokens");
      await make.locator("[data-key=name] input").fill("From the browser");
      await make.locator("[type=submit]").click();
      await result(page, 201);
      const token = await page.locator("#results [data-once=token]").textContent();
      const answer = await fetch(address("/events"), { headers: { authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 200);
      await page.locator("[data-reload]").first().click();
      await page.locator("#shown").getByRole("link", { name: "From the browser" }).first().waitFor();
      assert.equal(await page.locator("#results [data-once=token]").textContent(), token);
      assert.equal(await page.locator(".once").getByRole("button", { name: "Copy" }).count(), 1);
      await page.reload();
      await page.waitForSelector("#shown");
      assert.equal((await page.content()).includes(token), false);
    });

    step("a stream is followed live, stopped and begun again", async () => {
      await shown("/stream");
      await page.locator("[data-state]", { hasText: "live" }).waitFor();
      const event = await createEvent("Told to a stream");
      await page.locator("[data-lines] li", { hasText: event.id }).first().waitFor();
      await page.locator("[data-toggle]").click();
      await page.locator("[data-state]", { hasText: "stopped" }).waitFor();
      await createEvent("Not told");
      await page.locator("[data-clear]").click();
      assert.equal(await page.locator("[data-lines] li").count(), 0);
      await page.locator("[data-toggle]").click();
      await page.locator("[data-state]", { hasText: "live" }).waitFor();
    });

    step("errors are pages of the same kind", async () => {
      for (const [path, status] of [
        ["/events/evt_00000000000000000000", 404], ["/nothing", 404], ["/media", 404],
        ["/media/check", 405], ["/events?limit=0", 422], ["/devices/self/targets", 401],
      ]) {
        const answer = await page.goto(address(path));
        assert.equal(answer.status(), status, path);
        await page.waitForSelector(`.answer [data-status='${status}']`);
        assert.equal(await page.locator(".top .brand").count(), 1, path);
        assert.ok((await overflow(page)) <= 0, path);
      }
      await page.goto(address("/media/check"));
      const check = await form(page, "post-media-check");
      await check.locator("[type=submit]").click();
      await page.locator("#results .stream li", { hasText: "report" }).waitFor();
    });

    step("no page is wider than its window, and all of it is reached by the keyboard", async () => {
      const event = await createEvent("A title that is long enough to need more than one line, withoutanyspaceinthemiddleofitatallsothatitmustbebroken");
      const paths = ["", "/events", `/events/${event.id}`, "/devices", "/items", "/jobs", "/users", "/roles", "/tokens",
        "/permissions", "/account", "/nodes", "/alarms", "/session", "/session/password", "/hook", "/stream", "/recordings"];
      for (const path of paths) {
        await shown(path);
        await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
        assert.ok((await overflow(page)) <= 0, path);
        assert.deepEqual(await page.locator("input:not([type=hidden]):visible, select:visible, textarea:visible").evaluateAll((all) =>
          all.filter((one) => !one.labels?.length && !one.getAttribute("aria-label") && !one.closest("[role=group], [data-item]")).map((one) => one.outerHTML)), [], path);
      }
      await shown(`/events/${event.id}`);
      const seen = new Set();
      for (let press = 0; press < 120; press += 1) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate(() => document.activeElement?.closest("form")?.dataset.method ?? document.activeElement?.textContent?.trim());
        seen.add(at);
        if (seen.has("PATCH") && seen.has("Log out")) break;
      }
      assert.ok(seen.has("PATCH") && seen.has("Log out"), [...seen].join(", "));
    });

    step("without a script the data and the links are there", async () => {
      const plain = await browser.newContext({ viewport: { width, height }, javaScriptEnabled: false });
      await plain.addCookies(await page.context().cookies());
      const event = await createEvent("Without a script");
      const bare = await plain.newPage();
      await bare.goto(address("/events"));
      await bare.getByRole("link", { name: "Without a script" }).first().click();
      assert.equal(bare.url(), address(`/events/${event.id}`));
      assert.match(await bare.locator("noscript .note").first().textContent(), /forms need JavaScript/);
      await bare.goto(address("/jobs?state=&limit=5"));
      assert.equal(await bare.locator("[data-status='200']").count(), 1);
      await plain.close();
    });

    step("leaving ends the session", async () => {
      await shown("/events");
      await page.getByRole("button", { name: "Log out" }).click();
      await page.waitForURL(`${url}/login`);
      await page.goto(address("/events"));
      await page.waitForURL(/\/login\?next=/);
      await page.waitForSelector("input[name=password]");
      assert.deepEqual(faults, []);
    });
  });
}
