// One event from its beginning to its end, played and read by what others have made: the stream is for everybody's player.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readAll } from "./parsers.mjs";
import { api, createEvent, email, openBrowser, password, push, setStatus, skip, until, url } from "./stack.mjs";
import { gstreamer, probe, site, stranger } from "./strangers.mjs";

const step = (name, act) => test(name, { timeout: 60_000 }, act);

const asAdministrator = { authorization: `Basic ${Buffer.from(`${email}:${password}`).toString("base64")}` };
const ask = (path, headers = {}) => fetch(`${url}${path}`, { headers });
const onAir = (event, what) =>
  until(`${what} on air`, async () => (await api("GET", `/events/${event.id}`)).on_air === what, 20_000);

/** Waits until viewers' players can fetch `count` whole segments after the `cut`th change of what is shown. */
async function whole(base, count, { cut = 0, headers = {} } = {}) {
  const there = async (rendition) => {
    const answer = await ask(`${base}/${rendition}/index.m3u8?plain=1`, headers);
    const runs = answer.ok ? (await answer.text()).split("#EXT-X-DISCONTINUITY\n") : [];
    return (runs[cut]?.match(/\.m4s$/gm)?.length ?? 0) >= count;
  };
  // A segment of one rendition can be whole a moment before the other's.
  for (const rendition of ["source", "audio"]) {
    await until(`${count} segments of ${rendition}`, () => there(rendition), 20_000);
  }
}

const cuts = (list) => list.segments.filter((segment) => segment.discontinuity).length;
const BROADCAST = ["avc1.42c016,mp4a.40.2", [640, 360], 15];

