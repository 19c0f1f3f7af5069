// Measures how far the click is from the flash of the test pattern, in a file or a stream, by ffmpeg.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The measured values over time: pairs of a time in seconds and a value. */
function series(text, key) {
  const found = [];
  let time;
  for (const line of text.split("\n")) {
    const at = /pts_time:(-?[\d.]+)/.exec(line);
    if (at) time = Number(at[1]);
    else if (line.startsWith(`${key}=`)) found.push([time, Number(line.slice(key.length + 1))]);
  }
  return found;
}

/** Times at which values rise over `threshold` after at least half a second below it. */
export function onsets(values, threshold) {
  const found = [];
  let above = -Infinity;
  for (const [time, value] of values) {
    if (!(value > threshold)) continue;
    if (time - above > 0.5) found.push(time);
    above = time;
  }
  return found;
}

/** Milliseconds from each flash to its click; both must be within `seconds` of `input`. */
export async function clickAfterFlash(input, seconds = 6) {
  const folder = await mkdtemp(join(tmpdir(), "stagebox-sync-"));
  const [picture, sound] = [join(folder, "picture"), join(folder, "sound")];
  const stats = "astats=metadata=1:reset=1:measure_overall=Peak_level:measure_perchannel=none";
  try {
    const all = `-hide_banner -loglevel error -i ${input} -t ${seconds}`.split(" ");
    const video = ["-map", "0:v:0", "-vf", `signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=${picture}`];
    const chain = `aformat=channel_layouts=mono,asetnsamples=48:p=0,${stats}`;
    const audio = ["-map", "0:a:0", "-af", `${chain},ametadata=print:key=lavfi.astats.Overall.Peak_level:file=${sound}`];
    const nothing = ["-f", "null", "-"];
    await run("ffmpeg", [...all, ...video, ...nothing, "-t", String(seconds), ...audio, ...nothing], { timeout: 40_000 });
    const brightness = series(await readFile(picture, "utf8"), "lavfi.signalstats.YAVG");
    const mean = brightness.reduce((sum, [, value]) => sum + value, 0) / Math.max(1, brightness.length);
    const flashes = onsets(brightness, mean + 40);
    const clicks = onsets(series(await readFile(sound, "utf8"), "lavfi.astats.Overall.Peak_level"), -14);
    return flashes
      .map((flash) => clicks.map((click) => (click - flash) * 1000).sort((a, b) => Math.abs(a) - Math.abs(b))[0])
      .filter((offset) => offset !== undefined && Math.abs(offset) < 400);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
