// Players of others, as their authors make them: video.js and shaka in a page of another origin, GStreamer and ffprobe.
import { execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { until } from "./stack.mjs";

const run = promisify(execFile);
const modules = new URL("../node_modules/", import.meta.url);

const SCRIPTS = {
  videojs: "video.js/dist/video.min.js",
  shaka: "shaka-player/dist/shaka-player.compiled.js",
};

/** Begins to play in the page; these are sent there as text. */
const BEGIN = {
  async videojs(src, faults) {
    const player = window.videojs("screen", { html5: { vhs: { overrideNative: true } } });
    player.on("error", () => faults.push(`${player.error()?.code} ${player.error()?.message}`));
    player.src({ src, type: "application/x-mpegURL" });
    await player.play();
  },
  async shaka(src, faults) {
    const video = document.getElementById("screen");
    const player = new window.shaka.Player();
    // It looks for captions in a segment that is still growing where there are only three, and breaks off.
    player.configure("manifest.hls.disableClosedCaptionsDetection", true);
    // What a rendition announced and then does not have is a 404, as RFC 8216bis has it; the player tries again by itself.
    const { BAD_HTTP_STATUS } = window.shaka.util.Error.Code;
    const isOver = ({ code, data }) => code !== BAD_HTTP_STATUS || data[1] !== 404 || !/\/\d+\.\d+\.m4s$/.test(data[0]);
    player.addEventListener("error", ({ detail }) => isOver(detail) && faults.push(`${detail.code} ${detail.data}`));
    await player.attach(video);
    await player.load(src);
    await video.play();
  },
};

/** What the page has shown so far; a slate is grey, the test picture is not. */
function look() {
  const video = document.querySelector("video");
  const seen = { time: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames, colours: 0 };
  if (video.videoWidth > 0) {
    const canvas = new OffscreenCanvas(32, 18);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, 32, 18);
    const { data } = context.getImageData(0, 0, 32, 18);
    for (let at = 0; at < data.length; at += 4) {
      const [red, green, blue] = data.subarray(at, at + 3);
      if (Math.max(red, green, blue) - Math.min(red, green, blue) > 80) seen.colours += 1;
    }
  }
  return { ...seen, faults: window.faults };
}

const pageOf = (name) => `<!doctype html><meta charset="utf-8"><title>${name}</title><link rel="icon" href="data:,">
<video id="screen" muted playsinline width="320" height="180"></video><script src="/${name}.js"></script>
<script>
window.faults = [];
window.begin = (src) => ({ ${BEGIN[name]} }).${name}(src, faults).catch((error) => faults.push(String(error.stack ?? error)));
</script>`;

/** A site of its own: it shows that pages of any origin may play what is public. */
export async function site() {
  const server = createServer(async (request, answer) => {
    const [, name, isScript] = /^\/(\w+)(\.js)?$/.exec(request.url) ?? [];
    if (!SCRIPTS[name]) return answer.writeHead(404).end();
    answer.setHeader("content-type", `text/${isScript ? "javascript" : "html"}; charset=utf-8`);
    answer.end(isScript ? await readFile(new URL(SCRIPTS[name], modules)) : pageOf(name));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A player of the site in a page of `browser`, which plays `src`. */
export async function stranger(browser, site, name, src) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site.url}/${name}`);
  await page.evaluate((address) => void window.begin(address), src);
  const seen = () => page.evaluate(look);
  return {
    name,
    close: () => context.close(),
    /** Waits until it shows the slate or the broadcast, and `seconds` more of it with new pictures. */
    async shows(what, seconds, withinMs = 20_000) {
      const isIt = ({ colours, frames }) => frames > 0 && (what === "slate" ? colours === 0 : colours > 20);
      let last;
      const next = async () => {
        last = await seen();
        if (last.faults.length > 0) throw new Error(`${name}: ${last.faults.join("; ")}`);
        return last;
      };
      const told = (error) => {
        throw new Error(`${name} with ${what}: ${error.message}; last seen: ${JSON.stringify(last)}`);
      };
      const from = await until(`the ${what}`, async () => isIt(await next()) && last, withinMs).catch(told);
      // A page may have looked away for a moment: what counts is that pictures go on with the time.
      const goesOn = ({ time, frames }) => time - from.time >= seconds && frames - from.frames >= seconds * 7;
      await until("it to go on", async () => goesOn(await next()) && isIt(last), withinMs).catch(told);
    },
  };
}

/** GStreamer's player with its own HLS client, which counts what it shows. */
export function gstreamer(src) {
  const sink = (name) => `fakesink name=${name} sync=true silent=false`;
  const args = ["-v", "playbin3", `uri=${src}`, `video-sink=${sink("picture")}`, `audio-sink=${sink("sound")}`];
  const child = spawn("gst-launch-1.0", args, { stdio: ["ignore", "pipe", "pipe"] });
  const seen = { pictures: 0, sounds: 0, client: false, faults: "", code: undefined };
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.includes("GstFakeSink:picture") && line.includes("chain ")) seen.pictures += 1;
      else if (line.includes("GstFakeSink:sound") && line.includes("chain ")) seen.sounds += 1;
      else if (line.includes("/GstHLSDemux2:")) seen.client = true;
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text) => (seen.faults += text));
  const ended = new Promise((resolve, reject) => child.on("error", reject).on("exit", (code) => resolve((seen.code = code))));
  return {
    seen,
    /** Waits until it has shown `pictures` more, with sound. */
    async shows(pictures, withinMs = 20_000) {
      const from = { ...seen };
      const goesOn = () => {
        if (seen.code !== undefined) throw new Error(`GStreamer ended with ${seen.code}: ${seen.faults}`);
        return seen.pictures - from.pictures >= pictures && seen.sounds > from.sounds;
      };
      await until(`GStreamer to show ${pictures} pictures`, goesOn, withinMs);
    },
    /** Ends it as a person would; what it ended with. */
    async stop() {
      child.kill("SIGINT");
      const limit = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(limit);
      return seen;
    },
  };
}

/** The streams that ffprobe finds in a playlist. */
export async function probe(src) {
  const entries = "stream=codec_type,codec_name,width,height,sample_rate,channels";
  const { stdout } = await run("ffprobe", ["-v", "error", "-show_entries", entries, "-of", "json", src], { timeout: 20_000 });
  return JSON.parse(stdout).streams;
}
