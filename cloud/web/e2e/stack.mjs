// A running server to test against, and a browser. Everything is told by the environment:
// STAGEBOX_URL, STAGEBOX_EMAIL, STAGEBOX_PASSWORD; optional STAGEBOX_CHROMIUM.
import { spawn } from "node:child_process";
import { chromium } from "playwright-core";

export const url = (process.env.STAGEBOX_URL ?? "").replace(/\/$/, "");
export const email = process.env.STAGEBOX_EMAIL ?? "";
export const password = process.env.STAGEBOX_PASSWORD ?? "";

/** Why the tests cannot run, or `false`. */
export const skip =
  url && email && password ? false : "set STAGEBOX_URL, STAGEBOX_EMAIL and STAGEBOX_PASSWORD to a running server's";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens Chromium with an empty profile; `autoplay` allows sound without a gesture. */
export function openBrowser({ autoplay = true, flags = [] } = {}) {
  const args = [...FLAGS, ...flags, ...(autoplay ? ["--autoplay-policy=no-user-gesture-required"] : [])];
  return chromium.launch({ executablePath: process.env.STAGEBOX_CHROMIUM ?? "/usr/bin/chromium", headless: true, args });
}

/** Asks the API as the administrator. */
export async function api(method, path, body) {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${email}:${password}`).toString("base64")}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

export const createEvent = (title) => api("POST", "/events", { title });
export const setStatus = (event, status) => api("POST", `/events/${event.id}/status`, { status });

/** Pushes a small moving picture with a tone to an event's main input; returns how to stop. */
export function push(event, seconds = 120) {
  const { url: server, key } = event.inputs.main;
  const child = spawn(
    "ffmpeg",
    [
      ..."-hide_banner -loglevel error -re -f lavfi -i testsrc2=size=640x360:rate=15".split(" "),
      ..."-f lavfi -i sine=frequency=440:sample_rate=48000".split(" "),
      ...`-t ${seconds} -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -b:v 500k -pix_fmt yuv420p`.split(" "),
      ..."-c:a aac -b:a 64k -f flv".split(" "),
      `${server}/${key}`,
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const ended = new Promise((resolve) => child.on("exit", resolve));
  return {
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Waits until `look` gives something true, and says what it waited for if it does not. */
export async function until(what, look, withinMs = 10_000) {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What the player of a page has played so far. */
export const playback = (page) =>
  page.evaluate(() => {
    const video = window.stagebox?.video;
    if (!video) return { time: 0, frames: 0, audio: 0, paused: true };
    return {
      time: video.currentTime,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      audio: video.webkitAudioDecodedByteCount ?? 0,
      paused: video.paused,
    };
  });

/** Waits until a page's player has played `seconds` more, with picture and sound. */
export async function plays(page, seconds = 5, withinMs = 25_000) {
  await until("a picture", async () => (await playback(page)).frames > 0, withinMs);
  const from = await playback(page);
  try {
    return await until(
      `${seconds} s of playback`,
      async () => {
        const now = await playback(page);
        return now.time - from.time >= seconds && now.frames > from.frames && now.audio > from.audio ? now : undefined;
      },
      seconds * 1000 + 15_000,
    );
  } catch (error) {
    throw new Error(`${error.message}; at first ${JSON.stringify(from)}, at last ${JSON.stringify(await stalled(page))}`);
  }
}

/** What a player that does not play has, for whoever looks for the reason. */
const stalled = async (page) => {
  const played = await playback(page);
  const state = await page.evaluate(() => {
    const video = window.stagebox?.video;
    const ranges = (of) => Array.from({ length: of.length }, (_, at) => [of.start(at), of.end(at)]);
    return video && {
      ready: video.readyState,
      network: video.networkState,
      seeking: video.seeking,
      rate: video.playbackRate,
      buffered: ranges(video.buffered),
      error: video.error?.message,
      requests: performance.getEntriesByType("resource").slice(-6).map((one) => [
        one.name.replace(/.*\//, ""),
        one.responseStatus,
        Math.round(one.duration),
        Math.round(performance.now() - one.responseEnd),
      ]),
    };
  });
  return { ...played, ...state };
};

/** Signs in through the form, at the address under which the page is to know the server. */
export async function signIn(page, at = url) {
  await page.goto(`${at}/`);
  await page.fill("input[name=email]", email);
  await page.fill("input[name=password]", password);
  await page.click("button[type=submit]");
  await page.waitForSelector(".shell");
}

/** How far a page is wider than its window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