describe("players and parsers of others", { skip }, () => {
  let browser;
  let page;
  let event;
  let live;
  let broadcast;
  let native;
  let players = [];
  const all = (what, seconds) => Promise.all(players.map((player) => player.shows(what, seconds)));
  before(async () => {
    [browser, page] = await Promise.all([openBrowser(), site()]);
    event = await createEvent("For every player");
    live = `/live/public/${event.id}`;
  });
  after(async () => {
    await broadcast?.stop();
    await native?.stop();
    await browser?.close();
    page?.close();
  });

  step("before it is started there is nothing for viewers, and the reason is readable from any site", async () => {
    const answer = await ask(`${live}/index.m3u8`);
    assert.equal(answer.status, 403);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.equal((await answer.json()).detail, "the event is not started");
    assert.equal((await ask(`/live/preview/${event.id}/index.m3u8`)).status, 401);
    assert.equal((await ask(`/live/preview/${event.id}/index.m3u8`, asAdministrator)).status, 404);
  });

  step("a preview is read by administrators only", async () => {
    const other = await createEvent("For the administrator's player");
    const base = `/live/preview/${other.id}`;
    await setStatus(other, "preview");
    const short = push(other);
    try {
      await whole(base, 1, { headers: asAdministrator });
      const lists = await readAll(base, asAdministrator);
      assert.deepEqual(lists.renditions, ["audio", "source"]);
      const [[, peak, average, ...source], ...rest] = lists.master.variants;
      assert.deepEqual([source, rest], [BROADCAST, []]);
      assert.ok(peak >= average && average > 200_000, `${peak} ${average}`);
      const list = lists.of("source");
      assert.deepEqual([list.sequence, list.discontinuities, cuts(list), list.segments[0].map], [0, 0, 0, "init-0.mp4"]);
      assert.equal((await ask(`/live/public/${other.id}/index.m3u8`)).status, 403);
    } finally {
      await short.stop();
    }
  });

  step("started without a broadcast, all of them show and read the slate", async () => {
    await setStatus(event, "started");
    await whole(live, 1);
    const open = (name) => stranger(browser, page, name, `${url}${live}/index.m3u8`);
    players = await Promise.all(["videojs", "shaka"].map(open));
    const lists = await readAll(live);
    assert.deepEqual(lists.renditions, ["360p", "480p", "audio", "source"]);
    const sizes = Object.fromEntries(lists.master.variants.map(([name, , , , size, rate]) => [name, [...size, rate]]));
    assert.deepEqual(sizes, {
      "source/index.m3u8": [1280, 720, 25],
      "480p/index.m3u8": [854, 480, 25],
      "360p/index.m3u8": [640, 360, 25],
    });
    assert.deepEqual(lists.master.sounds, [["audio/index.m3u8", "audio", "AUDIO", true, "2"]]);
    assert.equal(lists.master.pictures.length, 3);
    assert.deepEqual(lists.plain.sounds, [["audio/index.m3u8?plain=1", "audio", "AUDIO", true, "2"]]);
    for (const name of lists.renditions) {
      const list = lists.of(name);
      assert.deepEqual([list.sequence, list.discontinuities, list.skipped, cuts(list)], [0, 0, 0, 0], name);
      assert.deepEqual(new Set(list.segments.map(({ map }) => map)), new Set(["init-0.mp4"]), name);
      const others = lists.renditions.filter((other) => other !== name).map((other) => `../${other}/index.m3u8`);
      assert.deepEqual(list.reports.map(([to]) => to).sort(), others);
      assert.ok(list.reports.every(([, msn]) => Math.abs(msn - list.segments.length) <= 1), JSON.stringify(list.reports));
    }
    await all("slate", 1);
  });

  step("a broadcast comes, and all of them go over to it", async () => {
    broadcast = push(event);
    await onAir(event, "main");
    await whole(live, 1, { cut: 1 });
    const lists = await readAll(live);
    const [name, , , ...source] = lists.master.variants.find(([name]) => name === "source/index.m3u8");
    assert.deepEqual([name, source], ["source/index.m3u8", BROADCAST]);
    for (const name of ["source", "audio"]) {
      for (const query of ["", "?plain=1"]) {
        const list = lists.of(name, query);
        assert.equal(cuts(list), 1, lists.texts[`${name}/index.m3u8${query}`]);
        const at = list.segments.findIndex((segment) => segment.discontinuity);
        assert.deepEqual(new Set(list.segments.slice(0, at).map(({ map }) => map)), new Set(["init-0.mp4"]));
        assert.deepEqual(new Set(list.segments.slice(at).map(({ map }) => map)), new Set(["init-1.mp4"]));
      }
    }
    // It is smaller than the slate was: what nothing is made of for it is missing, and said to be.
    const lacking = lists.of("480p");
    assert.ok(lacking.segments.at(-1).gap && lists.of("480p", "?plain=1").segments.at(-1).gap);
    assert.ok(!lists.of("source").segments.some((segment) => segment.gap));
    await all("broadcast", 1);
  });

  step("GStreamer plays it with its own HLS client, and ffprobe knows what is in it", async () => {
    // They begin three segments from the end, and are given the renditions that have something there.
    await whole(live, 3, { cut: 1 });
    const names = async () => (await readAll(live)).renditions.join();
    await until("only what there is", async () => (await names()) === "audio,source");
    native = gstreamer(`${url}${live}/index.m3u8`);
    const found = await probe(`${url}${live}/index.m3u8`);
    const video = found.find((stream) => stream.codec_type === "video");
    const sound = found.find((stream) => stream.codec_type === "audio");
    assert.deepEqual([video.codec_name, video.width, video.height], ["h264", 640, 360]);
    assert.deepEqual([sound.codec_name, sound.sample_rate, sound.channels], ["aac", "48000", 1]);
    await native.shows(30);
    assert.ok(native.seen.client, "hlsdemux2 is what plays");
  });

  step("the broadcast fails and comes back: all of them see the slate between, and none breaks off", async () => {
    await broadcast.stop();
    await onAir(event, "slate");
    await all("slate", 1);
    broadcast = push(event);
    await onAir(event, "main");
    await Promise.all([all("broadcast", 2), native.shows(60), whole(live, 1, { cut: 3 })]);
    const { code, faults } = await native.stop();
    assert.equal(code, 0, faults);

    const lists = await readAll(live);
    for (const name of ["source", "audio"]) {
      const list = lists.of(name);
      assert.equal(cuts(list), 3);
      const maps = list.segments.filter((segment, at) => at === 0 || segment.discontinuity).map(({ map }) => map);
      // The slate is like the broadcast by then, and the broadcast is what it was.
      assert.deepEqual(maps, [0, 1, name === "source" ? 2 : 1, 1].map((init) => `init-${init}.mp4`));
      const delta = lists.of(name, "?_HLS_skip=YES");
      assert.ok(delta.skipped > 0, lists.texts[`${name}/index.m3u8?_HLS_skip=YES`]);
      for (const segment of delta.segments) {
        const same = list.segments.find(({ uri }) => uri === segment.uri);
        if (same) assert.deepEqual([segment.duration, segment.date], [same.duration, same.date]);
      }
    }
  });

  step("paused it is closed to viewers, and after its end the item plays", async () => {
    await Promise.all(players.map((player) => player.close()));
    const closed = async () => (await ask(`${live}/source/index.m3u8`)).status === 403;
    await setStatus(event, "paused");
    await until("it to be closed", closed);
    await setStatus(event, "started");
    await whole(live, 1);
    const again = await readAll(live);
    assert.ok(again.of("source").sequence > 0, "what was before the pause is not shown again");
    assert.ok(again.of("source").discontinuities >= 3);
    await setStatus(event, "ended");
    await until("it to be closed", closed);
    await broadcast.stop();

    // One of each time that it was started; the first was the longer one.
    const mine = async () => (await api("GET", "/items")).data.filter((item) => item.event_id === event.id);
    const items = await until("the items", async () => ((await mine()).length === 2 ? mine() : undefined), 20_000);
    const [item] = items.sort((one, other) => other.duration_ms - one.duration_ms);
    const lists = await readAll(`/vod/public/${item.id}`);
    for (const name of ["source", "audio"]) {
      const list = lists.of(name);
      assert.deepEqual([list.type, list.ended, list.sequence, list.discontinuities], ["vod", true, 0, 0]);
      assert.ok(cuts(list) >= 3);
      const length = list.segments.reduce((sum, { duration }) => sum + duration, 0);
      assert.ok(Math.abs(length - item.duration_ms / 1000) < 0.5, `${length} s of ${item.duration_ms} ms`);
    }
    const open = (name) => stranger(browser, page, name, `${url}/vod/public/${item.id}/index.m3u8`);
    players = await Promise.all(["videojs", "shaka"].map(open));
    await all("slate", 1);
  });
});
