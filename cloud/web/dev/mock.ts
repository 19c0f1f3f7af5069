// The API's shapes in memory, for work on the pages without a server. Never part of the build.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";
import { accountAnswer } from "./mock_own_account.ts";
import { belowEvent, change, ofSimulcasts, details, READS_ONLY, ticks } from "./mock_event.ts";
import { answerViewer, tellViewers } from "./mock_embed.ts";
import { mayBecome } from "../src/admin/data/transitions.ts";
import type { Alarm, Device, Item, Job, LiveEvent, Telemetry } from "../src/admin/data/types.ts";
import { answerOfAccount, servedFile } from "./mock_account.ts";

const at = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

function event(number: number, title: string, status: LiveEvent["status"], more: Partial<LiveEvent> = {}): LiveEvent {
  const id = `evt_mock${number}`;
  const on = status === "started" || status === "preview";
  return { id, number, title, status, version: 1, created_at: at(300), updated_at: at(number * 7), ...details(id, on), ...more };
}

function telemetry(live: boolean): Telemetry {
  const rate = Math.round(3900 + Math.random() * 300);
  const level = () => ({ peak_dbfs: -8 - Math.random() * 6, rms_dbfs: -20 - Math.random() * 6 });
  const output = (role: "main" | "backup") => ({
    role, state: live ? ("sending" as const) : ("off" as const), url: "rtmp://127.0.0.1/live",
    bitrate_kbps: live ? rate : 0, queued_ms: 0, sent_bytes: 1, dropped_frames: 0, reconnects: 0, error: null,
  });
  return {
    ts: new Date().toISOString(), live: { state: live ? "live" : "off", since_ms: null },
    recording: { state: "recording", file: "rec_01.mp4", duration_ms: Date.now() % 5_000_000, bytes: 812_000_000, error: null, disk: "USB CREW", marks: [{ number: 1, file: "rec_01.mp4", at_ms: 61_000, label: "Encore" }] },
    signal: { state: "locked", source: "HDMI", width: 1920, height: 1080, fps: 29.97, audio: true },
    encoder: { state: "running", name: "x264enc", bitrate_kbps: rate, fps: 29.9, frames: 1, dropped_frames: 0, restarts: 0, error: null },
    outputs: [output("main"), output("backup")], audio: [level(), level()],
    storage: { free_bytes: 412e9, total_bytes: 512e9, remaining_s: 190_000 }, temperature_c: 54, cpu_percent: 38, identify_ms: 0,
    clock_synced: true, memory: { total_bytes: 4e9, available_bytes: 2.9e9, agent_bytes: 4e7, media_bytes: 3e8 }, power: { under_voltage: false, throttled: false, since_boot: false },
    network: [{ name: "eth0", kind: "wired", speed_mbps: 1000, addresses: ["192.0.2.7"], received_kbps: 12, sent_kbps: 2 * rate, errors: 0 }],
  };
}

const device = (n: number, name: string, online: boolean, now: Telemetry | null): Device => ({
  id: `box_mock${n}`, name, version: 1, created_at: at(9000), online, last_seen_at: online ? at(0) : at(45), telemetry: now,
  config: null, reported: now && { error: null, state: { config: { version: 0, applied: true, running: { video: { width: 1920, height: 1080, fps: 30 } } } } },
});

const devices = [
  device(1, "Rack 1, main hall", true, telemetry(true)),
  device(2, "Rack 2, lecture room", false, telemetry(false)),
  device(3, "Spare box", false, null),
];
const recordings = ["rec_1"];
const events = [
  event(5, "Annual general meeting", "started", {
    device_id: "box_mock1", on_air: "main", service_message: "The sound of the second microphone will be better in a minute.", resolutions: [1080, 720, 480],
  }),
  event(4, "Chamber concert, second evening with a rather long title that has to be cut", "waiting", {
    starts_at: at(-94.3), ends_at: at(-240), automatic: true, countdown: true, record: "recording",
  }),
  event(3, "Product launch", "preview"),
  event(2, "Board briefing", "paused", { recordings }),
  event(1, "Rehearsal", "ended", { recordings }),
];
const items: Item[] = [
  { id: "itm_mock1", number: 1, title: "Rehearsal", version: 1, created_at: at(20), duration_ms: 1_812_000, event_id: "evt_mock1", recording_id: "rec_1", trim_from_ms: null, trim_to_ms: null },
];

const job = (n: number, title: string, state: Job["state"], more: Partial<Job> = {}): Job => ({
  id: `job_mock${n}`, kind: "delete-media", subject: "itm_mock1", title, state, percent: null, words: null, error: null,
  cancelling: false, attempts: 1, max_attempts: 8, created_at: at(60 - n), run_at: null, started_at: at(60 - n), ended_at: null,
  version: 1, ...more,
});
const jobs = [
  job(6, "Copy the store to PostgreSQL", "running", { kind: "store-copy", percent: 37, words: "370 000 of 1 000 000 documents copied" }),
  job(5, "Delete the media of “A very long title that somebody gave to the recording of the second evening of the chamber concert”", "running",
    { percent: null, words: "Looking for what nothing refers to" }),
  job(4, "Delete the media of “Board briefing”", "waiting",
    { error: "the event is not over: as long as it goes on, none of its media are removed", run_at: at(-1.5), attempts: 3 }),
  job(3, "Back up the store", "done", { kind: "store-backup", percent: 100, words: "812 MB written", ended_at: at(40) }),
  job(2, "Delete the media of “Rehearsal”", "failed", { error: "the media store: no space left on device", attempts: 8, ended_at: at(55) }),
  job(1, "Rewrite the store", "cancelled", { kind: "store-rewrite", ended_at: at(58) }),
];

