// Playlists read by parsers of others, hls-parser from npm and m3u8 from PyPI: both must find the same in them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import HLS from "hls-parser";
import { url } from "./stack.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** It counts segments where the draft counts target durations (RFC 8216bis, 4.4.4.9). */
const WRONG_COMPLAINT = /Remove EXT-X-PART tags from the Playlist after they are greater than three/;

/** What hls-parser finds in a playlist, in the words of `m3u8_facts.py`; it must have nothing to complain of. */
function byHlsParser(name, text) {
  const complaints = [];
  const { error } = console;
  console.error = (words) => WRONG_COMPLAINT.test(words) || complaints.push(String(words));
  try {
    const read = HLS.parse(text);
    return read.isMasterPlaylist ? master(read) : media(read);
  } finally {
    console.error = error;
    assert.deepEqual(complaints, [], `${name}:\n${text}`);
  }
}

function master(read) {
  const whole = read.variants.filter((variant) => !variant.isIFrameOnly);
  const sounds = new Map(whole.flatMap((variant) => variant.audio).map((sound) => [sound.uri, sound]));
  return {
    version: read.version,
    variants: whole.map(({ uri, bandwidth, averageBandwidth, codecs, resolution, frameRate }) => [
      ...[uri, bandwidth, averageBandwidth, codecs],
      resolution ? [resolution.width, resolution.height] : [],
      frameRate,
    ]),
    sounds: [...sounds.values()].map((one) => [one.uri, one.groupId, one.type, one.isDefault, one.channels]),
    pictures: read.variants.filter((one) => one.isIFrameOnly).map((one) => [one.uri, one.bandwidth, one.codecs]),
  };
}

const partsOf = (segment) =>
  segment.parts.filter((part) => !part.hint).map((part) => [part.uri, part.duration, part.independent ?? false]);

function media(read) {
  // What is still growing has no name; what is hinted is one of its parts.
  const whole = read.segments.filter((segment) => segment.uri);
  const growing = read.segments.filter((segment) => !segment.uri);
  const control = read.lowLatencyCompatibility;
  return {
    version: read.version,
    target: read.targetDuration,
    sequence: read.mediaSequenceBase,
    discontinuities: read.discontinuitySequenceBase,
    independent: read.independentSegments,
    ended: read.endlist,
    type: read.playlistType?.toLowerCase() ?? null,
    pictures: read.isIFrame ?? false,
    part_target: read.partTargetDuration ?? null,
    control: control ? [control.canBlockReload, control.canSkipUntil, control.partHoldBack] : null,
    skipped: read.skip,
    segments: whole.map((segment) => ({
      uri: segment.uri,
      duration: segment.duration,
      discontinuity: segment.discontinuity ?? false,
      map: segment.map?.uri ?? null,
      gap: segment.gap ?? false,
      range: segment.byterange ? `${segment.byterange.length}@${segment.byterange.offset}` : null,
      date: segment.programDateTime.getTime(),
      parts: partsOf(segment),
    })),
    growing: growing.flatMap(partsOf),
    hint: growing.flatMap((segment) => segment.parts).find((part) => part.hint)?.uri ?? null,
    reports: read.renditionReports.map((report) => [report.uri, report.lastMSN]),
  };
}

/** What m3u8 finds in playlists, by their names. */
async function byM3u8(texts) {
  const child = spawn(here("../../../target/tools/py/bin/python3"), [here("m3u8_facts.py")]);
  child.stdin.end(JSON.stringify(texts));
  const ended = new Promise((resolve, reject) => child.on("error", reject).on("exit", resolve));
  const [found, faults, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), ended]);
  assert.equal(code, 0, `m3u8 (./run deps test installs it): ${faults}`);
  return JSON.parse(found);
}

/**
 * Reads all playlists under an address such as `/live/public/evt_…`: the list of renditions, and of each rendition the
 * one with parts, the plain one, the one without its older part, and the one of key pictures.
 */
