// Start to first frame: how long a viewer who waits on an event's page looks at it until its first picture is there.
// Prints one JSON object: {"first_frame_ms":…}. Argument: the id of an event that receives and is not started.
import { openBrowser, setStatus, until, url } from "./stack.mjs";

const [event] = process.argv.slice(2);

/** Runs in the page from its beginning: notes when its player shows a first frame. */
function noteFirstFrame() {
  const looking = setInterval(() => {
    const video = window.stagebox?.video;
    if (!video) return;
    clearInterval(looking);
    video.requestVideoFrameCallback(() => (window.firstFrameAt = Date.now()));
  }, 5);
}

const browser = await openBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 960, height: 600 } });
  await page.addInitScript(noteFirstFrame);
  await page.goto(`${url}/embed/events/${event}`);
  // It has read the event's state, and waits.
  await page.waitForTimeout(3_000);
  if (await page.evaluate(() => window.firstFrameAt)) throw new Error("there is a picture before the event is started");
  const begun = Date.now();
  await setStatus({ id: event }, "started");
  const at = await until("a first frame", () => page.evaluate(() => window.firstFrameAt), 30_000);
  console.log(JSON.stringify({ first_frame_ms: at - begun }));
} finally {
  await browser.close();
}