const alarms: Alarm[] = [
  {
    name: "media-store-away", since: at(12),
    words: "The media store (bucket media at https://s3.example.org) does not take media: it does not answer in time. They wait on this machine's disk and go there by themselves.",
  },
];

const streams = new Set<ServerResponse>();
const say = (name: string, data: unknown): void => {
  for (const stream of streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
};

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text ? (JSON.parse(text) as Record<string, unknown>) : {};
}

const lists: Record<string, { id: string }[]> = { events, devices, items, jobs };

type Answer = [status: number, body?: unknown];
const refuse = (status: number, title: string, detail: string): Answer => [status, { title, status, detail }];

async function answer(request: IncomingMessage, path: string[], query: string): Promise<Answer> {
  const [kind = "", id, sub, name] = path;
  if (kind === "session") {
    const all = ["events:read", "events:write", "events:run", "devices:read", "devices:write", "devices:control", "account:read", "account:write", "log:read", "password:change", "api:use"];
    const permissions = READS_ONLY ? all.filter((one) => one.endsWith(":read")) : all;
    return [200, { user_id: "usr_mock1", email: "admin@example.org", name: "Anna Admin", permissions, csrf: "x" }];
  }
  const own = accountAnswer(path.join("/")) ?? (await answerOfAccount(request, path));
  if (own) return own;
  const list = lists[kind];
  const body = request.method === "GET" ? {} : await read(request);
  if (kind === "simulcasts") return ofSimulcasts(events, request.method ?? "", id, query, body);
  if (!list) return refuse(404, "Not found", "There is nothing at this address");
  if (!id) {
    if (request.method === "GET") return [200, { data: list, next: null }];
    if (kind === "devices") {
      const made = device(devices.length + 1, String(body["name"]), false, null);
      devices.push(made);
      return [201, { ...made, secret: "8c1f04d27be94e33a1c2", mqtt_url: "mqtt://127.0.0.1:1883" }];
    }
    const made = event(events.length + 1, String(body["title"]), "waiting", { updated_at: at(0) });
    events.push(made);
    return [201, made];
  }
  if (sub === "clone") {
    const { messages, images, transcode, resolutions, record, title } = list.find((one) => one.id === id) as LiveEvent;
    const made = event(events.length + 1, title, "waiting", { updated_at: at(0), messages, images, transcode, resolutions, record });
    events.push(made);
    return [201, made];
  }
  const found = list.find((one) => one.id === id);
  if (!found) return refuse(404, "Not found", `There is no ${kind.slice(0, -1)} ${id}`);
  if (sub === "commands") return [200, { status: "done", code: 200, error: null, name }];
  const below = kind === "events" && sub ? belowEvent(found as LiveEvent, path.slice(2), query, body) : undefined;
  if (below) return below;
  if (request.method === "GET") return [200, found];
  if (kind === "jobs") {
    const changed = found as Job;
    const waits = changed.state === "waiting";
    if (sub === "retry") Object.assign(changed, { state: "waiting", attempts: 0, run_at: at(0), ended_at: null });
    else Object.assign(changed, waits ? { state: "cancelled", ended_at: at(0) } : { cancelling: true });
    changed.version += 1;
    say("change", { kind: "job", id: changed.id });
    return [waits ? 200 : 202, changed];
  }
  if (request.method === "DELETE") {
    items.splice(items.indexOf(found as Item), 1);
    const made = job(jobs.length + 1, `Delete the media of “${(found as Item).title}”`, "running", { percent: 40, words: "4 of 10 files removed" });
    jobs.push(made);
    say("change", { kind: "item", id: found.id, deleted: true });
    say("change", { kind: "job", id: made.id });
    return [202, made];
  }
  const changed = found as LiveEvent;
  if (sub === "status") {
    const to = body["status"] as LiveEvent["status"];
    if (!mayBecome(changed.status, to)) return refuse(409, "Conflict", `The event is ${changed.status}, it cannot become ${to}`);
    changed.status = to;
  } else {
    const wrong = change(changed, body);
    if (wrong) return wrong;
  }
  changed.version += 1;
  changed.updated_at = at(0);
  tellViewers(changed);
  say("change", { kind: "event", id: changed.id });
  return [200, changed];
}

/** Answers `/api/v1` in Vite's development server. */
export function mock(): Plugin {
  return {
    name: "stagebox-mock",
    configureServer(server) {
      const ticker = setInterval(() => {
        const one = devices[0];
        if (one) say("telemetry", { device_id: one.id, telemetry: telemetry(true) });
        ticks(events, say);
      }, 1000);
      server.httpServer?.on("close", () => clearInterval(ticker));
      server.middlewares.use((request, response, next) => {
        const [path = "/", query = ""] = (request.url ?? "/").split("?");
        if (path === "/api/v1/stream") {
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write("event: alive\ndata: {}\n\n");
          response.write(`event: alarms\ndata: ${JSON.stringify({ alarms })}\n\n`);
          streams.add(response);
          request.on("close", () => streams.delete(response));
        } else if (path.startsWith("/api/v1/")) {
          void answer(request, path.split("/").slice(3), query).then(([status, body]) => {
            response.writeHead(status, { "content-type": "application/json" });
            response.end(body === undefined ? "" : JSON.stringify(body));
          });
        } else if (path.startsWith("/embed/")) {
          void answerViewer(server, events, path, response).then((done) => !done && next());
        } else if (path.startsWith("/include/")) {
          const file = servedFile(decodeURIComponent(path.split("/")[3] ?? ""));
          response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" });
          response.end(file?.data);
        } else {
          if (/^\/(events|devices|items|jobs|files|settings|login|log|me|forgot|reset)/.test(path)) request.url = "/index.html";
          next();
        }
      });
    },
  };
}