export async function readAll(base, headers = {}) {
  const texts = {};
  const get = async (name) => {
    const answer = await fetch(`${url}${base}/${name}`, { headers });
    assert.equal(answer.status, 200, `${base}/${name}`);
    assert.match(answer.headers.get("content-type"), /^application\/vnd\.apple\.mpegurl/);
    texts[name] = await answer.text();
  };
  for (const name of ["index.m3u8", "index.m3u8?plain=1"]) await get(name);
  const named = [...texts["index.m3u8"].matchAll(/^([a-z0-9]+)\/index\.m3u8$|URI="([a-z]+)\/index\.m3u8"/gm)];
  const renditions = named.map(([, variant, sound]) => variant ?? sound).sort();
  for (const rendition of renditions) {
    const queries = base.startsWith("/live/") ? ["", "?plain=1", "?_HLS_skip=YES"] : [""];
    for (const query of queries) await get(`${rendition}/index.m3u8${query}`);
    if (rendition !== "audio") await get(`${rendition}/iframes.m3u8`);
  }
  const theirs = await byM3u8(texts);
  for (const [name, text] of Object.entries(texts)) {
    assert.deepEqual(byHlsParser(name, text), theirs[name], `${name} is read in two ways:\n${text}`);
    if (theirs[name].segments) hangsTogether(name, theirs[name], text);
  }
  const of = (rendition, query = "") => theirs[`${rendition}/index.m3u8${query}`];
  return { master: theirs["index.m3u8"], plain: theirs["index.m3u8?plain=1"], renditions, of, texts, all: theirs };
}

const sum = (parts) => parts.reduce((total, [, duration]) => total + duration, 0);
const near = (one, other) => Math.abs(one - other) < 0.0015;

/** What is true of every playlist of ours, whatever goes on. */
function hangsTogether(name, list, text) {
  const first = list.sequence + list.skipped;
  const growing = first + list.segments.length;
  list.segments.forEach((segment, at) => {
    assert.equal(segment.uri, `${first + at}.m4s`, text);
    assert.ok(Math.round(segment.duration) <= list.target, text);
    if (segment.parts.length > 0 && !segment.gap) assert.ok(near(sum(segment.parts), segment.duration), text);
    const before = list.segments[at - 1];
    if (before && !segment.gap && !before.gap && segment.map !== before.map) assert.ok(segment.discontinuity, text);
    if (before && !name.startsWith("audio")) {
      // Dates go on where the pictures do, and never back.
      const ahead = (segment.date - before.date) / 1000 - before.duration;
      assert.ok(segment.discontinuity ? ahead > -0.002 : Math.abs(ahead) < 0.26, `${segment.uri} ${ahead}:\n${text}`);
    }
    if (list.pictures && !segment.gap) assert.match(segment.range, /^[1-9]\d*@0$/);
  });
  for (const [number, parts] of [...list.segments.map(({ parts }, at) => [first + at, parts]), [growing, list.growing]]) {
    assert.deepEqual(parts.map(([uri]) => uri), parts.map((_, at) => `${number}.${at}.m4s`), text);
    assert.ok(parts.every(([, duration]) => duration <= list.part_target + 0.001), text);
    // A segment's last part may be of any length (RFC 8216bis, 4.4.4.9).
    assert.ok(parts.slice(0, -1).every(([, duration]) => duration >= 0.85 * list.part_target), text);
    // What was before the first segment is a gap in parts that nobody fetches.
    const isGap = list.segments[number - first]?.gap;
    if (parts.length > 0 && !isGap) assert.ok(parts[0][2], `it begins with a key picture:\n${text}`);
  }
  const isLow = !list.ended && !list.pictures && !name.includes("plain");
  assert.deepEqual([list.target, list.version], [2, isLow ? 9 : 8]);
  assert.deepEqual([list.part_target, list.control], isLow ? [0.5, [true, 12, 1.5]] : [null, null]);
  assert.equal(list.hint, isLow ? `${growing}.${list.growing.length}.m4s` : null, text);
}
