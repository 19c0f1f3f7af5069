// A box goes live by its panel, the event is started in the browser, a viewer sees it, and afterwards there is an item.
// Beside the server's, the environment names the box: STAGEBOX_DEVICE, STAGEBOX_PANEL (the program),
// STAGEBOX_PANEL_SOCKET and STAGEBOX_RECORDINGS; its source is the test pattern.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { api, openBrowser, plays, signIn, skip as noServer, until, url } from "./stack.mjs";
import { clickAfterFlash } from "./sync.mjs";

const run = promisify(execFile);
const { STAGEBOX_DEVICE: box, STAGEBOX_PANEL: panel, STAGEBOX_PANEL_SOCKET: socket, STAGEBOX_RECORDINGS: recordings } =
  process.env;
const skip = noServer || (box && panel && socket && recordings ? false : "no box is named in the environment");

const press = (gesture) => run(panel, ["--socket", socket, gesture, "--timeout-ms", "10000"]);
const command = (name) => api("POST", `/devices/${box}/commands/${name}`, {});
const telemetry = async () => (await api("GET", `/devices/${box}`)).telemetry;

/** Receives notifications and keeps them in the order in which they came. */
async function receiver() {
  const heard = [];
  const server = createServer((request, answer) => {
    let text = "";
    request.on("data", (piece) => (text += piece));
    request.on("end", () => {
      heard.push(JSON.parse(text));
      answer.writeHead(204).end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { heard, url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** What the receiver heard of an event in words, in order. */
function toldOf(heard, event) {
  return heard
    .filter(({ type, message }) => message[type].id === event.number)
    .map(({ type, message: { broadcast, stream } }) =>
      type === "broadcast" ? `broadcast ${broadcast.status}` : `stream live=${stream.live} recording=${stream.recording}`,
    );
}

/** Decode times of the frames in a recording, in seconds. */
async function frameTimes(file) {
  const args = "-v error -select_streams v:0 -show_entries packet=dts_time -of csv=p=0".split(" ");
  const { stdout } = await run("ffprobe", [...args, file], { maxBuffer: 1 << 26 });
  return stdout.split("\n").map((line) => Number.parseFloat(line)).filter(Number.isFinite);
}

async function recordedFiles() {
  const names = await readdir(recordings, { recursive: true });
  return names.filter((name) => name.endsWith(".mp4")).sort().map((name) => join(recordings, name));
}

const close = (offsets, where) => {
  const shown = offsets.map((offset) => offset.toFixed(1)).join(", ");
  assert.ok(offsets.length >= 2, `${where}: too few flashes with a click: ${shown}`);
  assert.ok(offsets.every((offset) => Math.abs(offset) <= 10), `${where}: milliseconds from flash to click: ${shown}`);
};

describe("the whole job", { skip, timeout: 120_000 }, () => {
  let browser;
  let hook;
  before(async () => {
    browser = await openBrowser();
    hook = await receiver();
  });
  after(async () => {
    await browser?.close();
    hook?.close();
  });

  test("a box goes live, a viewer sees it, and there is an item", async () => {
    await api("PUT", "/hook", { url: hook.url });
    const event = await api("POST", "/events", { title: "The whole job", device_id: box });
    const admin = await browser.newPage();
    const viewer = await browser.newPage();
    await signIn(admin);
    await admin.goto(`${url}/events/${event.id}`);
    await viewer.goto(`${url}/embed/events/${event.id}`);
    await viewer.getByRole("heading", { name: "Starting soon" }).waitFor();

    await until("the box", async () => (await api("GET", `/devices/${box}`)).online, 20_000);
    await command("start_recording");
    await press("--press");
    await admin.waitForSelector("[data-input=main] .dot-ready", { timeout: 20_000 }).catch(async (error) => {
      const [shown, { inputs }] = [await admin.innerText("body"), await api("GET", `/events/${event.id}`)];
      throw new Error(`${error.message}\nthe server: ${inputs.main.receiving}, the page: ${shown}`);
    });
    await admin.click("[data-to=started]");
    await viewer.waitForSelector(".player", { timeout: 2_500 });
    await plays(viewer, 5);
    await until("a live card", () => admin.locator("[data-tally=live]").count(), 10_000);
    close(await clickAfterFlash(`${url}/live/public/${event.id}/index.m3u8`), "live");

    await admin.click("[data-to=ended]");
    await admin.click("[data-confirm=end]");
    await viewer.getByRole("heading", { name: "This event has ended" }).waitFor({ timeout: 2_500 });
    await press("--hold");
    await until("the box to stop", async () => (await telemetry())?.live.state === "off", 10_000);
    await command("stop_recording");
    await until("the recording to close", async () => (await telemetry())?.recording.state === "off", 10_000);
    const dropped = (await telemetry()).encoder.dropped_frames;

    const files = await recordedFiles();
    assert.ok(files.length > 0, "the box has recorded something");
    const steps = (await Promise.all(files.map(frameTimes))).flatMap((times) =>
      times.slice(1).map((time, at) => time - times[at]),
    );
    const usual = steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)];
    // A machine without time for a picture gives the encoder none, and says so: all that it made is there.
    const missing = steps.reduce((sum, step) => sum + Math.round(step / usual) - 1, 0);
    assert.ok(missing <= dropped, `${missing} frames are missing in the recording, the encoder was not given ${dropped}`);
    close(await clickAfterFlash(files[0]), "recording");

    const item = await until(
      "an item",
      async () => (await api("GET", "/items")).data.find((one) => one.event_id === event.id),
      3_000,
    );
    close(await clickAfterFlash(`${url}/vod/public/${item.id}/index.m3u8`), "item");
    await viewer.goto(`${url}/embed/items/${item.id}`);
    await viewer.locator(".player-begin").click();
    await plays(viewer, 3);

    const over = "stream live=false recording=false";
    await until("all notifications", () => toldOf(hook.heard, event).at(-1) === over, 5_000).catch(() => {});
    const told = toldOf(hook.heard, event);
    assert.deepEqual(told.slice(0, 4), [
      "broadcast pending",
      "stream live=true recording=false",
      "broadcast live",
      "stream live=true recording=true",
    ]);
    assert.ok(told.slice(4).includes("broadcast finished"), told.join(", "));
    assert.equal(told.at(-1), over, told.join(", "));
  });
});
