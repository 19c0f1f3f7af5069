// Glass to player: how old the picture is that a viewer's player shows, read from the test pattern's timecode.
// Prints one JSON object: {"samples":…,"p50_ms":…,"p95_ms":…}. Arguments: event id, seconds to look.
import { openBrowser, until, url } from "./stack.mjs";

const [event, seconds = "20"] = process.argv.slice(2);

/** Runs in the page: reads the row of 64 blocks along the picture's top; `null` if it is not whole. */
function readTimecode() {
  const video = window.stagebox?.video;
  if (!video || video.videoWidth === 0) return null;
  const width = video.videoWidth;
  const height = Math.round(video.videoHeight / 12);
  const canvas = (window.glassCanvas ??= document.createElement("canvas"));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
  const now = Date.now();
  const pixels = context.getImageData(0, Math.round(height / 2), width, 1).data;
  let code = 0n;
  for (let block = 0; block < 64; block += 1) {
    const x = Math.floor(((block + 0.5) * width) / 64);
    code = (code << 1n) | (pixels[x * 4 + 1] > 126 ? 1n : 0n);
  }
  const time = (code >> 12n) & 0xffffffffffffn;
  let crc = 0;
  for (let shift = 40n; shift >= 0n; shift -= 8n) {
    crc ^= Number((time >> shift) & 0xffn);
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
  }
  const whole = code >> 60n === 0b1010n && (code & 0xfn) === 0b0101n && Number((code >> 4n) & 0xffn) === crc;
  return whole ? now - Number(time) : null;
}

const browser = await openBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 960, height: 600 } });
  await page.goto(`${url}/embed/events/${event}`);
  await until("a timecode in the picture", () => page.evaluate(readTimecode), 30_000);
  // A player starts behind and catches up: what counts is how it goes on.
  await page.waitForTimeout(8_000);
  const ages = [];
  const end = performance.now() + Number(seconds) * 1000;
  while (performance.now() < end) {
    const age = await page.evaluate(readTimecode);
    if (age !== null) ages.push(age);
    await page.waitForTimeout(100);
  }
  ages.sort((a, b) => a - b);
  const at = (part) => ages[Math.min(ages.length - 1, Math.floor(ages.length * part))];
  console.log(JSON.stringify({ samples: ages.length, p50_ms: at(0.5), p95_ms: at(0.95) }));
} finally {
  await browser.close();
}
